"""Zone maps: the range of the values of one chunk, by which a predicate can skip it unread."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
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
    low = array.min()  # which is NaN where any value is
    if low == low:
        return Zone(low.tobytes(), array.max().tobytes(), 0)
    low = np.fmin.reduce(array)
    if np.isnan(low):
        return Zone(None, None, array.size)
    return Zone(low.tobytes(), np.fmax.reduce(array).tobytes(), int(np.count_nonzero(array != array)))


def may_match(zone: Zone, dtype: str, symbol: str, value: Any) -> bool:
    """Return whether any value of a chunk can satisfy a comparison; ``True`` when in doubt.

    A comparison may be made exactly, or after rounding to a float as NumPy does for some pairs of types;
    a chunk is ruled out only if no value can match either way.

    Parameters
    ----------
    zone, dtype
        Of the chunk.
    symbol
        One of ``== != < <= > >= in``.
    value
        A number, or several for ``in``, which finds NaN too.
    """
    if symbol == "!=":
        return True
    if symbol == "in":
        # What can be iterated only once, or not at all, is left to the comparison itself.
        once = not isinstance(value, Collection) or (isinstance(value, np.ndarray) and not value.ndim)
        return once or any(_may_hold(zone, dtype, item) for item in value)
    if not _is_number(value):
        return True
    return any(_COMPARE[symbol](low, high, other) for low, high, other in _readings(zone, dtype, value))


_COMPARE: dict[str, Callable[[Any, Any, Any], bool]] = {
    "==": lambda low, high, value: bool(low <= value <= high),
    "<": lambda low, _high, value: bool(low < value),
    "<=": lambda low, _high, value: bool(low <= value),
    ">": lambda _low, high, value: bool(high > value),
    ">=": lambda _low, high, value: bool(high >= value),
}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _may_hold(zone: Zone, dtype: str, value: Any) -> bool:
    if not _is_number(value):
        return True
    if value != value:
        return zone.nulls > 0
    return any(_COMPARE["=="](low, high, other) for low, high, other in _readings(zone, dtype, value))


def _readings(zone: Zone, dtype: str, value: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield (low, high, value) as exact numbers, as float64 and, for narrower floats, in their dtype."""
    if zone.low is None or zone.high is None:
        return
    low, high = (np.frombuffer(item, dtype)[0].item() for item in (zone.low, zone.high))
    other = value.item() if isinstance(value, np.generic) else value
    yield low, high, other
    try:
        rounded = float(other)
    except OverflowError:
        rounded = math.copysign(math.inf, 1 if other > 0 else -1)
    yield float(low), float(high), rounded
    if np.dtype(dtype).kind == "f":
        with np.errstate(over="ignore"):
            yield low, high, float(np.dtype(dtype).type(rounded))
