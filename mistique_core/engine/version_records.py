"""What never changes about a column version, remembered under its id and content address together."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from mistique_core.catalogue.chunks import VersionRecord, version_records
from mistique_core.catalogue.intermediates import VersionKey
from mistique_core.engine.lru import LruCache
from mistique_core.errors import NotMaterializedError

_KEPT = 8_192


class VersionRecords:
    """Looks column versions up once."""

    def __init__(self) -> None:
        self._records: LruCache[VersionKey, VersionRecord] = LruCache(_KEPT)

    def find(self, connection: sa.Connection, versions: Sequence[VersionKey]) -> dict[VersionKey, VersionRecord]:
        """Return those of some column versions that are stored."""
        known = {key: self._records.get(key) for key in versions}
        unknown = {key.id: key for key, record in known.items() if record is None}
        for record in version_records(connection, list(unknown)) if unknown else ():
            key = unknown[record.id]
            known[key] = record
            self._records.put(key, record)
        return {key: record for key, record in known.items() if record is not None}

    def get(self, connection: sa.Connection, version: VersionKey) -> VersionRecord:
        """Return a column version that is stored.

        Raises
        ------
        NotMaterializedError
            If it is not stored any more.
        """
        found = self.find(connection, [version]).get(version)
        if found is None:
            raise NotMaterializedError("a column is not stored any more; use strategy='rerun' or 'auto'")
        return found

    def block_rows(self, version: VersionKey) -> int | None:
        """Return the rows of a row block of a column version, or ``None`` when nobody has looked it up lately."""
        record = self._records.get(version)
        return None if record is None else record.block_rows
