"""Which layers of a network are logged: by name, by pattern or by type."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean
from mistique_core.networks.graph import Call, Graph


def choose_layers(graph: Graph, layers: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the names of the tensors that are logged, in the graph's order.

    Parameters
    ----------
    graph
        The network.
    layers
        ``None`` for all; else one or several of: a layer's name, a pattern such as ``block5_*``, a type such as
        ``Conv2D``.

    Raises
    ------
    NotFoundError
        If one of them names nothing.
    InvalidInputError
        If nothing is left to log.
    """
    if layers is None:
        chosen = list(graph.calls)
    else:
        wanted = [layers] if isinstance(layers, str) else list(layers)
        found = {name: [call for call in graph.calls if matches(call, name)] for name in wanted}
        for name, calls in found.items():
            if not calls:
                known = [*(call.name for call in graph.calls), *(call.label for call in graph.calls)]
                raise NotFoundError(f"layers: {name!r} names no layer of the network; {did_you_mean(name, known)}")
        names = {call.name for calls in found.values() for call in calls}
        chosen = [call for call in graph.calls if call.name in names]
    if not chosen:
        raise InvalidInputError("no layer is left to log; give layers=None for all of them")
    return tuple(output for call in chosen for output in call.outputs)


def matches(call: Call, pattern: str) -> bool:
    """Whether a call is meant by a name, a pattern or a type; a layer's name means all of its calls."""
    own = str(call.config.get("config", {}).get("name", call.name))
    names = (call.name, own, call.label, *call.outputs)
    return pattern in names or any(fnmatchcase(name, pattern) for name in names)
