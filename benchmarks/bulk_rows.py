"""Fill a table of a new catalogue with millions of rows: for benchmarks alone, since nothing is checked or logged.

The rows and the indexes are those that ordinary inserts give; `tests/unit/benchmarks/test_bulk_rows.py` compares them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from mistique_core.catalogue.database import Catalogue

SORT_BYTES = 1_000_000_000
"""Memory for the sorting of an index."""
CACHE_KIB = -SORT_BYTES // 1_024
"""SQLite's way to say how much memory, not how many pages."""
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"

Columns = Mapping[str, NDArray[Any]]


def insert_columns(catalogue: Catalogue, table: sa.Table, batches: Iterable[Columns]) -> None:
    """Insert rows that are given as columns, then build the table's secondary indexes.

    Parameters
    ----------
    catalogue
        Where nothing else writes meanwhile.
    table
        An empty table.
    batches
        Column -> values: int64, float64 or bool, (rows,); in the order of the primary key.
    """
    if catalogue.dialect == "sqlite":
        _insert_into_sqlite(catalogue, table, batches)
    else:
        _copy_into_postgresql(catalogue, table, batches)


def _insert_into_sqlite(catalogue: Catalogue, table: sa.Table, batches: Iterable[Columns]) -> None:
    with catalogue.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        settings = {
            "foreign_keys": "OFF",
            "journal_mode": "OFF",
            "synchronous": "OFF",
            "cache_size": -SORT_BYTES // 1_000,
        }
        with _pragmas(raw, settings), connection.begin():
            _drop_indexes(connection, table)
            for batch in batches:
                rows = zip(*(values.tolist() for values in batch.values()), strict=True)
                raw.executemany(_insert_statement(table, list(batch)), rows).close()
            _create_indexes(connection, table)


def _insert_statement(table: sa.Table, names: Sequence[str]) -> str:
    statement = sa.insert(table).values({name: sa.bindparam(name) for name in names})
    compiled = statement.compile(dialect=sa.dialects.sqlite.dialect(paramstyle="qmark"))
    assert compiled.positiontup == list(names)
    return str(compiled)


@contextmanager
def _pragmas(raw: sqlite3.Connection, wanted: Mapping[str, str | int]) -> Iterator[None]:
    """Change settings of a connection, and set them back."""
    before = {name: raw.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
    for name, value in wanted.items():
        raw.execute(f"PRAGMA {name}={value}").fetchall()
    yield
    for name, value in before.items():
        raw.execute(f"PRAGMA {name}={value}").fetchall()


def _copy_into_postgresql(catalogue: Catalogue, table: sa.Table, batches: Iterable[Columns]) -> None:
    with catalogue.write() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # foreign keys are not looked up
        connection.exec_driver_sql(f"SET LOCAL maintenance_work_mem = '{SORT_BYTES // 1_000_000}MB'")
        _drop_indexes(connection, table)
        iterator = iter(batches)
        first = next(iterator)
        cursor = connection.connection.cursor()
        with cursor.copy(f"COPY {table.name} ({', '.join(first)}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(_HEADER)
            copy.write(_binary_rows(table, first))
            for batch in iterator:
                copy.write(_binary_rows(table, batch))
            copy.write(_END)
        _create_indexes(connection, table)
    with catalogue.write() as connection:
        connection.exec_driver_sql(f"ANALYZE {table.name}")


def _binary_rows(table: sa.Table, columns: Columns) -> bytes:
    """Return rows in PostgreSQL's binary format: the number of values, then of each its length and its bytes."""
    kinds = {name: _binary_kind(table.c[name].type) for name in columns}
    layout = [("count", ">i2")]
    for name, kind in kinds.items():
        layout += [(f"{name} bytes", ">i4"), (name, kind)]
    rows = np.empty(len(next(iter(columns.values()))), dtype=layout)
    rows["count"] = len(columns)
    for name, values in columns.items():
        rows[f"{name} bytes"] = np.dtype(kinds[name]).itemsize
        rows[name] = values
    return rows.tobytes()


def _binary_kind(kind: sa.types.TypeEngine[Any]) -> str:
    if isinstance(kind, sa.Boolean):
        return "u1"
    if isinstance(kind, sa.BigInteger):
        return ">i8"
    return ">f8" if isinstance(kind, sa.Float) else ">i4"


def _drop_indexes(connection: sa.Connection, table: sa.Table) -> None:
    for index in table.indexes:
        connection.execute(sa.schema.DropIndex(index))


def _create_indexes(connection: sa.Connection, table: sa.Table) -> None:
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        connection.execute(sa.schema.CreateIndex(index))
