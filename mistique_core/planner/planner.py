"""Choose between READ and RERUN: a pure function of facts and costs (thesis sections 5.5 and 5.6)."""

from __future__ import annotations

from typing import Literal

from mistique_core.cost import QUERY, WantedRows, add_work, read_work, wanted_rows
from mistique_core.errors import InvalidInputError, NotMaterializedError, RerunError
from mistique_core.planner.facts import Facts, IntermediateFact
from mistique_core.planner.frontier import rerun_way
from mistique_core.planner.plan import STRATEGIES, Strategy, TargetPlan, estimated_reason

RERUN, RERUN_BYTES = "rerun", "rerun.bytes"
"""Work of every re-run besides its stages and its reading: once, and for each byte that it returns."""


def plan_target(
    target: int,
    facts: Facts,
    strategy: Strategy,
    rows: int | WantedRows | None = None,
    *,
    by_windows: bool = False,
) -> TargetPlan:
    """Plan how to obtain one intermediate.

    Parameters
    ----------
    target
        Id of the intermediate.
    facts
        It and all its ancestors, with costs.
    strategy
        ``read`` and ``rerun`` force the choice; ``auto`` takes the cheaper by estimate, and READ on a tie.
    rows
        How many rows are wanted whose row ids are known; ``None`` for all, or when their values decide.
    by_windows
        Re-run only where no step needs more than those rows of anything, even where reading or making all rows of
        something is estimated to be faster: for rows that follow each other window by window.

    Raises
    ------
    NotMaterializedError
        If ``read`` is forced, or nothing else is possible, and the bytes are not stored.
    RerunError
        If ``rerun`` is forced and a stage on the way cannot be re-run.
    """
    if strategy not in STRATEGIES:
        raise InvalidInputError(f"strategy {strategy!r} is unknown; use one of {', '.join(STRATEGIES)}")
    fact = facts.intermediates[target]
    wanted = wanted_rows(rows)
    work = add_work({QUERY: 1.0}, read_work(fact.read_parts(), wanted))
    read = facts.rate.seconds(work) if fact.materialized else None
    way = rerun_way(target, facts, wanted, by_windows=by_windows)
    around = _around(fact, wanted)
    rerun = None if way.obstacle else way.seconds + facts.rate.seconds({QUERY: 1.0, **around})
    chosen, reason = _choose(fact.label, strategy, read, rerun, way.obstacle)
    frontier = way.frontier or {}
    stages = tuple(dict.fromkeys(step.stage for step in way.steps))
    return TargetPlan(
        intermediate=target,
        label=fact.label,
        strategy="read" if chosen == "read" else "rerun",
        reason=reason,
        read_seconds=read,
        rerun_seconds=rerun,
        stages=stages,
        stage_labels=tuple(facts.stages[stage].label for stage in stages),
        frontier=tuple(frontier),
        frontier_labels=tuple(facts.intermediates[item].label for item in frontier),
        stored_bytes=fact.stored_bytes,
        chunks=fact.chunks,
        steps=way.steps,
        rows_of=frozenset(item for item, whole in frontier.items() if not whole),
        read_work=work,
        frontier_work=add_work(
            *(
                read_work(facts.intermediates[item].read_parts(), None if whole else wanted)
                for item, whole in frontier.items()
            )
        ),
        around_work=around,
        step_seconds=way.step_seconds,
    )


def _around(fact: IntermediateFact, rows: WantedRows | None) -> dict[str, float]:
    share = 1.0 if rows is None or not fact.rows else min(1.0, rows.count / fact.rows)
    return {RERUN: 1.0, RERUN_BYTES: fact.logical_bytes * share}


def _choose(
    label: str, strategy: Strategy, read: float | None, rerun: float | None, obstacle: str | None
) -> tuple[Strategy, str]:
    if read is None and rerun is None:
        raise NotMaterializedError(f"{label} is not stored and cannot be re-run: {obstacle}")
    if strategy == "read":
        if read is None:
            raise NotMaterializedError(f"{label} is not stored; use strategy='rerun' or 'auto'")
        return "read", "it was asked for."
    if strategy == "rerun":
        if rerun is None:
            raise RerunError(f"{label} cannot be re-run: {obstacle}; use strategy='read'")
        return "rerun", "it was asked for."
    if rerun is None:
        return "read", f"it cannot be re-run: {obstacle}."
    if read is None:
        return "rerun", "it is not stored."
    cheaper: Literal["read", "rerun"] = "read" if read <= rerun else "rerun"
    return cheaper, estimated_reason(cheaper, read, rerun)
