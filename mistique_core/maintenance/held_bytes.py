"""Encoded bytes that intermediates hold, alone or together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from mistique_core.maintenance.references import load_intermediates, load_references


class HeldBytes:
    """What column versions take, and who holds them.

    Attributes
    ----------
    users
        Column version -> how many intermediates hold it.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self.users: Mapping[int, int] = Counter(
            version for item in load_intermediates(connection) for version in set(item.versions.tolist())
        )
        references = load_references(connection)
        sizes = dict(zip(references.chunks.tolist(), references.chunk_bytes.tolist(), strict=True))
        self._bytes: Counter[int] = Counter()
        for version, chunk in zip(references.link_versions.tolist(), references.link_chunks.tolist(), strict=True):
            self._bytes[version] += sizes.get(chunk, 0)

    def shared(self, versions: Iterable[int]) -> float:
        """Return the bytes of column versions, each divided by the intermediates that hold it (S of thesis Eq. 5.5)."""
        return sum(self._bytes[version] / max(self.users[version], 1) for version in set(versions))

    def freed(self, versions: Iterable[int]) -> int:
        """Return the bytes of those column versions that nobody holds any more.

        Parameters
        ----------
        versions
            Those that are let go, as often as they are.
        """
        going = Counter(versions)
        return sum(self._bytes[version] for version, count in going.items() if count >= self.users[version])
