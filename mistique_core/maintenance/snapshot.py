"""A connection whose statements all see the catalogue at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue


@contextmanager
def snapshot(catalogue: Catalogue) -> Iterator[sa.Connection]:
    """Yield a connection that sees nothing of what others commit meanwhile, on PostgreSQL too."""
    with catalogue.read() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield connection
