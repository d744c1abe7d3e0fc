"""Choose between READ and RERUN: a pure function of facts and costs (thesis sections 5.5 and 5.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mistique_core.cost import read_rows_seconds, read_seconds, rerun_seconds
from mistique_core.errors import InvalidInputError, NotMaterializedError, RerunError
from mistique_core.model import Need
from mistique_core.planner.facts import Facts, IntermediateFact
from mistique_core.planner.plan import STRATEGIES, Step, Strategy, TargetPlan, estimated_reason


@dataclass
class _Way:
    """The cheapest way to obtain one intermediate, or some rows of it.

    Attributes
    ----------
    seconds
        Estimate.
    steps
        Executions in order, as the keys of a dict.
    frontier
        Intermediate to read -> whether all of it.
    obstacle
        Why there is no way.
    """

    seconds: float
    steps: dict[Step, None] = field(default_factory=dict)
    frontier: dict[int, bool] = field(default_factory=dict)
    obstacle: str | None = None

    def take_in(self, other: _Way) -> None:
        """Add what another way does before."""
        self.steps.update(other.steps)
        for item, whole in other.frontier.items():
            self.frontier[item] = whole or self.frontier.get(item, False)


def plan_target(target: int, facts: Facts, strategy: Strategy, rows: int | None = None) -> TargetPlan:
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
    read = _read(fact, facts, rows) if fact.materialized else None
    way = _rerun_way(fact, facts, {}, rows)
    rerun = None if way.obstacle else way.seconds
    chosen, reason = _choose(fact.label, strategy, read, rerun, way.obstacle)
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
        frontier=tuple(way.frontier),
        frontier_labels=tuple(facts.intermediates[item].label for item in way.frontier),
        stored_bytes=fact.stored_bytes,
        chunks=fact.chunks,
        steps=tuple(way.steps),
        rows_of=frozenset(item for item, whole in way.frontier.items() if not whole),
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


def _read(fact: IntermediateFact, facts: Facts, rows: int | None) -> float:
    if rows is None:
        return read_seconds(fact.stored_bytes, fact.chunks, facts.rate)
    return read_rows_seconds(fact.stored_bytes, fact.chunks, fact.rows, fact.blocks, rows, facts.rate)


_Memo = dict[tuple[int, bool, bool], _Way]


def _cheapest(item: int, facts: Facts, memo: _Memo, rows: int | None, exact: bool) -> _Way:
    key = item, rows is None, exact
    if key not in memo:
        fact = facts.intermediates[item]
        way = _rerun_way(fact, facts, memo, rows)
        if fact.materialized and (fact.exact or not exact):
            read = _read(fact, facts, rows)
            if way.obstacle or read <= way.seconds:
                way = _Way(read, frontier={item: rows is None})
        memo[key] = way
    return memo[key]


def _rerun_way(fact: IntermediateFact, facts: Facts, memo: _Memo, rows: int | None) -> _Way:
    """Return the cheapest way that executes the stage which produced `fact`."""
    if fact.stage is None:
        return _Way(0.0, obstacle="it was logged by hand, so no stage is known that produces it")
    stage = facts.stages[fact.stage]
    if stage.obstacle:
        return _Way(0.0, obstacle=stage.obstacle)
    recorded = stage.needs.get(fact.output, {})
    exact = {item for item, need in recorded.items() if need is Need.EXACT}
    if rows is None or not (exact or Need.ROWS in recorded.values()):
        own, needs = Step(stage.id, None), dict.fromkeys(stage.inputs, Need.WHOLE)
    else:
        own, needs = Step(stage.id, fact.id), dict(recorded)
    found = _Way(0.0)
    for item, need in needs.items():
        if need is not Need.NOTHING:
            way = _cheapest(item, facts, memo, None if need is Need.WHOLE else rows, item in exact)
            if way.obstacle:
                return _Way(0.0, obstacle=way.obstacle)
            found.take_in(way)
    found.steps[own] = None
    seconds = sum(
        _read(facts.intermediates[item], facts, None if whole else rows) for item, whole in found.frontier.items()
    )
    for step in found.steps:
        seconds += rerun_seconds(facts.stages[step.stage].cost, 0.0, None if step.output is None else rows)
    found.seconds = seconds
    return found
