"""On trees, where no work is shared, the planner finds the same cost as trying every frontier."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.cost import ReadRate, StageCost, read_rows_seconds, read_seconds
from mistique_core.cost.model import ROWS_STEP_SECONDS
from mistique_core.errors import MistiqueError
from mistique_core.model import Need
from mistique_core.planner import Facts, IntermediateFact, StageFact, plan_target

RATE = ReadRate(bytes_per_second=10.0, chunk_seconds=0.5)
LENGTH, BLOCKS = 40, 2
FOR_ROWS = {Need.ROWS, Need.EXACT}


@st.composite
def trees(draw: st.DrawFn) -> Facts:
    """Draw a tree of at most 7 intermediates; item 0 is the target, each item feeds one stage."""
    size = draw(st.integers(1, 7))
    parents = [draw(st.integers(0, item - 1)) for item in range(1, size)]
    children: dict[int, list[int]] = {item: [] for item in range(size)}
    for item, parent in enumerate(parents, start=1):
        children[parent].append(item)
    items, stages = {}, {}
    for item in range(size):
        made = bool(children[item]) or draw(st.booleans())
        stored = draw(st.integers(0, 60))
        items[item] = IntermediateFact(
            item,
            f"i{item}",
            item if made else None,
            draw(st.booleans()),
            stored,
            1,
            "",
            LENGTH,
            BLOCKS,
            draw(st.booleans()),
        )
        if made:
            cost = StageCost(draw(st.integers(0, 3)), draw(st.integers(0, 5)), LENGTH)
            obstacle = draw(st.sampled_from([None, None, None, "no"]))
            needs = {"": {child: draw(st.sampled_from(Need)) for child in children[item]}}
            known = needs if draw(st.booleans()) else {}
            stages[item] = StageFact(item, f"s{item}", cost, tuple(children[item]), obstacle, known)
    return Facts(items, stages, RATE)


def cost_of(
    facts: Facts, item: int, read: frozenset[int], rows: int | None, *, forced: bool, exact: bool = False
) -> float | None:
    """Return the seconds to obtain an item, or `rows` rows of it, when exactly the items of `read` are read."""
    fact = facts.intermediates[item]
    if item in read and not forced:
        if not fact.materialized or (exact and not fact.exact):
            return None
        if rows is None:
            return read_seconds(fact.stored_bytes, fact.chunks, facts.rate)
        return read_rows_seconds(fact.stored_bytes, fact.chunks, LENGTH, BLOCKS, rows, facts.rate)
    if fact.stage is None or facts.stages[fact.stage].obstacle:
        return None
    stage = facts.stages[fact.stage]
    by_rows = rows is not None and bool(FOR_ROWS & set(stage.needs.get("", {}).values()))
    needs = stage.needs[""] if by_rows else dict.fromkeys(stage.inputs, Need.WHOLE)
    total = stage.cost.transformer_seconds + stage.cost.exec_seconds * (rows / LENGTH if rows and by_rows else 1.0)
    total += ROWS_STEP_SECONDS if by_rows else 0.0
    for child, need in needs.items():
        if need is not Need.NOTHING:
            wanted = rows if need in FOR_ROWS else None
            as_it_was = stage.needs.get("", {}).get(child) is Need.EXACT
            seconds = cost_of(facts, child, read, wanted, forced=False, exact=as_it_was)
            if seconds is None:
                return None
            total += seconds
    return total


def cheapest(facts: Facts, rows: int | None) -> float | None:
    """Try every subset of items to read."""
    others = [item for item in facts.intermediates if item]
    subsets = itertools.chain.from_iterable(itertools.combinations(others, n) for n in range(len(others) + 1))
    costs = [cost_of(facts, 0, frozenset(subset), rows, forced=True) for subset in subsets]
    return min((cost for cost in costs if cost is not None), default=None)


@settings(deadline=None, max_examples=300)
@given(trees(), st.sampled_from([None, 1, 3, 40]))
def test_no_frontier_is_cheaper(facts: Facts, rows: int | None) -> None:
    """The estimate is the optimum; the stages and frontier of the plan really cost that."""
    best = cheapest(facts, rows)
    if best is None:
        with pytest.raises(MistiqueError):
            plan_target(0, facts, "rerun", rows)
        return
    plan = plan_target(0, facts, "rerun", rows)
    assert plan.rerun_seconds == pytest.approx(best)
    assert cost_of(facts, 0, frozenset(plan.frontier), rows, forced=True) == pytest.approx(best)
    assert all(facts.intermediates[item].materialized for item in plan.frontier)
    assert plan.by_rows == bool(rows and FOR_ROWS & set(facts.stages[0].needs.get("", {}).values()))


def test_a_shared_ancestor_is_paid_once() -> None:
    """In a diamond the common stage runs once and comes before those that need it."""
    items = {n: IntermediateFact(n, f"i{n}", n if n else None, n == 0, 0, 0) for n in range(5)}
    inputs = {1: (0,), 2: (1,), 3: (1,), 4: (2, 3)}
    stages = {n: StageFact(n, f"s{n}", StageCost(0.0, 1.0, 1), need) for n, need in inputs.items()}
    plan = plan_target(4, Facts(items, stages, RATE), "rerun")
    assert sorted(plan.stages) == sorted(stages)
    assert plan.rerun_seconds == pytest.approx(len(stages))
    for stage in stages.values():
        for item in stage.inputs:
            assert item == 0 or plan.stages.index(item) < plan.stages.index(stage.id)
