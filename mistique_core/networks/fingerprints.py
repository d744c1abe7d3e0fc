"""What a layer's output depends on: its configuration and weights, those of all layers before it, and the input."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mistique_core.dedup import json_hash
from mistique_core.lineage import library_versions
from mistique_core.lineage.code import code_hash
from mistique_core.networks.calls import is_random
from mistique_core.networks.graph import Call, Graph
from mistique_core.networks.layer_stage import custom_class

log = logging.getLogger(__name__)

VALUES_DIGITS = 32
"""So many hex digits of a stored intermediate's fingerprint say which values it holds, however they are stored."""
_NO_MATTER = ("name", "trainable")
"""Parts of a layer's configuration that decide nothing in inference."""


def layer_fingerprints(graph: Graph, weights: Mapping[int, str], inputs: Mapping[str, str]) -> dict[str, str | None]:
    """Return tensor -> 64 hex digits; ``None`` where the same calls could give other values.

    Parameters
    ----------
    graph
        The network.
    weights
        Layer -> address of its weights, in hex.
    inputs
        Input tensor -> address of its values, in hex.
    """
    versions = library_versions((), ("keras", "tensorflow"))
    versions.pop("mistique_core", None)
    known: dict[str, str | None] = dict(inputs)
    for call in graph.calls:
        given = [known[name] for name in call.inputs]
        code = _code(call)
        for position, name in enumerate(call.outputs):
            if is_random(call) or code is None or None in given:
                known[name] = None
                continue
            known[name] = json_hash(
                {
                    "layer": _decisive(call.config),
                    "code": code,
                    "weights": weights[call.layer],
                    "arguments": dict(call.arguments),
                    "inputs": given,
                    "output": position,
                    "libraries": versions,
                }
            )
    return known


def stored_fingerprint(values: str | None, scheme: str, origin: Mapping[str, str]) -> str | None:
    """Return the fingerprint of a stored intermediate: half of it says which values, half how they are stored.

    Parameters
    ----------
    values
        What :func:`layer_fingerprints` gave.
    scheme
        Text of the scheme, or ``lossless``.
    origin
        Tensor that was read from a lossy copy -> its scheme.
    """
    if values is None:
        return None
    stored = json_hash({"scheme": scheme, "origin": dict(origin)})
    return values[:VALUES_DIGITS] + stored[: len(values) - VALUES_DIGITS]


def _decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in dict(config.get("config") or {}).items() if name not in _NO_MATTER}
    return {"class": [config.get("module"), config.get("class_name"), config.get("registered_name")], "config": own}


def _code(call: Call) -> str | None:
    """Return the hash of a layer's code, if it is not one of Keras'; ``None`` where it cannot be known."""
    if call.label == "Lambda":
        log.info("layer %s is not reused: a Lambda's code has no name", call.name)
        return None
    found = custom_class(call)
    return "" if found is None else code_hash(found)
