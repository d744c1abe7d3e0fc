"""The stage that a captured layer is recorded as: some calls of a network between stored intermediates."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mistique_core.errors import InvalidInputError, RerunError
from mistique_core.fitted import LayerWeights
from mistique_core.model import ArrayFunction, ArrayStage, PoolFunction
from mistique_core.networks.calls import CompiledCall, is_random, to_array
from mistique_core.networks.graph import Call, Tensor
from mistique_core.networks.pooled_call import GraphPooling, can_pool

_BUILT_IN = ("keras", "builtins")


class LayerStage(ArrayStage):
    """Computes one or more tensors of a network from others; usually one call of one layer.

    Where layers were left out of a capture, their calls are part of the stages of the layers after them.

    Parameters
    ----------
    calls
        The calls in order, as :meth:`Call.document` gives them.
    tensors
        Name -> [shape without rows, dtype, whether masked] of every tensor that the calls take or give.
    inputs
        Names of the tensors that are given, which are the names of the stage's inputs.
    outputs
        Output of the stage -> name of a tensor; "" for the only one.
    origin
        Which of the inputs were read from lossy copies when the stage ran, as name -> scheme.
    batch_rows
        Rows of a forward pass.
    """

    def __init__(
        self,
        calls: Sequence[Mapping[str, Any]],
        tensors: Mapping[str, Sequence[Any]],
        inputs: Sequence[str],
        outputs: Mapping[str, str],
        origin: Mapping[str, str] | None = None,
        batch_rows: int | None = None,
    ) -> None:
        self.calls = [Call.from_document(item) for item in calls]
        self._tensors = {name: [list(shape), dtype, masked] for name, (shape, dtype, masked) in tensors.items()}
        self._inputs = list(inputs)
        self._outputs = dict(outputs)
        self._origin = dict(origin or {})
        self.batch_rows = batch_rows

    @classmethod
    def of(
        cls,
        calls: Sequence[Call],
        tensors: Mapping[str, Tensor],
        outputs: Mapping[str, str],
        origin: Mapping[str, str] | None = None,
        batch_rows: int | None = None,
    ) -> LayerStage:
        """Return the stage of some calls of a graph."""
        made = {name for call in calls for name in call.outputs}
        names = dict.fromkeys(name for call in calls for name in (*call.inputs, *call.outputs))
        stage = cls(
            [call.document() for call in calls],
            {name: [tensors[name].shape, tensors[name].dtype, tensors[name].is_masked] for name in names},
            [name for name in names if name not in made],
            outputs,
            origin,
            batch_rows,
        )
        stage.calls = list(calls)  # with their living layers, whose classes need not be found by name
        return stage

    @property
    def deterministic(self) -> bool:
        """Whether no call draws random numbers."""
        return not any(is_random(call) for call in self.calls)

    @property
    def learns(self) -> tuple[str, ...]:  # type: ignore[override]
        """One name a layer with weights, see :func:`weights_name`."""
        return tuple(dict.fromkeys(weights_name(call.layer) for call in self.calls))

    @property
    def outputs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the outputs."""
        return tuple(self._outputs)

    def params(self) -> dict[str, Any]:
        """Return the calls and what they take and give."""
        params: dict[str, Any] = {
            "calls": [call.document() for call in self.calls],
            "tensors": self._tensors,
            "inputs": self._inputs,
            "outputs": self._outputs,
        }
        params |= {"origin": self._origin} if self._origin else {}
        return params if self.batch_rows is None else {**params, "batch_rows": self.batch_rows}

    def label(self) -> str:
        """Return the class of the last layer."""
        return self.calls[-1].label

    def packages(self) -> Sequence[str]:
        """Return what the layers run on."""
        return ("numpy", "keras", "tensorflow")

    def functions(self) -> Sequence[Callable[..., Any]]:
        """Return the classes of layers that are not Keras' own, whose code decides what they compute."""
        return tuple(dict.fromkeys(found for call in self.calls if (found := custom_class(call)) is not None))

    def pooling(self, output: str, scheme: Any, shape: Sequence[int]) -> PoolFunction | None:
        """See :class:`ArrayStage`: pooling in the network's own program, as a capture pools."""
        dtype = self._tensors[self._outputs[output]][1]
        if not can_pool(scheme, tuple(shape), str(dtype)):
            return None
        return GraphPooling(scheme, tuple(shape[:-1]), not_negative=False)

    def prepare(self, learned: Mapping[str, Any]) -> ArrayFunction:
        """Rebuild the layers; see :class:`ArrayStage`.

        Raises
        ------
        RerunError
            If a layer cannot be rebuilt from its configuration.
        """
        tensors = {
            name: Tensor(name, tuple(shape), dtype, masked) for name, (shape, dtype, masked) in self._tensors.items()
        }
        layers: dict[int, Any] = {}
        for call in self.calls:
            if call.layer not in layers:
                layers[call.layer] = _rebuild(call, tensors, learned.get(weights_name(call.layer)))
        compiled = [(call, CompiledCall(call, layers[call.layer], tensors)) for call in self.calls]

        def run(values: Mapping[str, Any]) -> Mapping[str, Any]:
            import tensorflow as tf

            rows = len(next(iter(values.values())))
            known: dict[str, Any] = {}
            for name in self._inputs:
                spec = tensors[name]
                given = values[name] if spec.shape else values[name].reshape(rows)
                known[name] = (tf.constant(given, spec.dtype), None)
            for call, function in compiled:
                known.update(zip(call.outputs, function([known[name] for name in call.inputs]), strict=True))
            return {output: to_array(name, known[name][0], rows) for output, name in self._outputs.items()}

        return run


