"""Statements over long lists of ids, cut into pieces that every database takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa

Item = TypeVar("Item", int, str, bytes)
_BATCH = 500


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield the items, each once and sorted, in lists of at most 500."""
    ordered = sorted(set(items))
    for start in range(0, len(ordered), _BATCH):
        yield ordered[start : start + _BATCH]


def select_in(
    connection: sa.Connection, query: sa.Select[Any], column: sa.Column[Any], items: Iterable[Item]
) -> Iterator[sa.Row[Any]]:
    """Yield the rows of a query whose `column` is one of the items."""
    for batch in batches(items):
        yield from connection.execute(query.where(column.in_(batch))).all()


def delete_in(connection: sa.Connection, column: sa.Column[Any], items: Iterable[Item]) -> int:
    """Delete the rows of a table whose `column` is one of the items; return how many there were."""
    removed = 0
    for batch in batches(items):
        removed += connection.execute(sa.delete(column.table).where(column.in_(batch))).rowcount
    return removed


def clear_in(connection: sa.Connection, column: sa.Column[Any], items: Iterable[Item], **also: Any) -> int:
    """Set `column` to NULL, and other columns to the given values, where it is one of the items."""
    changed = 0
    for batch in batches(items):
        statement = sa.update(column.table).where(column.in_(batch)).values({column.name: None, **also})
        changed += connection.execute(statement).rowcount
    return changed
