"""A Keras model as a graph of calls: each call of a layer once, nested models taken apart.

The graph is plain values: what is recorded with an intermediate, and what a fingerprint is made of. Only
:attr:`Call.operation` refers to the living layer.
"""

from __future__ import annotations

import copy
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mistique_core.errors import InvalidInputError

_TENSOR, _OBJECT = "__tensor__", "__keras__"
_ONLY_IN_TRAINING = ("_regularizer", "_constraint")


@dataclass(frozen=True)
class Tensor:
    """What a call takes or gives.

    Attributes
    ----------
    name
        Unique in the graph; the intermediate's name.
    shape
        Without the rows; ``None`` where a length is not fixed.
    dtype
        NumPy's name.
    is_masked
        Whether a mask goes with it (``Embedding(mask_zero=True)``), which is not stored.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    is_masked: bool = False


@dataclass(frozen=True)
class Call:
    """One call of a layer or of a Keras operation.

    Attributes
    ----------
    name
        Unique in the graph: the layer's name, with ``_1`` and so on for its further calls, and after the name of the
        nested model and ``__`` where it is part of one.
    label
        Class of the layer.
    layer
        Number of the layer: calls of one layer share it.
    config
        The layer, serialized by Keras.
    inputs, outputs
        Names of tensors.
    arguments
        ``{"args": [...], "kwargs": {...}}`` as JSON, with the number of an input in place of each tensor.
    draws
        Whether the layer holds a generator of random numbers and is not one of Keras' own, which draw none in
        inference.
    operation
        The layer.
    """

    name: str
    label: str
    layer: int
    config: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    arguments: Mapping[str, Any]
    draws: bool = False
    operation: Any = field(compare=False, repr=False, default=None)

    def document(self) -> dict[str, Any]:
        """Return the call as JSON."""
        return {
            "name": self.name,
            "label": self.label,
            "layer": self.layer,
            "config": copy.deepcopy(dict(self.config)),
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "arguments": dict(self.arguments),
            "draws": self.draws,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Call:
        """Return what :meth:`document` described, without its layer."""
        return cls(
            document["name"],
            document["label"],
            document["layer"],
            document["config"],
            tuple(document["inputs"]),
            tuple(document["outputs"]),
            document["arguments"],
            document.get("draws", False),
        )


@dataclass(frozen=True)
class Graph:
    """All calls of a model.

    Attributes
    ----------
    inputs
        Names of its input tensors, in the model's order.
    calls
        In an order in which they can run.
    tensors
        Name -> tensor.
    """

    inputs: tuple[str, ...]
    calls: tuple[Call, ...]
    tensors: Mapping[str, Tensor]

    def producers(self) -> dict[str, Call]:
        """Return tensor -> the call that gives it; inputs have none."""
        return {output: call for call in self.calls for output in call.outputs}


def graph_of(model: Any) -> Graph:
    """Return the graph of a Keras model.

    Parameters
    ----------
    model
        Functional or sequential, built; models nested in it must be so too.

    Raises
    ------
    InvalidInputError
        If the model, or one nested in it, is subclassed or not built.
    """
    builder = _Builder()
    functional = _functional(model)
    names = []
    for tensor in functional.inputs:
        name = builder.add_tensor(tensor, _clean(tensor.name or "input"))
        names.append(name)
    builder.walk(functional, {id(tensor): name for tensor, name in zip(functional.inputs, names, strict=True)}, "")
    return Graph(tuple(names), tuple(builder.calls), dict(builder.tensors))


def fill(arguments: Mapping[str, Any], values: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call with `values` in the places of its inputs."""

    def replace(item: Any) -> Any:
        if isinstance(item, Mapping):
            if _TENSOR in item:
                return values[item[_TENSOR]]
            if _OBJECT in item:
                import keras

                return keras.saving.deserialize_keras_object(copy.deepcopy(item[_OBJECT]))
            return {name: replace(value) for name, value in item.items()}
        if isinstance(item, (list, tuple)):
            return [replace(value) for value in item]
        return item

    return replace(arguments["args"]), replace(arguments["kwargs"])


