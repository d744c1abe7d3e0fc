"""What a map is ranked by: its largest, smallest or mean value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


def _mean(flat: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(flat.mean(axis=1, dtype=np.float64))


_MEASURES: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    "max": lambda flat: np.asarray(flat.max(axis=1)),
    "min": lambda flat: np.asarray(flat.min(axis=1)),
    "mean": _mean,
}
BYS = ("value", *_MEASURES)
"""What rows can be ranked by; ``value`` is for values that are plain numbers, of which the others are the same."""


def measure(values: npt.NDArray[Any], by: str) -> Numbers:
    """Return one number a row; NaN where one of its values is.

    Parameters
    ----------
    values
        Shape ``(rows, *map_shape)``, maps not empty.
    by
        One of :data:`BYS`.
    """
    flat = values.reshape(len(values), -1)
    with np.errstate(over="ignore", invalid="ignore"):
        found = flat[:, 0] if by == "value" else _MEASURES[by](flat)
    return found.astype(np.float64)


def measure_bounds(low: Numbers, high: Numbers, by: str) -> tuple[Numbers, Numbers]:
    """Return between what the measure of each row lies, given that of each value.

    Largest, smallest and mean value never fall when a value rises, so bounds of values give bounds of them.

    Parameters
    ----------
    low, high
        Shape ``(rows, *map_shape)``.
    by
        One of :data:`BYS`.
    """
    return measure(low, by), measure(high, by)
