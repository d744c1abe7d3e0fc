"""Quantiles of Student's t distribution, without SciPy."""

from __future__ import annotations

import math
from statistics import NormalDist

_STEPS = 200
_MANY = 100_000
"""From so many degrees on the expansion about the normal distribution is exact to ten digits."""
_TINY = 1e-300


def t_quantile(probability: float, degrees: int) -> float:
    """Return the value that a t-distributed variable is at most with a probability.

    Parameters
    ----------
    probability
        In (0.5, 1).
    degrees
        Degrees of freedom, at least 1.
    """
    if degrees > _MANY:
        z = NormalDist().inv_cdf(probability)
        return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
    central = 2 * (probability - 0.5)
    low, high = 0.0, 1.0
    while not _reaches(high, degrees, central):
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _reaches(middle, degrees, central):
            high = middle
        else:
            low = middle
    return (low + high) / 2


def _reaches(value: float, degrees: int, central: float) -> bool:
    """Return whether the variable is between -value and value with a probability of at least `central`."""
    square = value * value
    if central < 0.5:
        return _incomplete_beta(square / (degrees + square), 0.5, degrees / 2) >= central
    return _incomplete_beta(degrees / (degrees + square), degrees / 2, 0.5) <= 1 - central


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function (Abramowitz and Stegun 26.5.8, by Lentz's algorithm)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    scale = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return scale * _fraction(x, a, b) / a
    return 1 - scale * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _nonzero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1 / _nonzero(1 + even * d), _nonzero(1 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1 / _nonzero(1 + odd * d), _nonzero(1 + odd / c)
        value *= d * c
        if abs(d * c - 1) < 1e-16:
            break
    return value


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
