"""The cost model of thesis section 5.5; pure functions over measured facts."""

from mistique_core.cost.gamma import gamma
from mistique_core.cost.rates import PLAIN, HostRates, Rate, Work, learn
from mistique_core.cost.reading import QUERY, ROWS_OF_PAGE, StoredPart, WantedRows, add_work, read_work, wanted_rows
from mistique_core.cost.stage_cost import (
    MOST_BATCH_ROWS,
    StageCost,
    StageMeasurement,
    batch_rows,
    learn_stage,
    stage_seconds,
)

NO_RATES = HostRates()
"""For plans in which no measured rate matters, because the strategy is given."""

__all__ = [
    "MOST_BATCH_ROWS",
    "NO_RATES",
    "PLAIN",
    "QUERY",
    "ROWS_OF_PAGE",
    "HostRates",
    "Rate",
    "StageCost",
    "StageMeasurement",
    "StoredPart",
    "WantedRows",
    "Work",
    "add_work",
    "batch_rows",
    "gamma",
    "learn",
    "learn_stage",
    "read_work",
    "stage_seconds",
    "wanted_rows",
]
