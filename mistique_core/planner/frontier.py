"""The cheapest frontier of a re-run: what to read and which stages to execute, as a minimum cut (Eq. 5.2, 5.3).

Every intermediate on the way is either read or made by executing its stage, which needs the stage's inputs in turn.
What two stages share is read or made once. That is a cut of a graph: an edge from the executions to the sink costs an
execution, an edge from a needed intermediate to its execution costs reading it, and an execution needs its inputs
at any price. The minimum cut is the cheapest way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from mistique_core.cost import MOST_BATCH_ROWS, WantedRows, batch_rows, read_work, stage_seconds
from mistique_core.model import Need
from mistique_core.planner.facts import Facts, IntermediateFact
from mistique_core.planner.minimum_cut import CutGraph
from mistique_core.planner.plan import Step

_SOURCE, _SINK = "source", "sink"


class _Needed(NamedTuple):
    """An intermediate that a step needs: all of it or only the wanted rows, perhaps nothing but exact values."""

    item: int
    whole: bool
    exact: bool


@dataclass(frozen=True)
class RerunWay:
    """The cheapest way to make one intermediate, or some rows of it.

    Attributes
    ----------
    seconds
        Estimate, without what every query and every re-run costs.
    steps
        Executions in order.
    frontier
        Intermediate to read -> whether all of it.
    obstacle
        Why there is no way.
    step_seconds
        Estimate of each execution.
    """

    seconds: float
    steps: tuple[Step, ...] = ()
    frontier: Mapping[int, bool] | None = None
    obstacle: str | None = None
    step_seconds: tuple[float, ...] = ()


def rerun_way(target: int, facts: Facts, rows: WantedRows | None, *, by_windows: bool = False) -> RerunWay:
    """Return the cheapest way that executes the stage which made `target`.

    Parameters
    ----------
    target
        Id of the intermediate.
    facts
        It and all its ancestors.
    rows
        The wanted rows; ``None`` for all.
    by_windows
        Only ways that never read or make more than those rows of anything.
    """
    return _Search(facts, rows, by_windows).way(facts.intermediates[target])


class _Search:
    """One search: the steps that may be needed, in order, and what each of them needs."""

    def __init__(self, facts: Facts, rows: WantedRows | None, by_windows: bool) -> None:
        self._facts = facts
        self._rows = rows
        self._by_windows = by_windows
        self._needs: dict[Step, tuple[_Needed, ...]] = {}
        self._obstacles: dict[Step, str | None] = {}

    def way(self, target: IntermediateFact) -> RerunWay:
        own, obstacle = self._step(target, self._rows is None)
        if own is not None:
            obstacle = self._visit(own)
        if own is None or obstacle is not None:
            return RerunWay(0.0, obstacle=obstacle)
        batch = self._batch()
        chosen = self._chosen(own, batch)
        frontier: dict[int, bool] = {}
        for step in chosen:
            for needed in self._needs[step]:
                if self._made_by(needed) not in chosen and self._whole_step(needed) not in chosen:
                    frontier[needed.item] = needed.whole or frontier.get(needed.item, False)
        each = tuple(self._step_seconds(step, batch) for step in chosen)
        reading = sum(self._read_seconds(item, whole) for item, whole in frontier.items())
        return RerunWay(sum(each) + reading, chosen, frontier, None, each)

    def _step(self, fact: IntermediateFact, whole: bool) -> tuple[Step | None, str | None]:
        """Return the execution that makes an intermediate, or why there is none."""
        if fact.stage is None:
            return None, "it was logged by hand, so no stage is known that produces it"
        stage = self._facts.stages[fact.stage]
        if stage.obstacle:
            return None, stage.obstacle
        recorded = stage.needs.get(fact.output, {})
        by_rows = any(need in (Need.ROWS, Need.EXACT) for need in recorded.values())
        if whole or not by_rows:
            return (None, f"{stage.label} needs all rows at once") if self._by_windows else (Step(stage.id, None), None)
        return Step(stage.id, fact.id), None

    def _visit(self, first: Step) -> str | None:
        """Find out what a step needs, and all steps before it; return why it cannot be executed."""
        waiting = [first]
        opened: set[Step] = set()
        while waiting:
            step = waiting[-1]
            if step in self._obstacles:
                waiting.pop()
                continue
            needs = self._needed(step)
            before = {needed: self._made_by(needed) for needed in needs}
            missing = [made for made in before.values() if made is not None and made not in self._obstacles]
            if missing and step not in opened:
                opened.add(step)
                waiting += missing
                continue
            waiting.pop()
            self._obstacles[step] = None
            for needed, made in before.items():
                obstacle = self._no_way(needed) if made is None else self._obstacles.get(made)
                if obstacle is not None and not self._is_readable(needed):
                    self._obstacles[step] = obstacle
            self._needs[step] = needs  # in this order: whatever is needed comes before
        return self._obstacles[first]

    def _needed(self, step: Step) -> tuple[_Needed, ...]:
        stage = self._facts.stages[step.stage]
        if step.output is None:
            exact = {item for of in stage.needs.values() for item, need in of.items() if need is Need.EXACT}
            return tuple(_Needed(item, True, item in exact) for item in stage.inputs)
        recorded = stage.needs[self._facts.intermediates[step.output].output]
        return tuple(
            _Needed(item, need is Need.WHOLE, need is Need.EXACT)
            for item, need in recorded.items()
            if need is not Need.NOTHING
        )

    def _made_by(self, needed: _Needed) -> Step | None:
        return self._step(self._facts.intermediates[needed.item], needed.whole)[0]

    def _whole_step(self, needed: _Needed) -> Step | None:
        stage = self._facts.intermediates[needed.item].stage
        return None if stage is None else Step(stage, None)

    def _no_way(self, needed: _Needed) -> str | None:
        return self._step(self._facts.intermediates[needed.item], needed.whole)[1]

    def _is_readable(self, needed: _Needed) -> bool:
        fact = self._facts.intermediates[needed.item]
        return fact.materialized and (fact.exact or not needed.exact) and not (needed.whole and self._by_windows)

    def _chosen(self, own: Step, batch: int) -> tuple[Step, ...]:
        """Return the executions of the minimum cut, in order."""
        graph: CutGraph[str | Step | _Needed] = CutGraph()
        graph.add(_SOURCE, own, math.inf)
        for step, needs in self._needs.items():
            graph.add(step, _SINK, math.inf if self._obstacles[step] else self._step_seconds(step, batch))
            for needed in needs:
                graph.add(step, needed, math.inf)
        for needed in dict.fromkeys(needed for needs in self._needs.values() for needed in needs):
            made = self._made_by(needed)
            reading = self._read_seconds(needed.item, needed.whole) if self._is_readable(needed) else math.inf
            graph.add(needed, _SINK if made is None else made, reading)
        taken = graph.source_side(_SOURCE, _SINK)
        return tuple(step for step in self._needs if step in taken)

    def _batch(self) -> int:
        """Return how many rows the layers on the way make at a time."""
        layers = [self._facts.stages[step.stage].cost for step in self._needs]
        return batch_rows([cost.row_bytes for cost in layers if cost.kind == "layer"]) if layers else MOST_BATCH_ROWS

    def _read_seconds(self, item: int, whole: bool) -> float:
        parts = self._facts.intermediates[item].read_parts()
        return self._facts.rate.seconds(read_work(parts, None if whole else self._rows))

    def _step_seconds(self, step: Step, batch: int) -> float:
        cost = self._facts.stages[step.stage].cost
        rows = None if self._rows is None or step.output is None else self._rows.count
        return stage_seconds(cost, self._facts.rate, rows, batch=batch, loaded=step.stage in self._facts.loaded)
