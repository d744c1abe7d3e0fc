"""The cost model; pure functions over measured facts."""

from mistique_core.cost.model import (
    ANY_RATE,
    ReadRate,
    StageCost,
    gamma,
    read_rows_seconds,
    read_seconds,
    rerun_seconds,
)
from mistique_core.cost.rate import update_rate

__all__ = [
    "ANY_RATE",
    "ReadRate",
    "StageCost",
    "gamma",
    "read_rows_seconds",
    "read_seconds",
    "rerun_seconds",
    "update_rate",
]
