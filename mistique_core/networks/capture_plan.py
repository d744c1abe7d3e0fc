"""What a capture computes, stores and takes over: a pure decision from the graph and what the store holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mistique_core.networks.graph import Call, Graph, ancestors


@dataclass(frozen=True)
class StoredCopy:
    """A stored intermediate that holds a tensor's values.

    Attributes
    ----------
    stage
        Id of the stage that made it.
    intermediate
        Its id.
    scheme
        Text of its scheme, or ``lossless``.
    is_exact
        Whether the stored values are those that the network gives: losslessly stored, and not computed from lossy
        copies.
    is_whole
        Whether what is read has the tensor's own shape and dtype, so that layers can go on from it.
    """

    stage: int
    intermediate: int
    scheme: str
    is_exact: bool
    is_whole: bool


@dataclass(frozen=True)
class CapturePlan:
    """What to do for the wanted tensors.

    Attributes
    ----------
    calls
        Calls to run, in order.
    starts
        Tensors to read from the store before: inputs, and copies of others.
    stored
        Tensors to store, in the graph's order.
    reused
        Tensor -> copy whose intermediate is taken over.
    origin
        Those of the starts that are not exact, and their schemes.
    """

    calls: tuple[Call, ...]
    starts: tuple[str, ...]
    stored: tuple[str, ...]
    reused: Mapping[str, StoredCopy]
    origin: Mapping[str, str]


def plan_capture(
    graph: Graph,
    wanted: Sequence[str],
    reusable: Mapping[str, StoredCopy],
    copies: Mapping[str, StoredCopy],
    *,
    exact: bool,
) -> CapturePlan:
    """Decide where the forward pass begins and what it stores.

    Parameters
    ----------
    graph
        The network.
    wanted
        Tensors that are logged, in the graph's order.
    reusable
        Tensor -> copy of it by the wanted scheme, of what the network gives.
    copies
        Tensor -> copy by any scheme, the exact one where there is one.
    exact
        Whether the pass must begin with exact values only.
    """
    reused = {name: reusable[name] for name in wanted if name in reusable}
    stored = tuple(name for name in wanted if name not in reused)
    usable = {
        name: copy
        for name, copy in copies.items()
        if copy.is_whole and not graph.tensors[name].is_masked and (copy.is_exact or not exact)
    }
    calls = ancestors(graph, stored, usable)
    made = {name for call in calls for name in call.outputs}
    starts = tuple(dict.fromkeys(name for call in calls for name in call.inputs if name not in made))
    origin = {name: usable[name].scheme for name in starts if name in usable and not usable[name].is_exact}
    return CapturePlan(tuple(calls), starts, stored, reused, origin)


def recorded_calls(graph: Graph, name: str, recorded: Sequence[str]) -> list[Call]:
    """Return the calls between a tensor and the nearest ones that are intermediates, which make up its stage.

    Parameters
    ----------
    graph
        The network.
    name
        The tensor.
    recorded
        Tensors that are intermediates.
    """
    known = [item for item in recorded if item != name and not graph.tensors[item].is_masked]
    return ancestors(graph, [name], known)
