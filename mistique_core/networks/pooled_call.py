"""Pooling inside the network's own program: fourteen gigabytes a second, and a map that is not kept leaves it once."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.networks.graph import Graph
from mistique_core.quantizers import Pool, Quantizer, Threshold

_UNIT_ROUNDOFF = 2.0**-24
_LEAST_WINDOW = 64
"""Whole maps of fewer values are averaged faster by a reduction than by a pooling."""
_KEEPS_SIGN = ("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "GlobalMaxPooling2D", "Flatten", "Reshape", "Dropout")
_ACTIVATED = (
    "Activation",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "Conv2DTranspose",
    "Dense",
    "DepthwiseConv2D",
    "SeparableConv2D",
)
_NOT_NEGATIVE = ("relu", "relu6", "sigmoid", "softmax", "softplus")


class GraphPooling:
    """Pools the maps of one tensor as a scheme asks for.

    Parameters
    ----------
    scheme
        The pooling; what follows it is not applied here.
    map_shape
        (height, width).
    not_negative
        Whether no value can be below zero, which makes the error of a mean known without a look at the values.
    """

    def __init__(self, scheme: Pool, map_shape: tuple[int, ...], not_negative: bool) -> None:
        height, width = map_shape if scheme.sigma is None else (scheme.sigma, scheme.sigma)
        self._average = scheme.how == "avg"
        self._cells = height * width
        is_reduced = scheme.sigma is None and self._cells < _LEAST_WINDOW
        self._function = _compiled(self._average, is_reduced, not_negative, int(height), int(width))

    def __call__(self, values: Any) -> tuple[npt.NDArray[np.float32], float] | None:
        """Return the pooled maps of some rows, and a bound of their distance from the exact means or maxima.

        ``None`` where a mean is not finite, which only a look at every value can tell apart.
        """
        pooled, largest = self._function(values)
        array = np.asarray(pooled)
        if not self._average:
            return array, 0.0
        # A sum of n numbers in any order is off by at most n roundings of the sum of their magnitudes.
        bound = float(np.asarray(largest))
        return (array, (self._cells + 1) * _UNIT_ROUNDOFF * bound) if np.isfinite(bound) else None


@cache
def _compiled(average: bool, is_reduced: bool, not_negative: bool, height: int, width: int) -> Any:
    """Return the TensorFlow function that pools maps of any size; tensors that are pooled alike share it."""
    import tensorflow as tf

    def pool(values: Any) -> tuple[Any, Any]:
        if not average:
            return tf.reduce_max(values, axis=(1, 2), keepdims=True), tf.constant(0.0)
        if is_reduced:
            pooled = tf.reduce_mean(values, axis=(1, 2), keepdims=True)
        else:
            pooled = tf.nn.avg_pool2d(values, (height, width), (height, width), "VALID")
        if not_negative:
            return pooled, tf.reduce_max(pooled)
        largest = tf.maximum(tf.reduce_max(values), -tf.reduce_min(values))
        return pooled, largest + 0.0 * tf.reduce_max(pooled)  # infinite or NaN where a sum is

    maps = tf.TensorSpec((None, None, None, None), tf.float32)
    return tf.function(pool, input_signature=[maps], autograph=False)


def can_pool(quantizer: Quantizer | None, shape: tuple[int, ...], dtype: str) -> bool:
    """Whether the network's program can pool: averages of whole maps, or of cells of equal size that fill a map.

    Of largest values, those of whole maps only: TensorFlow's max pooling passes over NaN.

    Parameters
    ----------
    quantizer
        The scheme of the tensor.
    shape
        Shape of one row, units last.
    dtype
        Of the tensor.
    """
    if isinstance(quantizer, Pool) and isinstance(quantizer.then, Threshold):
        return False  # a value at its threshold must not depend on how a sum was rounded
    if not isinstance(quantizer, Pool) or len(shape) != 3 or dtype != "float32" or 0 in shape:
        return False
    if quantizer.sigma is None:
        return True
    return quantizer.how == "avg" and all(size % quantizer.sigma == 0 for size in shape[:-1])


def not_negative(graph: Graph) -> set[str]:
    """Return the names of the tensors of which is known, from the layers alone, that no value is below zero."""
    found: set[str] = set()
    for call in graph.calls:
        if str(call.config.get("module")) != "keras.layers":
            continue
        config = dict(call.config.get("config") or {})
        activates = call.label in _ACTIVATED and config.get("activation") in _NOT_NEGATIVE
        rectifies = call.label in ("ReLU", "Softmax") and not config.get("negative_slope")
        kept = call.label in _KEEPS_SIGN and all(name in found for name in call.inputs)
        if activates or rectifies or kept:
            found.update(call.outputs)
    return found
