"""Measured facts that steer later plans: read rates per host."""

from __future__ import annotations

import sqlalchemy as sa

from mistique_core.catalogue.database import upsert
from mistique_core.catalogue.tables import read_rate
from mistique_core.cost import ReadRate


def load_rate(connection: sa.Connection, host: str) -> ReadRate | None:
    """Return the rate measured on `host`, if any."""
    row = connection.execute(sa.select(read_rate).where(read_rate.c.host == host)).first()
    return None if row is None else ReadRate(row.bytes_per_second, row.chunk_seconds, row.samples)


def save_rate(connection: sa.Connection, host: str, rate: ReadRate) -> None:
    """Replace the rate of `host`."""
    values = {
        "bytes_per_second": rate.bytes_per_second,
        "chunk_seconds": rate.chunk_seconds,
        "samples": rate.samples,
    }
    upsert(connection, read_rate, {"host": host}, values)
