"""Indexes for the length of one transaction.

A database looks for rows that refer to a row which is being deleted. Where the referring column has no
index, it reads the whole table for each deleted row; an index that only deletions need would cost space and
time all year. PostgreSQL would keep readers waiting while it drops one, so there they are not made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

_NAME = "mistique_scratch_{}"


@contextmanager
def scratch_indexes(connection: sa.Connection, *columns: sa.Column[Any]) -> Iterator[None]:
    """Index columns until the end of the block; if the transaction is rolled back, they never existed.

    Parameters
    ----------
    connection
        A write connection.
    *columns
        Columns of the catalogue's tables.
    """
    indexes = []
    for number, column in enumerate(columns if connection.dialect.name == "sqlite" else ()):
        copy = column.table.to_metadata(sa.MetaData())
        index = sa.Index(_NAME.format(number), copy.c[column.name])
        index.create(connection)
        indexes.append(index)
    yield
    for index in indexes:
        index.drop(connection)
