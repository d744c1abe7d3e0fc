"""Measured facts that steer later plans: rates of each host."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from mistique_core.catalogue.database import upsert
from mistique_core.catalogue.tables import cost_rate
from mistique_core.cost import HostRates, Rate


def load_rates(connection: sa.Connection, host: str) -> HostRates:
    """Return what was measured on `host`; empty if nothing was."""
    rows = connection.execute(sa.select(cost_rate).where(cost_rate.c.host == host))
    return HostRates({str(row.term): Rate(row.seconds, row.samples) for row in rows})


def save_rates(connection: sa.Connection, host: str, rates: Mapping[str, Rate]) -> None:
    """Replace some rates of `host`."""
    for term, rate in sorted(rates.items()):
        upsert(connection, cost_rate, {"host": host, "term": term}, {"seconds": rate.seconds, "samples": rate.samples})
