"""Measured facts that steer later plans: read rates per host, and how often an intermediate is queried."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from mistique_core.catalogue.database import insert_ignore, upsert
from mistique_core.catalogue.tables import intermediate, intermediate_use, read_rate
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


def count_queries(connection: sa.Connection, counts: Mapping[int, int]) -> None:
    """Add to n_query (thesis Eq. 5.5) of intermediates; one that was deleted meanwhile is left out."""
    known = connection.scalars(sa.select(intermediate.c.id).where(intermediate.c.id.in_(sorted(counts))))
    counts = {item: counts[item] for item in known}
    insert_ignore(connection, intermediate_use, [{"intermediate_id": item, "n_query": 0} for item in sorted(counts)])
    for item, count in sorted(counts.items()):
        connection.execute(
            sa.update(intermediate_use)
            .where(intermediate_use.c.intermediate_id == item)
            .values(n_query=intermediate_use.c.n_query + count)
        )


def queries_of(connection: sa.Connection, intermediate_id: int) -> int:
    """Return n_query of an intermediate."""
    query = sa.select(intermediate_use.c.n_query).where(intermediate_use.c.intermediate_id == intermediate_id)
    return connection.scalar(query) or 0
