"""Which part of a large sample is looked at: always the same one, whatever the memory layout."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

SAMPLE_VALUES = 1 << 20


def every_nth(sample: npt.NDArray[Any], most_values: int = SAMPLE_VALUES, least_per_unit: int = 1) -> npt.NDArray[Any]:
    """Return about `most_values` values of a sample, the same positions of every unit.

    The distance of the positions shares no factor with any axis, so that they do not always meet the same
    corner of a map.

    Parameters
    ----------
    sample
        Shape ``(units, rows, *map_shape)``.
    most_values
        Number of values to look at.
    least_per_unit
        Values of each unit to look at in any case, where it has so many.

    Returns
    -------
    ndarray
        Shape ``(units, values)``, C-contiguous, dtype of the sample, negative zeros as zeros.
    """
    units, shape = sample.shape[0], sample.shape[1:]
    positions = math.prod(shape)
    step = _stride(positions, max(least_per_unit, most_values // max(units, 1), 1))
    if sample.flags.c_contiguous:
        taken = sample.reshape(units, positions)[:, ::step]
    else:
        places: tuple[Any, ...] = (slice(None), *np.unravel_index(np.arange(0, positions, step), shape))
        taken = sample[places]
    return np.asarray(np.add(taken, sample.dtype.type(0), order="C"))


def every_nth_row(sample: npt.NDArray[Any], most_values: int = SAMPLE_VALUES) -> npt.NDArray[Any]:
    """Return about `most_values` values of a sample as a view of some of its rows."""
    units, rows, *map_shape = sample.shape
    most_rows = max(1, most_values // max(1, units * math.prod(map_shape)))
    return sample[:, :: max(1, -(-rows // most_rows))]


def _stride(positions: int, most: int) -> int:
    step = -(-positions // most)
    while step > 1 and math.gcd(step, positions) != 1:
        step += 1
    return max(step, 1)
