"""Numbers cut to the upper half of their bits, which keep two digits, and the interval that such a half stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_HALVES: dict[str, tuple[type[np.unsignedinteger[Any]], type[np.unsignedinteger[Any]], int]] = {
    "float16": (np.uint16, np.uint16, 0),
    "float32": (np.uint32, np.uint16, 16),
    "float64": (np.uint64, np.uint32, 32),
}
"""Dtype -> unsigned integers of its bits and of what is kept, and how many low bits are dropped."""


def half_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of halves: uint16 for float16, which is kept whole, and float32; uint32 for float64."""
    return np.dtype(_HALVES[dtype.name][1])


def upper_half(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the upper half of the bits of each number."""
    bits, kept, dropped = _HALVES[values.dtype.name]
    return np.asarray((np.ascontiguousarray(values).view(bits) >> bits(dropped)).astype(kept))


def middle_of(halves: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return the number in the middle of those that have a half."""
    bits, _, dropped = _HALVES[dtype.name]
    middle = bits((1 << dropped) >> 1)
    return np.asarray(((halves.astype(bits) << bits(dropped)) | middle).view(dtype))


def ends_of(halves: npt.NDArray[Any], dtype: np.dtype[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the smallest and the largest number that have a half; both are infinite where it is that of infinity."""
    bits, _, dropped = _HALVES[dtype.name]
    shifted = halves.astype(bits) << bits(dropped)
    near, far = shifted.view(dtype), (shifted | bits((1 << dropped) - 1)).view(dtype)
    far = np.where(np.isinf(near), near, far)
    return np.minimum(near, far), np.maximum(near, far)
