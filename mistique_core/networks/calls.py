"""Running the calls of a network one after the other, each compiled once, with the masks that go with tensors."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import InvalidInputError
from mistique_core.networks.graph import Call, Tensor, fill

Array = npt.NDArray[Any]
Value = tuple[Any, Any]
"""A TensorFlow tensor, and its mask or ``None``."""


def is_random(call: Call) -> bool:
    """Whether a call draws random numbers in inference."""
    return call.draws


class CompiledCall:
    """A call as a TensorFlow function, in inference mode.

    Compiled call by call rather than as one graph: any call can then be left out or be the first, every output can be
    stored and let go while the next call runs, and a later re-run of some calls computes exactly what all of them did.
    All of them together take hardly longer than the network as one function.

    Parameters
    ----------
    call
        The call.
    operation
        Its layer, with its weights.
    tensors
        Name -> tensor, of its inputs and outputs.
    """

    def __init__(self, call: Call, operation: Any, tensors: Mapping[str, Tensor]) -> None:
        import tensorflow as tf

        self.name = call.name
        self._call = call
        self._operation = operation
        self._training = _training(call, operation)
        specs = [tensors[name] for name in call.inputs]
        self._masked = any(spec.is_masked for spec in specs)
        signature = None
        if not self._masked:
            signature = [tf.TensorSpec((None, *spec.shape), spec.dtype) for spec in specs]
            function = tf.function(self._plain, input_signature=signature, autograph=False)
        else:
            function = tf.function(self._with_masks, reduce_retracing=True, autograph=False)
        function._omit_frequent_tracing_warning = True  # every call is another function of the same code
        self._function = function

    def trace(self) -> None:
        """Compile now what the first call would compile, where the types of all inputs are known."""
        if not self._masked:
            self._function.get_concrete_function()

    def __call__(self, values: Sequence[Value]) -> list[Value]:
        """Return the outputs for some rows."""
        if self._masked:
            found = self._function([value for value, _ in values], [mask for _, mask in values])
        else:
            found = self._function(*(value for value, _ in values))
        return list(zip(found[0], found[1], strict=True))

    def _plain(self, *values: Any) -> tuple[list[Any], list[Any]]:
        return self._run(list(values))

    def _with_masks(self, values: list[Any], masks: list[Any]) -> tuple[list[Any], list[Any]]:
        for value, mask in zip(values, masks, strict=True):
            if mask is not None:
                value._keras_mask = mask
        return self._run(values)

    def _run(self, values: list[Any]) -> tuple[list[Any], list[Any]]:
        import keras

        args, kwargs = fill(self._call.arguments, values)
        outputs = keras.tree.flatten(self._operation(*args, **{**kwargs, **self._training}))
        return outputs, [getattr(output, "_keras_mask", None) for output in outputs]


def _training(call: Call, operation: Any) -> dict[str, bool]:
    """Return the argument that asks for inference, where the layer knows it: as ``predict`` does, always."""
    try:
        knows = "training" in inspect.signature(operation.call).parameters
    except (AttributeError, TypeError, ValueError):
        knows = "training" in call.arguments["kwargs"]
    return {"training": False} if knows else {}


def to_array(name: str, value: Any, rows: int) -> Array:
    """Return a tensor as an array of units, without a copy where its dtype can be stored.

    Raises
    ------
    InvalidInputError
        If its first axis are not the rows.
    """
    array = np.asarray(value)
    if array.ndim < 1 or len(array) != rows:
        raise InvalidInputError(
            f"layer {name!r} gives an array of shape {array.shape} for {rows} rows; only layers that give a value for "
            "each row can be logged: leave it out with layers=[...]"
        )
    if array.ndim == 1:
        array = array[:, None]
    if array.dtype.kind == "b":
        return array.view(np.uint8)
    if array.dtype.kind not in "iuf":
        try:
            return array.astype(np.float32)  # bfloat16 and the like, which float32 holds exactly
        except (TypeError, ValueError) as error:
            raise InvalidInputError(
                f"layer {name!r} gives {array.dtype}, which cannot be stored; leave it out with layers=[...]"
            ) from error
    return array