def weights_name(layer: int) -> str:
    """Return the name of the fitted output that holds a layer's weights."""
    return f"weights_{layer}"


def custom_class(call: Call) -> type | None:
    """Return the class of a layer that is not one of Keras'.

    Raises
    ------
    InvalidInputError
        If it cannot be imported.
    """
    module = str(call.config.get("module") or "")
    if module.partition(".")[0] in _BUILT_IN:
        return None
    if call.operation is not None:
        return type(call.operation)
    name = str(call.config.get("class_name"))
    try:
        found: Any = importlib.import_module(module) if module else None
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InvalidInputError(
            f"layer {call.name!r} is a {module}.{name}, which cannot be imported ({error}); make its module importable"
        ) from error
    return found if isinstance(found, type) else None


def _rebuild(call: Call, tensors: Mapping[str, Tensor], weights: Any) -> Any:
    """Return a layer as it was recorded."""
    import keras

    try:
        own = custom_class(call)
        known = {} if own is None else {str(call.config.get("class_name")): own}
        arrays = list(weights.arrays) if isinstance(weights, LayerWeights) else []
        config = _without_random_weights(call.config) if arrays else copy.deepcopy(dict(call.config))
        layer = keras.saving.deserialize_keras_object(config, known, safe_mode=True)
        if arrays and not layer.built:
            layer.build(*((None, *tensors[name].shape) for name in call.inputs))
        if len(getattr(layer, "weights", None) or ()) != len(arrays):
            raise RerunError(f"it has {len(layer.weights)} weights, of which {len(arrays)} are stored")
        if arrays:
            layer.set_weights(arrays)
        if callable(getattr(layer, "finalize_state", None)):
            layer.finalize_state()
    except Exception as error:  # whatever a layer's constructor raises
        raise RerunError(
            f"layer {call.name!r} ({call.label}) cannot be rebuilt: {type(error).__name__}: {error}; "
            "use strategy='read'"
        ) from error
    return layer


def _without_random_weights(config: Any) -> Any:
    """Return a copy of a layer's configuration in which weights begin as zeros.

    All of them are set to the recorded ones at once; drawing random numbers for them first takes several times as long.
    """
    if isinstance(config, Mapping):
        if config.get("module") == "keras.initializers":
            return {"module": "keras.initializers", "class_name": "Zeros", "config": {}, "registered_name": None}
        return {key: _without_random_weights(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_without_random_weights(value) for value in config)
    return copy.deepcopy(config)
