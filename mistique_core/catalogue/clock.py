"""The clock that all hosts of a store share: that of its catalogue.

Hosts may disagree by any amount. Who is still writing, and for how long a file has been garbage, is told by times that
several hosts compare, so that these come from one clock.
"""

from __future__ import annotations

import time

import sqlalchemy as sa


def catalogue_seconds(connection: sa.Connection) -> float:
    """Return Unix seconds now, by the clock of the database; that of an SQLite file is this host's."""
    if connection.dialect.name != "postgresql":
        return time.time()
    return float(connection.scalar(sa.select(sa.func.extract("epoch", sa.func.clock_timestamp()))) or 0.0)
