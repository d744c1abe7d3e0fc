"""How many bytes of values a READ would bring into memory, before it is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from mistique_core.catalogue.intermediates import columns_of, find_intermediate
from mistique_core.errors import NotFoundError, did_you_mean
from mistique_core.model import ALL_COLUMNS, IntermediateKey


@dataclass(frozen=True)
class ReadingSize:
    """What the columns of some keys hold.

    Attributes
    ----------
    model_versions
        The model versions that the keys name.
    rows
        Most rows of any of the intermediates.
    value_bytes
        Bytes of all values of the columns, as they were logged.
    """

    model_versions: frozenset[int]
    rows: int
    value_bytes: int

    def of_rows(self, rows: int | None) -> int:
        """Return the bytes of the values of so many rows, ``None`` for all."""
        if rows is None or rows >= self.rows:
            return self.value_bytes
        return self.value_bytes * rows // max(self.rows, 1)


def reading_size(connection: sa.Connection, keys: Iterable[IntermediateKey]) -> ReadingSize:
    """Return what reading the columns of some keys takes.

    Raises
    ------
    NotFoundError
        If a project, model, version, intermediate or column does not exist.
    """
    versions, rows, size = set(), 0, 0
    for key in keys:
        record = find_intermediate(connection, key)
        columns = columns_of(connection, record.ref.id)
        chosen = [column for column in columns if key.column in (ALL_COLUMNS, column.name)]
        if not chosen:
            raise NotFoundError(
                f"intermediate {key.project}.{key.model}.{key.intermediate} has no column {key.column!r}; "
                f"{did_you_mean(key.column, [column.name for column in columns])}"
            )
        versions.add(record.model_version_id)
        rows = max(rows, record.ref.rows)
        size += sum(column.logical_bytes for column in chosen)
    return ReadingSize(frozenset(versions), rows, size)
