"""What is told about a query that was answered: the choice, its estimates, and what it took."""

from __future__ import annotations

from mistique_core import telemetry
from mistique_core.planner import QueryPlan


def report_query(plan: QueryPlan) -> None:
    """Tell of an answered query.

    ``estimated_seconds`` is what the cost model expected of the strategy that was chosen, and ``estimate_ratio`` how
    many times as long it took; both are left out where intermediates of one query were answered in different ways, or
    where there was no estimate.
    """
    estimated = {"read": plan.read_seconds, "rerun": plan.rerun_seconds}.get(plan.strategy)
    measured, fetched = plan.measured_seconds, plan.fetched
    telemetry.report(
        "query",
        strategy=plan.strategy,
        intermediates=len(plan.targets),
        seconds=measured,
        estimated_seconds=estimated,
        estimate_ratio=measured / estimated if measured and estimated else None,
        read_seconds=plan.read_seconds,
        rerun_seconds=plan.rerun_seconds,
        chunks=None if fetched is None else fetched.chunks,
        fetched_bytes=None if fetched is None else fetched.stored_bytes,
        skipped_chunks=None if fetched is None else fetched.skipped_chunks,
        is_from_memory=None if fetched is None else plan.strategy == "read" and not fetched.chunks,
    )
