"""Where a pass begins and what it stores: checked against running the graph by hand."""

from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.networks.capture_plan import CapturePlan, StoredCopy, plan_capture, recorded_calls
from mistique_core.networks.graph import Call, Graph, Tensor


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw a graph of one input and up to eight calls; a call takes one or two earlier tensors."""
    names = ["input"]
    calls = []
    for number in range(draw(st.integers(1, 8))):
        given_ = tuple(dict.fromkeys(draw(st.lists(st.sampled_from(names), min_size=1, max_size=2))))
        outputs = tuple(f"t{number}{suffix}" for suffix in ("", "x")[: draw(st.integers(1, 2))])
        calls.append(Call(f"c{number}", "Layer", number, {}, given_, outputs, {"args": [], "kwargs": {}}))
        names.extend(outputs)
    masked = draw(st.sets(st.sampled_from(names)))
    tensors = {name: Tensor(name, (3,), "float32", name in masked and name != "input") for name in names}
    return Graph(("input",), tuple(calls), tensors)


def copy(draw: st.DrawFn) -> StoredCopy:
    exact = draw(st.booleans())
    return StoredCopy(1, 1, "lossless" if exact else "float16", exact, exact or draw(st.booleans()))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Graph, list[str], dict[str, StoredCopy], dict[str, StoredCopy], bool]:
    graph = draw(graphs())
    names = list(graph.producers())
    wanted = [name for name in names if draw(st.booleans())] or names[-1:]
    copies = {name: copy(draw) for name in names if draw(st.booleans())}
    reusable = {name: copy(draw) for name in wanted if draw(st.booleans())}
    return graph, wanted, reusable, copies, draw(st.booleans())


def runs(plan: CapturePlan, graph: Graph) -> set[str]:
    """Return the tensors that are known after running the plan's calls; fails if one lacks an input."""
    known = set(plan.starts)
    for call in plan.calls:
        assert known.issuperset(call.inputs), call
        known.update(call.outputs)
    return known


@settings(max_examples=400)
@given(cases())
def test_the_plan_computes_what_is_new_from_what_may_be_read(
    case: tuple[Graph, list[str], dict[str, StoredCopy], dict[str, StoredCopy], bool],
) -> None:
    graph, wanted, reusable, copies, exact = case
    plan = plan_capture(graph, wanted, reusable, copies, exact=exact)
    assert sorted(chain(plan.stored, plan.reused)) == sorted(wanted)
    assert set(plan.stored) <= runs(plan, graph)
    made = {name for call in plan.calls for name in call.outputs}
    for name in plan.starts:
        assert name == "input" or (copies[name].is_whole and not graph.tensors[name].is_masked)
        assert name not in made
        assert not exact or name == "input" or copies[name].is_exact
    assert set(plan.origin) == {name for name in plan.starts if name in copies and not copies[name].is_exact}
    # Nothing runs in vain: without any one call, something that is to be stored could not be computed.
    for left_out in plan.calls:
        known = set(plan.starts)
        for call in plan.calls:
            if call is not left_out and known.issuperset(call.inputs):
                known.update(call.outputs)
        assert not set(plan.stored) <= known


@given(graphs(), st.data())
def test_the_stage_of_a_layer_begins_at_the_nearest_intermediates(graph: Graph, data: st.DataObject) -> None:
    names = list(graph.producers())
    recorded = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    for name in recorded:
        calls = recorded_calls(graph, name, recorded)
        known = {"input", *(item for item in recorded if not graph.tensors[item].is_masked)} - {name}
        for call in calls:
            assert known.issuperset(call.inputs)
            known.update(call.outputs)
        assert name in known
