"""Statements about single rows that are compiled once a process, and handed to the driver as they are.

SQLAlchemy compiles a statement in half a millisecond, anew for every engine, and takes a tenth of one to find it again,
to run it and to describe its result. The record of a small run is some fifty statements: most of its time. So these are
kept for the process, by what they are made of (a table, and names of columns), and run by the driver's own cursor,
within the transaction of the connection. Values are bound, and never part of the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg

_SIZES = (1, 8, 64, 512)
"""Numbers of values that are looked up with one statement; the last one is repeated to fill it."""
_KEPT = 1_000
_JSON = sa.JSON()

Row = Mapping[str, Any]
_NO_LISTS: Mapping[str, Sequence[Any]] = {}


def insert_ignore(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Insert rows, leaving alone those whose unique key exists already; all have the columns of the first."""
    if rows:
        text = _insert(connection.dialect.name, table, tuple(rows[0]), is_ignoring=True)
        _run_many(connection, text, _bound(connection.dialect, table, rows))


def insert_new(connection: sa.Connection, table: sa.Table, row: Row) -> int | None:
    """Insert one row, and return its id; ``None`` if its unique key exists already."""
    text = _insert(connection.dialect.name, table, tuple(row), is_ignoring=True, is_returning=True)
    found = _run(connection, text, *_bound(connection.dialect, table, [row]))
    return int(found[0][0]) if found else None


