"""The query planner; pure functions over facts."""

from mistique_core.planner.facts import Facts, IntermediateFact, StageFact
from mistique_core.planner.plan import (
    STRATEGIES,
    Fetched,
    QueryPlan,
    Step,
    Strategy,
    TargetPlan,
    format_bytes,
    format_seconds,
)
from mistique_core.planner.planner import RERUN, RERUN_BYTES, plan_target
from mistique_core.planner.split import RerunSplit, SplitCosts, split_rerun

__all__ = [
    "RERUN",
    "RERUN_BYTES",
    "STRATEGIES",
    "Facts",
    "Fetched",
    "IntermediateFact",
    "QueryPlan",
    "RerunSplit",
    "SplitCosts",
    "StageFact",
    "Step",
    "Strategy",
    "TargetPlan",
    "format_bytes",
    "format_seconds",
    "plan_target",
    "split_rerun",
]
