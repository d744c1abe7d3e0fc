"""Choose between READ and RERUN: a pure function of facts and costs (thesis sections 5.5 and 5.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mistique_core.cost import read_seconds, rerun_seconds
from mistique_core.errors import InvalidInputError, NotMaterializedError, RerunError
from mistique_core.planner.facts import Facts, IntermediateFact, StageFact
from mistique_core.planner.plan import STRATEGIES, Strategy, TargetPlan, estimated_reason


@dataclass
class _Way:
    """The cheapest way to obtain one intermediate."""

    seconds: float
    stages: list[int] = field(default_factory=list)
    frontier: list[int] = field(default_factory=list)
    obstacle: str | None = None


def plan_target(target: int, facts: Facts, strategy: Strategy) -> TargetPlan:
    """Plan how to obtain one intermediate.

    Parameters
    ----------
    target
        Id of the intermediate.
    facts
        It and all its ancestors, with costs.
    strategy
        ``read`` and ``rerun`` force the choice; ``auto`` takes the cheaper by estimate, and READ on a tie.

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
    read = read_seconds(fact.stored_bytes, fact.chunks, facts.rate) if fact.materialized else None
    way = _rerun_way(fact, facts, {})
    rerun = None if way.obstacle else way.seconds
    chosen, reason = _choose(fact.label, strategy, read, rerun, way.obstacle)
    return TargetPlan(
        intermediate=target,
        label=fact.label,
        strategy="read" if chosen == "read" else "rerun",
        reason=reason,
        read_seconds=read,
        rerun_seconds=rerun,
        stages=tuple(way.stages),
        stage_labels=tuple(facts.stages[stage].label for stage in way.stages),
        frontier=tuple(way.frontier),
        frontier_labels=tuple(facts.intermediates[item].label for item in way.frontier),
        stored_bytes=fact.stored_bytes,
        chunks=fact.chunks,
    )


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


def _cheapest(item: int, facts: Facts, memo: dict[int, _Way]) -> _Way:
    if item not in memo:
        fact = facts.intermediates[item]
        way = _rerun_way(fact, facts, memo)
        if fact.materialized:
            read = read_seconds(fact.stored_bytes, fact.chunks, facts.rate)
            if way.obstacle or read <= way.seconds:
                way = _Way(read, frontier=[item])
        memo[item] = way
    return memo[item]


def _rerun_way(fact: IntermediateFact, facts: Facts, memo: dict[int, _Way]) -> _Way:
    """Return the cheapest way that executes the stage which produced `fact`."""
    if fact.stage is None:
        return _Way(0.0, obstacle="it was logged by hand, so no stage is known that produces it")
    stage: StageFact = facts.stages[fact.stage]
    if stage.obstacle:
        return _Way(0.0, obstacle=stage.obstacle)
    stages: list[int] = []
    frontier: list[int] = []
    for item in stage.inputs:
        way = _cheapest(item, facts, memo)
        if way.obstacle:
            return _Way(0.0, obstacle=way.obstacle)
        stages.extend(s for s in way.stages if s not in stages)
        frontier.extend(f for f in way.frontier if f not in frontier)
    seconds = sum(
        read_seconds(facts.intermediates[f].stored_bytes, facts.intermediates[f].chunks, facts.rate) for f in frontier
    )
    for done in stages:
        seconds += rerun_seconds(facts.stages[done].cost, 0.0)
    return _Way(rerun_seconds(stage.cost, seconds), [*stages, stage.id], frontier)
