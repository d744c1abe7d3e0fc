"""The scheme of each layer: one for all, by pattern, or the default by the size of the layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean
from mistique_core.networks.graph import Graph, Tensor
from mistique_core.networks.layer_choice import matches
from mistique_core.quantizers import Pool, Quantizer, parse_scheme
from mistique_core.quantizers.default_scheme import default_scheme

Schemes = str | Quantizer | Mapping[str, str | Quantizer | None] | None
_FLOATS = ("float16", "float32", "float64", "bfloat16")


def choose_schemes(
    graph: Graph, wanted: Iterable[str], shapes: Mapping[str, tuple[int, ...]], scheme: Schemes
) -> dict[str, Quantizer | None]:
    """Return tensor -> scheme; ``None`` keeps exactly the values that the layer gives.

    Parameters
    ----------
    graph
        The network.
    wanted
        Names of tensors.
    shapes
        Tensor -> shape of one row, of all tensors of the graph that a row can be told for.
    scheme
        ``None`` for the default (:mod:`mistique_core.quantizers.default_scheme`); a scheme for all layers; or layer,
        pattern or type -> scheme, of which the first that fits a layer counts, the default for the others. A layer
        without maps, which cannot be pooled, is kept by the scheme that follows the pooling, and by the default
        where none does.

    Raises
    ------
    InvalidInputError
        If a scheme cannot be read.
    NotFoundError
        If a pattern names no layer.
    """
    names = list(wanted)
    producers = graph.producers()
    rules = list(scheme.items()) if isinstance(scheme, Mapping) else []
    for pattern, _ in rules:
        if not any(_fits(graph, pattern, name) for name in producers):
            known = [*producers, *(call.label for call in graph.calls)]
            raise NotFoundError(f"scheme: {pattern!r} names no layer of the network; {did_you_mean(pattern, known)}")
    widths = [max(math.prod(shape), 1) for shape in shapes.values()]
    found = {}
    for name in names:
        by_default = default_scheme(max(math.prod(shapes[name]), 1), widths)
        chosen: str | Quantizer | None
        if isinstance(scheme, Mapping):
            chosen = next((item for pattern, item in rules if _fits(graph, pattern, name)), _DEFAULT)
        else:
            chosen = _DEFAULT if scheme is None else scheme
        quantizer = parse_scheme(by_default if chosen == _DEFAULT else chosen)
        found[name] = _fitting(quantizer, graph.tensors[name], shapes[name], by_default)
    return found


_DEFAULT = "default"


def _fits(graph: Graph, pattern: str, name: str) -> bool:
    call = graph.producers()[name]
    return matches(call, pattern) or fnmatchcase(name, pattern)


def _fitting(quantizer: Quantizer | None, tensor: Tensor, shape: tuple[int, ...], by_default: str) -> Quantizer | None:
    """Return a scheme as far as it can be used for a tensor: whole numbers are kept, plain numbers not pooled."""
    if tensor.dtype not in _FLOATS:
        return None
    if isinstance(quantizer, Pool) and len(shape) < 2:
        return quantizer.then or parse_scheme(by_default)
    return quantizer


def check_scheme(scheme: Schemes) -> None:
    """Refuse what is no scheme, before anything is loaded.

    Raises
    ------
    InvalidInputError
        If a text cannot be read as a scheme.
    """
    for item in scheme.values() if isinstance(scheme, Mapping) else [scheme]:
        if item != _DEFAULT:
            parse_scheme(item)
    if isinstance(scheme, Mapping) and not all(isinstance(name, str) for name in scheme):
        raise InvalidInputError("scheme is a mapping whose keys are no texts; give layer, pattern or type -> scheme")
