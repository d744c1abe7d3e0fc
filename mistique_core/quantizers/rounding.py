"""How far rounding to a floating-point dtype can move a value, and the finite range of values."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mistique_core.quantizers.half import widen

SMALLEST = math.ulp(0.0)


class FiniteRange(NamedTuple):
    """Range of the finite values of an array.

    Attributes
    ----------
    low, high
        Smallest and largest finite value; 0.0 where there is none.
    has_nan, has_infinity
        Whether there are others.
    """

    low: float
    high: float
    has_nan: bool
    has_infinity: bool

    @property
    def magnitude(self) -> float:
        """Largest magnitude of a finite value."""
        return max(-self.low, self.high)

    def join(self, other: FiniteRange) -> FiniteRange:
        """Return the range of two arrays together; zero belongs to it where one of them has no finite value."""
        return FiniteRange(
            min(self.low, other.low),
            max(self.high, other.high),
            self.has_nan or other.has_nan,
            self.has_infinity or other.has_infinity,
        )


def finite_range(values: npt.NDArray[Any]) -> FiniteRange:
    """Return the range of an array in any memory layout; fast where all values are finite."""
    if not values.size:
        return FiniteRange(0.0, 0.0, False, False)
    if values.dtype == np.float16:
        values = widen(values)
    low, high = float(values.min()), float(values.max())
    if math.isfinite(low) and math.isfinite(high):
        return FiniteRange(low, high, False, False)
    finite = values[np.isfinite(values)]
    has_nan, has_infinity = bool(np.isnan(values).any()), bool(np.isinf(values).any())
    if not finite.size:
        return FiniteRange(0.0, 0.0, has_nan, has_infinity)
    return FiniteRange(float(finite.min()), float(finite.max()), has_nan, has_infinity)


def significant_bits(dtype: np.dtype[Any]) -> int:
    """Return the bits of a dtype's significand, the hidden one included: 11, 24 or 53."""
    return int(np.finfo(dtype).nmant) + 1


def rounding_error(magnitude: float, dtype: np.dtype[Any]) -> float:
    """Return the largest error of rounding numbers up to a magnitude to the nearest value of a dtype.

    It is half the distance of neighbouring values at `magnitude`, values below the smallest normal one included
    (of float64 the whole distance there, as half of it is no float64); 0.0 where `magnitude` is 0.
    """
    if magnitude == 0.0:
        return 0.0
    exponent = max(math.frexp(magnitude)[1] - 1, int(np.finfo(dtype).minexp))
    return max(math.ldexp(1.0, exponent - significant_bits(dtype)), SMALLEST)
