"""The planner finds the same cost as trying every frontier, on trees for some rows and on graphs that share work."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.cost import HostRates, Rate, StageCost
from mistique_core.cost.stage_cost import ROWS_STEP_SECONDS
from mistique_core.errors import MistiqueError
from mistique_core.model import Need
from mistique_core.planner import Facts, IntermediateFact, StageFact, plan_target

BYTE, CHUNK = 0.1, 0.5
RATE = HostRates({"stored.plain": Rate(BYTE), "chunk.plain": Rate(CHUNK)})
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
    facts: Facts,
    item: int,
    read: frozenset[int],
    rows: int | None,
    *,
    forced: bool,
    exact: bool = False,
    by_windows: bool = False,
) -> float | None:
    """Return the seconds to obtain an item, or `rows` rows of it, when exactly the items of `read` are read."""
    if by_windows and rows is None:
        return None
    fact = facts.intermediates[item]
    if item in read and not forced:
        if not fact.materialized or (exact and not fact.exact):
            return None
        share = 1.0 if rows is None else min(rows, BLOCKS) / BLOCKS
        return (fact.stored_bytes * BYTE + fact.chunks * CHUNK) * share
    if fact.stage is None or facts.stages[fact.stage].obstacle:
        return None
    stage = facts.stages[fact.stage]
    by_rows = rows is not None and bool(FOR_ROWS & set(stage.needs.get("", {}).values()))
    if by_windows and not by_rows:
        return None
    needs = stage.needs[""] if by_rows else dict.fromkeys(stage.inputs, Need.WHOLE)
    total = stage.cost.transformer_seconds + stage.cost.exec_seconds * (rows / LENGTH if rows and by_rows else 1.0)
    total += ROWS_STEP_SECONDS if by_rows else 0.0
    for child, need in needs.items():
        if need is not Need.NOTHING:
            wanted = rows if need in FOR_ROWS else None
            as_it_was = stage.needs.get("", {}).get(child) is Need.EXACT
            seconds = cost_of(facts, child, read, wanted, forced=False, exact=as_it_was, by_windows=by_windows)
            if seconds is None:
                return None
            total += seconds
    return total


def cheapest(facts: Facts, rows: int | None, *, by_windows: bool) -> float | None:
    """Try every subset of items to read."""
    others = [item for item in facts.intermediates if item]
    subsets = itertools.chain.from_iterable(itertools.combinations(others, n) for n in range(len(others) + 1))
    costs = [cost_of(facts, 0, frozenset(subset), rows, forced=True, by_windows=by_windows) for subset in subsets]
    return min((cost for cost in costs if cost is not None), default=None)


@settings(deadline=None, max_examples=300)
@given(trees(), st.sampled_from([None, 1, 3, 40]), st.booleans())
def test_no_frontier_is_cheaper(facts: Facts, rows: int | None, by_windows: bool) -> None:
    """The estimate is the optimum; the stages and frontier of the plan really cost that."""
    best = cheapest(facts, rows, by_windows=by_windows)
    if best is None:
        with pytest.raises(MistiqueError):
            plan_target(0, facts, "rerun", rows, by_windows=by_windows)
        return
    plan = plan_target(0, facts, "rerun", rows, by_windows=by_windows)
    assert not by_windows or plan.rows_of == set(plan.frontier)
    assert plan.rerun_seconds == pytest.approx(best)
    assert cost_of(facts, 0, frozenset(plan.frontier), rows, forced=True) == pytest.approx(best)
    assert all(facts.intermediates[item].materialized for item in plan.frontier)
    assert plan.by_rows == bool(rows and FOR_ROWS & set(facts.stages[0].needs.get("", {}).values()))


@st.composite
def graphs(draw: st.DrawFn) -> Facts:
    """Draw a graph of at most 7 intermediates, in which stages may share inputs; item 0 is the target."""
    size = draw(st.integers(2, 7))
    items, stages = {}, {}
    for item in range(size):
        later = list(range(item + 1, size))
        inputs = tuple(draw(st.lists(st.sampled_from(later), unique=True, max_size=3))) if later else ()
        made = bool(inputs) or draw(st.booleans())
        stored = draw(st.integers(0, 80))
        items[item] = IntermediateFact(item, f"i{item}", item if made else None, draw(st.booleans()), stored, 1)
        if made:
            cost = StageCost(0.0, draw(st.integers(0, 9)), 1)
            stages[item] = StageFact(item, f"s{item}", cost, inputs, draw(st.sampled_from([None, None, None, "no"])))
    return Facts(items, stages, RATE)


def shared_cost(facts: Facts, read: frozenset[int]) -> float | None:
    """Return the seconds to make item 0 when the items of `read` are read, everything once."""
    waiting, seen, total = [0], {0}, 0.0
    while waiting:
        item = waiting.pop()
        fact = facts.intermediates[item]
        if item in read and item:
            if not fact.materialized:
                return None
            total += fact.stored_bytes * BYTE + CHUNK
            continue
        if fact.stage is None or facts.stages[fact.stage].obstacle:
            return None
        total += facts.stages[fact.stage].cost.exec_seconds
        for other in facts.stages[fact.stage].inputs:
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return total


@settings(deadline=None, max_examples=300)
@given(graphs())
def test_no_cut_of_a_graph_is_cheaper(facts: Facts) -> None:
    """Where stages share inputs, what they share is paid once, and the best frontier may lie behind it."""
    others = [item for item in facts.intermediates if item]
    subsets = itertools.chain.from_iterable(itertools.combinations(others, n) for n in range(len(others) + 1))
    costs = [shared_cost(facts, frozenset(subset)) for subset in subsets]
    best = min((cost for cost in costs if cost is not None), default=None)
    if best is None:
        with pytest.raises(MistiqueError):
            plan_target(0, facts, "rerun")
        return
    plan = plan_target(0, facts, "rerun")
    assert plan.rerun_seconds == pytest.approx(best)
    assert shared_cost(facts, frozenset(plan.frontier)) == pytest.approx(best)
    made = set(plan.stages)
    for number, stage in enumerate(plan.stages):
        for item in facts.stages[stage].inputs:
            assert item in plan.frontier or plan.stages.index(item) < number
    assert made.isdisjoint(plan.frontier)


def test_what_two_stages_share_is_run_where_each_alone_would_read() -> None:
    """Reading 2 and 3 costs 8 + 8; running both from 1 costs 5 + 5 + 5: a plan for each alone would read."""
    items = {1: IntermediateFact(1, "i1", 1, False, 0, 0), 4: IntermediateFact(4, "i4", None, True, 0, 0)}
    items |= {n: IntermediateFact(n, f"i{n}", n, True, 80, 0) for n in (2, 3)}
    items[0] = IntermediateFact(0, "i0", 9, False, 0, 0)
    stages = {
        n: StageFact(n, f"s{n}", StageCost(0.0, 5.0, 1), inputs) for n, inputs in {1: (4,), 2: (1,), 3: (1,)}.items()
    }
    stages[9] = StageFact(9, "s9", StageCost(0.0, 1.0, 1), (2, 3))
    plan = plan_target(0, Facts(items, stages, RATE), "rerun")
    assert plan.frontier_labels == ("i4",)
    assert plan.rerun_seconds == pytest.approx(16.0)


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
