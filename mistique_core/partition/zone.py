"""Zone maps: the range of the values of one chunk, by which a predicate can skip it unread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Zone:
    """The range of a chunk.

    Attributes
    ----------
    low, high
        Smallest and largest value that is no NaN (inclusive), as the bytes of one item of the chunk's
        dtype; ``None`` when every value is NaN.
    nulls
        Number of NaNs.
    """

    low: bytes | None
    high: bytes | None
    nulls: int


def zone_of(array: npt.NDArray[Any]) -> Zone | None:
    """Return the zone of a chunk of real numbers; ``None`` for an empty or a multi-dimensional one."""
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iuf":
        return None
    if array.dtype.kind != "f":
        return Zone(array.min().tobytes(), array.max().tobytes(), 0)
    low = np.fmin.reduce(array)
    if np.isnan(low):
        return Zone(None, None, array.size)
    return Zone(low.tobytes(), np.fmax.reduce(array).tobytes(), int(np.count_nonzero(array != array)))


def may_match(zone: Zone, dtype: str, symbol: str, value: Any) -> bool:
    """Return whether any value of a chunk can satisfy a comparison; ``True`` when in doubt.

    Parameters
    ----------
    zone, dtype
        Of the chunk.
    symbol
        One of ``== != < <= > >= in``.
    value
        A number, or several for ``in``.
    """
    if symbol == "!=":
        return True
    if zone.low is None or zone.high is None:
        return False
    low, high = (np.frombuffer(item, dtype)[0] for item in (zone.low, zone.high))
    if symbol == "in":
        return any(_may_equal(low, high, item) for item in _listed(value))
    if not isinstance(value, (int, float, np.integer, np.floating)) or isinstance(value, bool):
        return True
    if symbol == "==":
        return _may_equal(low, high, value)
    if symbol in ("<", "<="):
        return bool(low < value) if symbol == "<" else bool(low <= value)
    return bool(high > value) if symbol == ">" else bool(high >= value)


def _listed(value: Any) -> Iterable[Any]:
    return list(value)


def _may_equal(low: Any, high: Any, value: Any) -> bool:
    if not isinstance(value, (int, float, np.integer, np.floating)) or isinstance(value, bool):
        return True
    return bool(low <= value <= high)
