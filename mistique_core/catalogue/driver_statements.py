"""Statements about single rows that are compiled once a process, and handed to the driver as they are.

SQLAlchemy compiles a statement in half a millisecond, anew for every engine, and needs a fifth of that to find it
again. The record of a small run is some thirty statements, once each: most of its time. So these are kept for the
process, by what they are made of: a table, and names of columns. Values are bound, and never part of the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg

_SIZES = (1, 8, 64, 512)
"""Numbers of values that are looked up with one statement; the last one is repeated to fill it."""
_KEPT = 1_000

Row = Mapping[str, Any]


def insert_ignore(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Insert rows, leaving alone those whose unique key exists already; all have the columns of the first."""
    if not rows:
        return
    text = _insert(connection.dialect.name, table, tuple(rows[0]), is_ignoring=True)
    values = _bound(connection.dialect, table, rows)
    connection.exec_driver_sql(text, values if len(values) > 1 else values[0])


def insert_new(connection: sa.Connection, table: sa.Table, row: Row) -> int | None:
    """Insert one row, and return its id; ``None`` if its unique key exists already."""
    text = _insert(connection.dialect.name, table, tuple(row), is_ignoring=True, is_returning=True)
    found = connection.exec_driver_sql(text, _bound(connection.dialect, table, [row])[0]).first()
    return None if found is None else int(found[0])


def insert_returning_ids(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> list[int]:
    """Insert rows, and return their ids in the order of the rows, in which they ascend."""
    if not rows:
        return []
    values = _bound(connection.dialect, table, rows)
    if connection.dialect.name == "sqlite":  # a call of a library, which costs less than a statement for all of them
        text = _insert("sqlite", table, tuple(rows[0]), is_returning=True)
        return [int(connection.exec_driver_sql(text, row).one()[0]) for row in values]
    drawn = connection.exec_driver_sql(_draw(), {"table": table.name, "column": "id", "first": 1, "last": len(rows)})
    ids = sorted(int(row[0]) for row in drawn)
    text = _insert("postgresql", table, ("id", *rows[0]))
    connection.exec_driver_sql(text, [{**row, "id": number} for row, number in zip(values, ids, strict=True)])
    return ids


def find_ids(connection: sa.Connection, table: sa.Table, key: str, values: Sequence[Any]) -> dict[Any, int]:
    """Return value of the column `key` -> id, for those of some texts or bytes that a row has."""
    found: dict[Any, int] = {}
    for start in range(0, len(values), _SIZES[-1]):
        part = values[start : start + _SIZES[-1]]
        size = next(size for size in _SIZES if size >= len(part))
        wanted = {f"v{number}": part[min(number, len(part) - 1)] for number in range(size)}
        rows = connection.exec_driver_sql(_select_in(connection.dialect.name, table, key, size), wanted)
        found.update((row[0], int(row[1])) for row in rows)
    return found


def find_row(
    connection: sa.Connection, table: sa.Table, key: Row, wanted: tuple[str, ...] = ("id",)
) -> tuple[Any, ...] | None:
    """Return columns, numbers and texts only, of the row with a unique `key`; ``None`` if there is none."""
    text = _select(connection.dialect.name, table, tuple(key), wanted)
    row = connection.exec_driver_sql(text, dict(key)).first()
    return None if row is None else tuple(row)


def update_row(connection: sa.Connection, table: sa.Table, row_id: int, values: Row) -> None:
    """Set columns of the row with that id."""
    text = _update(connection.dialect.name, table, tuple(values))
    connection.exec_driver_sql(text, {**_bound(connection.dialect, table, [values])[0], "wanted_id": row_id})


def _bound(dialect: sa.Dialect, table: sa.Table, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return what is bound: JSON as the dialect writes it; what the driver takes as it is otherwise."""
    documents = [name for name in rows[0] if isinstance(table.c[name].type, sa.JSON)]
    if not documents:
        return [dict(row) for row in rows]
    write = sa.JSON().dialect_impl(dialect).bind_processor(dialect)
    assert write is not None
    return [{**row, **{name: write(row[name]) for name in documents}} for row in rows]


@lru_cache(maxsize=2)
def _dialect(name: str) -> sa.Dialect:
    return sqlite.dialect(paramstyle="named") if name == "sqlite" else psycopg.dialect()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=_KEPT)
def _insert(
    dialect: str, table: sa.Table, names: tuple[str, ...], *, is_ignoring: bool = False, is_returning: bool = False
) -> str:
    statement: Any = (sqlite.insert if dialect == "sqlite" else postgresql.insert)(table).inline()
    if is_ignoring:
        statement = statement.on_conflict_do_nothing()
    if is_returning:
        statement = statement.returning(table.c.id)
    return str(statement.compile(dialect=_dialect(dialect), column_keys=list(names)))


@lru_cache(maxsize=_KEPT)
def _select_in(dialect: str, table: sa.Table, key: str, size: int) -> str:
    values = [sa.bindparam(f"v{number}", type_=table.c[key].type) for number in range(size)]
    return str(sa.select(table.c[key], table.c.id).where(table.c[key].in_(values)).compile(dialect=_dialect(dialect)))


@lru_cache(maxsize=_KEPT)
def _select(dialect: str, table: sa.Table, key: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    conditions = (table.c[name] == sa.bindparam(name, type_=table.c[name].type) for name in key)
    return str(sa.select(*(table.c[name] for name in wanted)).where(*conditions).compile(dialect=_dialect(dialect)))


@lru_cache(maxsize=_KEPT)
def _update(dialect: str, table: sa.Table, names: tuple[str, ...]) -> str:
    statement = sa.update(table).where(table.c.id == sa.bindparam("wanted_id"))
    return str(statement.compile(dialect=_dialect(dialect), column_keys=list(names)))


@lru_cache(maxsize=1)
def _draw() -> str:
    """Return the statement that draws numbers of a table's sequence (PostgreSQL)."""
    sequence = sa.func.pg_get_serial_sequence(
        sa.bindparam("table", type_=sa.Text), sa.bindparam("column", type_=sa.Text)
    )
    last = sa.bindparam("last", type_=sa.Integer)
    numbers = sa.func.generate_series(sa.bindparam("first", type_=sa.Integer), last).table_valued("number")
    return str(sa.select(sa.func.nextval(sequence)).select_from(numbers).compile(dialect=_dialect("postgresql")))