class _Builder:
    """Collects calls and names them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.tensors: dict[str, Tensor] = {}
        self._layers: dict[int, int] = {}
        self._names: set[str] = set()

    def add_tensor(self, tensor: Any, wanted: str) -> str:
        """Name a tensor."""
        name = self._unique(wanted)
        shape = tuple(None if size is None else int(size) for size in tensor.shape[1:])
        self.tensors[name] = Tensor(name, shape, str(tensor.dtype), getattr(tensor, "_keras_mask", None) is not None)
        return name

    def walk(self, functional: Any, known: dict[int, str], prefix: str) -> None:
        """Add all calls of a functional model.

        Parameters
        ----------
        functional
            The model.
        known
            id of a Keras tensor -> name; completed by the outputs of its calls.
        prefix
            Put before the names of its layers.
        """
        for node in _nodes(functional):
            nested = _nested(node.operation)
            if nested is None:
                self._add_call(node, known, prefix)
                continue
            given = _given(node, nested)
            if any(self.tensors[known[id(outside)]].is_masked for outside in given):
                raise InvalidInputError(
                    f"the nested model {node.operation.name!r} is given a mask, which cannot be followed into it; call "
                    "its layers directly"
                )
            inner = {id(inside): known[id(outside)] for inside, outside in zip(nested.inputs, given, strict=True)}
            self.walk(nested, inner, f"{prefix}{_clean(node.operation.name)}__")
            known.update(
                (id(outside), inner[id(inside)]) for inside, outside in zip(nested.outputs, node.outputs, strict=True)
            )

    def _add_call(self, node: Any, known: dict[int, str], prefix: str) -> None:
        operation = node.operation
        name = f"{prefix}{_clean(operation.name)}"
        inputs: list[str] = []
        arguments = {
            "args": _document(node.arguments.args, known, inputs),
            "kwargs": _document(node.arguments.kwargs, known, inputs),
        }
        several = len(node.outputs) > 1
        own = self._unique(name) if several else None
        outputs = []
        for position, tensor in enumerate(node.outputs):
            known[id(tensor)] = self.add_tensor(tensor, f"{own}_{position}" if several else name)
            outputs.append(known[id(tensor)])
        layer = self._layers.setdefault(id(operation), len(self._layers))
        self.calls.append(
            Call(
                own or outputs[0],
                type(operation).__name__,
                layer,
                _config(operation),
                tuple(inputs),
                tuple(outputs),
                arguments,
                _draws(operation),
                operation,
            )
        )

    def _unique(self, wanted: str) -> str:
        name, number = wanted, 0
        while name in self._names:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name)
        return name


def _functional(model: Any) -> Any:
    """Return the functional model behind a functional or sequential one."""
    nested = _nested(model)
    if nested is None:
        raise InvalidInputError(
            f"{type(model).__name__} {getattr(model, 'name', '')!r} has no graph of layers: it is subclassed, or not "
            "built; build it as a functional or sequential model with an Input"
        )
    return nested


def _nested(operation: Any) -> Any:
    """Return the functional model that an operation is, or ``None`` if it is a layer.

    Raises
    ------
    InvalidInputError
        If it is a model without a graph.
    """
    import keras

    if not isinstance(operation, keras.Model):
        return None
    if isinstance(operation, keras.Sequential):
        operation = getattr(operation, "_functional", None)
    if operation is None or not hasattr(operation, "_nodes_by_depth"):
        raise InvalidInputError(
            "a subclassed model, or one that is not built, has no graph of layers; build it as a functional or "
            "sequential model with an Input"
        )
    return operation


def _given(node: Any, nested: Any) -> list[Any]:
    """Return the tensors that a nested model is called with, in the order of its inputs, without their masks."""
    import keras

    args, kwargs = node.arguments.args, node.arguments.kwargs
    first = args[0] if args else kwargs.get("inputs")
    found = [item for item in keras.tree.flatten(first) if isinstance(item, keras.KerasTensor)]
    if len(found) != len(nested.inputs):
        raise InvalidInputError(
            f"the nested model {node.operation.name!r} has {len(nested.inputs)} inputs and is called with "
            f"{len(found)}; call it with one tensor each"
        )
    return found


def _draws(operation: Any) -> bool:
    import keras

    if type(operation).__module__.partition(".")[0] == "keras":
        return False
    return any(isinstance(item, keras.random.SeedGenerator) for item in vars(operation).values())


def _nodes(functional: Any) -> Iterator[Any]:
    """Yield the calls of a functional model in an order in which they can run."""
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        for node in functional._nodes_by_depth[depth]:
            if node.operation is not None and not node.is_input:
                yield node


def _config(operation: Any) -> dict[str, Any]:
    """Return a layer's configuration, without what only training looks at: weights are stored, not drawn again."""
    import keras

    with warnings.catch_warnings():
        # A lambda is recorded, but never loaded again: safe mode refuses it.
        warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
        serialized = keras.saving.serialize_keras_object(operation)
    config: dict[str, Any] = json.loads(json.dumps(serialized))
    if str(config.get("module")).partition(".")[0] == "keras" and isinstance(config.get("config"), dict):
        config["config"] = {
            name: "zeros" if name.endswith("_initializer") and value is not None else value
            for name, value in config["config"].items()
            if not name.endswith(_ONLY_IN_TRAINING)
        }
        policy = config["config"].get("dtype")
        if isinstance(policy, dict) and policy.get("class_name") == "DTypePolicy":
            config["config"]["dtype"] = policy["config"]["name"]
    return config


def _document(value: Any, known: Mapping[int, str], inputs: list[str]) -> Any:
    """Return arguments of a call as JSON, collecting the names of the tensors among them."""
    import keras

    if isinstance(value, keras.KerasTensor):
        inputs.append(known[id(value)])
        return {_TENSOR: len(inputs) - 1}
    if isinstance(value, Mapping):
        return {str(name): _document(item, known, inputs) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_document(item, known, inputs) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return {_OBJECT: keras.saving.serialize_keras_object(value)}


def _clean(name: str) -> str:
    """Return a layer's name as part of a key, which ``. @ *`` separate."""
    return re.sub(r"[.@*]", "_", name).strip() or "layer"


def ancestors(graph: Graph, wanted: Iterable[str], known: Iterable[str]) -> list[Call]:
    """Return the calls that give the wanted tensors when some others are known, in order.

    Parameters
    ----------
    graph
        The model.
    wanted
        Names of tensors.
    known
        Names of tensors that need not be computed; the model's inputs are among them anyway. A tensor that is both
        is computed.
    """
    producers = graph.producers()
    given = {*known, *graph.inputs}
    waiting = [name for name in wanted if name in producers]
    needed: set[str] = set()
    while waiting:
        call = producers[waiting.pop()]
        if call.name not in needed:
            needed.add(call.name)
            waiting.extend(name for name in call.inputs if name not in given and name in producers)
    return [call for call in graph.calls if call.name in needed]