def insert_returning_ids(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> list[int]:
    """Insert rows, and return their ids in the order of the rows, in which they ascend."""
    if not rows:
        return []
    values = _bound(connection.dialect, table, rows)
    if connection.dialect.name == "sqlite":
        text = _insert("sqlite", table, tuple(rows[0]), is_returning=True)
        return [int(found[0]) for found in _run(connection, text, *values)]
    # A server is asked twice, not once a row.
    drawn = _run(connection, _draw(), {"table": table.name, "column": "id", "first": 1, "last": len(rows)})
    ids = sorted(int(found[0]) for found in drawn)
    text = _insert("postgresql", table, ("id", *rows[0]))
    _run_many(connection, text, [{**row, "id": number} for row, number in zip(values, ids, strict=True)])
    return ids


def find_ids(connection: sa.Connection, table: sa.Table, key: str, values: Sequence[Any]) -> dict[Any, int]:
    """Return value of the column `key` -> id, for those of some texts or bytes that a row has."""
    found: dict[Any, int] = {}
    for start in range(0, len(values), _SIZES[-1]):
        part = values[start : start + _SIZES[-1]]
        size = next(size for size in _SIZES if size >= len(part))
        wanted = {f"v{number}": part[min(number, len(part) - 1)] for number in range(size)}
        rows = _run(connection, _select_in(connection.dialect.name, table, key, size), wanted)
        found.update((value, int(row)) for value, row in rows)
    return found


def find_row(
    connection: sa.Connection, table: sa.Table, key: Row, wanted: tuple[str, ...] = ("id",)
) -> tuple[Any, ...] | None:
    """Return columns, numbers and texts only, of the row with a unique `key`; ``None`` if there is none."""
    rows = _run(connection, _select(connection.dialect.name, table, tuple(key), wanted), key)
    return rows[0] if rows else None


def select_rows(
    connection: sa.Connection, statement: sa.Select[Any], values: Row, lists: Mapping[str, Sequence[Any]] = _NO_LISTS
) -> list[tuple[Any, ...]]:
    """Return the rows of a query that is built once, as the driver gives them: booleans and JSON may be as stored.

    Parameters
    ----------
    connection
        A connection.
    statement
        A module's own query; it is kept for the process.
    values
        Its parameters.
    lists
        Its expanding parameters, each with 1 to 512 values.
    """
    sizes = []
    bound = dict(values)
    for name, several in lists.items():
        size = next(size for size in _SIZES if size >= len(several))
        sizes.append((name, size))
        last = len(several) - 1
        bound.update((f"{name}_{number + 1}", several[min(number, last)]) for number in range(size))
    text, constants = _compiled(connection.dialect.name, statement, tuple(sizes))
    return _run(connection, text, {**constants, **bound})


def find_largest(connection: sa.Connection, table: sa.Table, column: str, key: Row) -> int:
    """Return the largest number in a column of the rows with a `key`; 0 if there is none."""
    return int(_run(connection, _largest(connection.dialect.name, table, column, tuple(key)), key)[0][0] or 0)


def update_row(connection: sa.Connection, table: sa.Table, row_id: int, values: Row) -> None:
    """Set columns of the row with that id."""
    text = _update(connection.dialect.name, table, tuple(values))
    _run(connection, text, {**_bound(connection.dialect, table, [values])[0], "wanted_id": row_id})


def delete_rows(connection: sa.Connection, table: sa.Table, key: Row) -> None:
    """Delete the rows with a `key`; none is not an error."""
    _run(connection, _delete(connection.dialect.name, table, tuple(key)), key)


def _run(connection: sa.Connection, text: str, *values: Row) -> list[tuple[Any, ...]]:
    """Run a statement once for each of some sets of values; return all rows."""
    found: list[tuple[Any, ...]] = []
    with _cursor(connection, text) as cursor:
        for item in values:
            cursor.execute(text, item)
            if cursor.description is not None:
                found += cursor.fetchall()
    return found


def _run_many(connection: sa.Connection, text: str, values: Sequence[Row]) -> None:
    with _cursor(connection, text) as cursor:
        cursor.executemany(text, values)


@contextmanager
def _cursor(connection: sa.Connection, text: str) -> Iterator[Any]:
    """Yield a cursor of the driver, whose errors are raised as SQLAlchemy raises those of its own statements."""
    dialect, fairy = connection.dialect, connection.connection
    cursor = fairy.cursor()
    base = dialect.loaded_dbapi.Error
    try:
        yield cursor
    except base as error:
        is_gone = dialect.is_disconnect(error, fairy.dbapi_connection, cursor)
        if is_gone:
            connection.invalidate(error)
        raise sa.exc.DBAPIError.instance(text, None, error, base, connection_invalidated=is_gone) from error
    finally:
        cursor.close()


def _bound(dialect: sa.Dialect, table: sa.Table, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return what is bound: JSON as the dialect writes it; what the driver takes as it is otherwise."""
    documents = [name for name in rows[0] if isinstance(table.c[name].type, sa.JSON)]
    if not documents:
        return [dict(row) for row in rows]
    write = _JSON.dialect_impl(dialect).bind_processor(dialect)
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
def _compiled(dialect: str, statement: sa.Select[Any], sizes: tuple[tuple[str, int], ...]) -> tuple[str, Row]:
    """Return a query as text, and the constants that it binds."""
    made: Any = statement.compile(dialect=_dialect(dialect))
    given = {bound.key: None for bound in made.binds.values() if bound.required}
    state = made.construct_expanded_state({**given, **{name: list(range(size)) for name, size in sizes}})
    return state.statement, {name: value for name, value in state.parameters.items() if value is not None}


@lru_cache(maxsize=_KEPT)
def _largest(dialect: str, table: sa.Table, column: str, key: tuple[str, ...]) -> str:
    conditions = (table.c[name] == sa.bindparam(name, type_=table.c[name].type) for name in key)
    return str(sa.select(sa.func.max(table.c[column])).where(*conditions).compile(dialect=_dialect(dialect)))


@lru_cache(maxsize=_KEPT)
def _update(dialect: str, table: sa.Table, names: tuple[str, ...]) -> str:
    statement = sa.update(table).where(table.c.id == sa.bindparam("wanted_id"))
    return str(statement.compile(dialect=_dialect(dialect), column_keys=list(names)))


@lru_cache(maxsize=_KEPT)
def _delete(dialect: str, table: sa.Table, key: tuple[str, ...]) -> str:
    conditions = (table.c[name] == sa.bindparam(name, type_=table.c[name].type) for name in key)
    return str(sa.delete(table).where(*conditions).compile(dialect=_dialect(dialect)))


@lru_cache(maxsize=1)
def _draw() -> str:
    """Return the statement that draws numbers of a table's sequence (PostgreSQL)."""
    sequence = sa.func.pg_get_serial_sequence(
        sa.bindparam("table", type_=sa.Text), sa.bindparam("column", type_=sa.Text)
    )
    last = sa.bindparam("last", type_=sa.Integer)
    numbers = sa.func.generate_series(sa.bindparam("first", type_=sa.Integer), last).table_valued("number")
    return str(sa.select(sa.func.nextval(sequence)).select_from(numbers).compile(dialect=_dialect("postgresql")))
