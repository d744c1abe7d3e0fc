"""What a layer's output depends on: its configuration and weights, those of all layers before it, and the input."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import FunctionType
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
_FUNCTIONS = ("function", "__lambda__")
_NO_MATTER = ("name", "trainable")
"""Parts of a layer's configuration that decide nothing in inference."""


@dataclass(frozen=True)
class Fingerprints:
    """What tells the values of tensors from others.

    Attributes
    ----------
    identities
        Tensor -> 64 hex digits of what is known about how it is computed.
    certain
        Tensors of which that is all: where identities are equal, so are values.
    """

    identities: Mapping[str, str]
    certain: frozenset[str]

    def values(self, name: str) -> str | None:
        """Return a tensor's identity, or ``None`` where the same calls could give other values."""
        return self.identities[name] if name in self.certain else None


def layer_fingerprints(graph: Graph, weights: Mapping[int, str], inputs: Mapping[str, str]) -> Fingerprints:
    """Return the fingerprints of all tensors of a network.

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
    known = {name: json_hash([address, graph.tensors[name].dtype]) for name, address in inputs.items()}
    certain = set(known)
    for call in graph.calls:
        code = _code(call)
        is_certain = code is not None and not is_random(call) and certain.issuperset(call.inputs)
        for position, name in enumerate(call.outputs):
            known[name] = json_hash(
                {
                    "layer": _decisive(call.config),
                    "code": code,
                    "weights": weights[call.layer],
                    "arguments": dict(call.arguments),
                    "inputs": [known[item] for item in call.inputs],
                    "output": position,
                    "libraries": versions,
                }
            )
            if is_certain:
                certain.add(name)
    return Fingerprints(known, frozenset(certain))


def stored_fingerprint(values: str | None, scheme: str, origin: Mapping[str, str]) -> str | None:
    """Return the fingerprint of a stored intermediate: half of it says which values, half how they are stored.

    Parameters
    ----------
    values
        What :meth:`Fingerprints.values` gave.
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
    """Return the hash of a layer's code, if it is not one of Keras'; ``None`` where some of it cannot be known."""
    holds = _holds_code(call.config.get("config")) or _holds_functions(call.operation)
    if call.label == "Lambda" or holds or hasattr(call.operation, "get_vocabulary"):
        log.info(
            "layer %s is not reused: what decides its values is in neither its settings nor its weights", call.name
        )
        return None
    found = custom_class(call)
    return "" if found is None else code_hash(found)


def _holds_functions(operation: Any) -> bool:
    """Whether one of Keras' layers was given a function that is not one of Keras'."""
    if _is_own(operation):
        return False  # the code of its class, and what that uses, is looked at
    found = (
        [item for item in vars(operation).values() if isinstance(item, FunctionType)] if operation is not None else []
    )
    return any(_is_own(item) for item in found)


def _is_own(item: Any) -> bool:
    """Whether an object's class, or a function, is not one of Keras'."""
    module = item.__module__ if isinstance(item, FunctionType) else type(item).__module__
    return str(module).partition(".")[0] != "keras"


def _holds_code(value: Any) -> bool:
    """Whether a layer's settings hold a function or an object of a class that is not one of Keras'."""
    if isinstance(value, Mapping):
        if "class_name" in value and "module" in value:
            module = str(value["module"]).partition(".")[0]
            if value["class_name"] in _FUNCTIONS or module not in ("keras", "builtins"):
                return True
        return any(map(_holds_code, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_holds_code, value))
