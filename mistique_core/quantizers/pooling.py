"""Averages or largest values of the cells of maps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.quantizers.half import widen
from mistique_core.quantizers.rounding import finite_range, rounding_error

_BLOCK_VALUES = 1 << 16


def pooled_shape(map_shape: tuple[int, ...], sigma: int | None) -> tuple[int, ...]:
    """Return the shape of a pooled map: cells of `sigma` values along each axis, ``None`` for the whole map."""
    return tuple(min(size, 1) if sigma is None else -(-size // sigma) for size in map_shape)


def pool_maps(values: npt.NDArray[Any], sigma: int | None, *, average: bool) -> tuple[npt.NDArray[Any], float]:
    """Pool the maps of a block.

    Sums are made in float64 in one order whatever the memory layout, and each average is rounded once.

    Parameters
    ----------
    values
        Shape ``(units, rows, *map_shape)``; float16, float32 or float64.
    sigma
        Length of a cell along each axis of the map, at least 2; the last cell of an axis may be shorter.
        ``None`` for the whole map.
    average
        Whether to average; otherwise the largest value of a cell is taken.

    Returns
    -------
    pooled
        C-contiguous, dtype of the values. A cell with NaN is NaN; negative zeros are zeros.
    max_abs_error
        Largest error of an average of finite values; 0.0 for largest values.
    """
    units, rows, *map_shape = values.shape
    pooled = np.empty((units, rows, *pooled_shape(tuple(map_shape), sigma)), values.dtype)
    if not pooled.size:
        return pooled, 0.0
    lengths = [size if sigma is None else min(sigma, size) for size in map_shape]
    counts = _counts(map_shape, lengths)
    largest = int(counts.max())
    magnitude = summed = 0.0
    for unit_slice, row_slice in _blocks(values):
        block = values[unit_slice, row_slice]
        if block.dtype == np.float16:
            block = widen(block)
        bounds = finite_range(block)
        with np.errstate(invalid="ignore", over="ignore", under="ignore"):
            if average:
                result = _average(block, lengths, counts, bounds.magnitude)
                summed = max(summed, bounds.magnitude)
            else:
                result = _fold(block, lengths, np.maximum, block.dtype)
            result = result.astype(values.dtype) + values.dtype.type(0)
        if bounds.has_nan or bounds.has_infinity:
            result[np.isnan(result)] = np.nan
        magnitude = max(magnitude, finite_range(result).magnitude)
        pooled[unit_slice, row_slice] = result
    if not average or not summed:
        return pooled, 0.0
    rounding = rounding_error(max(magnitude, float(np.finfo(values.dtype).tiny)), values.dtype)
    return pooled, rounding + largest * 2.0**-52 * summed


def _counts(map_shape: list[int], lengths: list[int]) -> npt.NDArray[np.float64]:
    """Return the number of values in each cell, in the shape of a pooled map."""
    counts = np.ones(())
    for size, length in zip(map_shape, lengths, strict=True):
        starts = np.arange(0, size, length)
        counts = np.multiply.outer(counts, np.minimum(size - starts, length))
    return counts


def _blocks(values: npt.NDArray[Any]) -> list[tuple[slice, slice]]:
    """Return the pieces of units and rows that a block is pooled in."""
    units, rows, *map_shape = values.shape
    size = math.prod(map_shape)
    side_by_side = abs(values.strides[0]) < abs(values.strides[-1])
    high = min(units, 64 if side_by_side else max(1, _BLOCK_VALUES // (rows * size)))
    tall = max(1, _BLOCK_VALUES // (high * size))
    return [
        (slice(unit, unit + high), slice(row, row + tall))
        for unit in range(0, units, high)
        for row in range(0, rows, tall)
    ]


def _average(
    block: npt.NDArray[Any], lengths: list[int], counts: npt.NDArray[np.float64], magnitude: float
) -> npt.NDArray[np.float64]:
    means = np.asarray(_fold(block, lengths, np.add, np.dtype(np.float64)) / counts)
    if magnitude > np.finfo(np.float64).max / (2 * counts.max()):
        # No sum of so many scaled values overflows. A power of two changes no digit, except of the smallest numbers:
        # so only the cells that did overflow are taken, whatever else is in the block.
        scale = 2.0 ** math.frexp(float(counts.max()))[1]
        scaled = _fold(block / scale, lengths, np.add, np.dtype(np.float64)) / counts * scale
        np.copyto(means, scaled, where=~np.isfinite(means))
    return means


def _fold(block: npt.NDArray[Any], lengths: list[int], operation: np.ufunc, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Combine the values of each cell, one axis of the map after the other, in ascending order."""
    for axis, length in enumerate(lengths, start=2):
        moved = np.moveaxis(block, axis, 0)
        folded = moved[::length].astype(dtype, order="K", copy=True)
        for offset in range(1, length):
            further = moved[offset::length]
            target = folded[: len(further)]
            operation(target, further, out=target)
        block = np.moveaxis(folded, 0, axis)
    return block
