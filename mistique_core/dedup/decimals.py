"""Floats that are decimals with few digits (prices, rounded scores) as the integers that they stand for.

``12.34`` and ``12.35`` are one step of 0.01 apart, but 16 digits of their bits differ. For a scale
such as 100, the floats ``k / 100`` change places with the floats whose bits are the integer ``k``:
subnormal numbers and NaN payloads that columns hardly ever hold. All other floats stay where they
are. So the whole is a permutation of bit patterns, its own inverse, for any values whatever.
"""

from __future__ import annotations

import numpy as np

from mistique_core.dedup.words import Array, signed, to_words
from mistique_core.native import kernels

SCALES = (1, 10, 100, 1_000, 10_000, 1_000_000)
# Below this, k / scale and back gives k exactly, and k as bits is subnormal or NaN, never k / scale itself.
_MOST_STEPS = {4: 1 << 22, 8: 1 << 50}
_SAMPLE = 512
_LEAST_VALUES = 4
_DECIMAL_SHARE = 0.9


def decimal_scale(array: Array) -> int | None:
    """Return the smallest scale at which most values of a column are decimals.

    Parameters
    ----------
    array
        Little-endian numbers of any shape.

    Returns
    -------
    int or None
        1, 10, 100, 1,000, 10,000 or 1,000,000: the first at which nine of ten different values of a
        sample (every n-th, zeros and NaN left out, at least 4) are integers divided by it. ``None`` if there
        is none, or these are not floats of four or eight bytes.
    """
    if array.dtype.kind != "f" or array.dtype.itemsize not in _MOST_STEPS or not array.size:
        return None
    flat = array.reshape(-1)
    sample = flat[:: -(-flat.size // _SAMPLE)]
    sample = np.unique(sample[(sample != 0) & ~np.isnan(sample)])
    if sample.size < _LEAST_VALUES:
        return None
    scales = np.array(SCALES)[:, None]
    shares = np.count_nonzero(_steps(sample, scales)[0], axis=1) / sample.size
    return next((scale for scale, share in zip(SCALES, shares, strict=True) if share >= _DECIMAL_SHARE), None)


def swap_decimals(words: Array, scale: int) -> Array:
    """Exchange the bits of decimals with the integers that they stand for, or back.

    Parameters
    ----------
    words
        Bit patterns of 4- or 8-byte floats, unsigned, any shape.
    scale
        One of :data:`SCALES`.

    Returns
    -------
    ndarray
        New array of the same dtype and shape: the two's complement of ``k`` for ``k / scale`` (rounded
        to the float's width, ``k`` not 0), the bits of ``k / scale`` for ``k``, both for
        ``abs(k)`` below 2 ** 50 (2 ** 22 for four bytes), all else as it was.
    """
    if kernels is not None:
        contiguous = np.ascontiguousarray(words)
        made = np.empty_like(contiguous)
        kernels.swap_decimals(contiguous, words.dtype.itemsize, scale, _MOST_STEPS[words.dtype.itemsize], made)
        return made
    floats = words.view(f"<f{words.dtype.itemsize}")
    decimal, steps = _steps(floats, scale)
    swapped: Array = np.where(decimal, steps.astype(f"<i{words.dtype.itemsize}").view(words.dtype), words)
    codes, most = signed(words), _MOST_STEPS[words.dtype.itemsize]
    stands_for = (codes < most) & (codes > -most)
    if stands_for.any():
        swapped[stands_for] = (codes[stands_for] / scale).astype(floats.dtype).view(words.dtype)
    return swapped


def _steps(floats: Array, scale: int | Array) -> tuple[Array, Array]:
    """Return which floats are decimals of `scale`, and as float64 of how many steps (0 where not in range)."""
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.rint(floats.astype("<f8") * scale)
        steps[~(np.abs(steps) < _MOST_STEPS[floats.dtype.itemsize])] = 0
        steps += 0.0  # makes a zero of -0.0, which is not the decimal 0
        back = (steps / scale).astype(floats.dtype)
    return back.view(f"<u{floats.dtype.itemsize}") == to_words(floats), steps
