"""Measured facts that steer later plans: rates of each host, and how often an intermediate is queried."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from mistique_core.catalogue.database import insert_ignore, upsert
from mistique_core.catalogue.tables import cost_rate, intermediate, intermediate_use
from mistique_core.cost import HostRates, Rate


def load_rates(connection: sa.Connection, host: str) -> HostRates:
    """Return what was measured on `host`; empty if nothing was."""
    rows = connection.execute(sa.select(cost_rate).where(cost_rate.c.host == host))
    return HostRates({str(row.term): Rate(row.seconds, row.samples) for row in rows})


def save_rates(connection: sa.Connection, host: str, rates: Mapping[str, Rate]) -> None:
    """Replace some rates of `host`."""
    for term, rate in sorted(rates.items()):
        upsert(connection, cost_rate, {"host": host, "term": term}, {"seconds": rate.seconds, "samples": rate.samples})


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
