"""Deltas: a chunk as its difference from a similar chunk (thesis 5.4.2), bit for bit.

Three reversible steps, each on the bit patterns:

1. Floats become integers of the same order (:func:`~mistique_core.dedup.words.swap_float_order`), or,
   where both chunks are decimals with few digits, the integers that they stand for
   (:func:`~mistique_core.dedup.decimals.swap_decimals`).
2. The low bits that are zero in every value of the base move to the top, where the sign is repeated
   in them: of a float32 held in a float64, or of nanoseconds that are whole milliseconds, the
   integers become short.
3. The difference, modulo the word's width, is folded so that small negative ones are small too:
   0, -1, 1, -2 become 0, 1, 2, 3.

Similar values so give integers whose high bytes are zero, equal values give zero. Every array of the
base's dtype and shape has exactly one delta, whatever its values (NaN payloads, infinities, -0.0).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistique_core.dedup.decimals import SCALES, decimal_scale, swap_decimals
from mistique_core.dedup.words import Array, has_words, signed, swap_float_order, to_words
from mistique_core.errors import CorruptPartitionError


def delta_scale(base: Array, array: Array) -> int:
    """Return the scale with which :func:`make_delta` gives the smaller integers.

    Parameters
    ----------
    base, array
        As there.

    Returns
    -------
    int
        One of :data:`~mistique_core.dedup.decimals.SCALES` where nearly all values of both arrays are
        decimals of that many steps, else 0. To be kept with the delta.
    """
    scales = decimal_scale(array), decimal_scale(base)
    return 0 if scales[0] is None or scales[1] is None else max(scales[0], scales[1])


def make_delta(base: Array, array: Array, scale: int = 0) -> Array | None:
    """Return `array` as unsigned integers of its width and shape, given `base`.

    Parameters
    ----------
    base, array
        Little-endian integers or floats of one dtype and shape, of at least one dimension.
    scale
        What :func:`delta_scale` advises; any other gives a delta too.

    Returns
    -------
    ndarray or None
        What :func:`apply_delta` needs, ``None`` if dtype or shape differ or the dtype has no delta.
        Whether it encodes to fewer bytes than `array` is for the caller to see.
    """
    if base.dtype != array.dtype or base.shape != array.shape or not has_words(array.dtype):
        return None
    start = _swapped(to_words(base), array.dtype, scale)
    zeros = _trailing_zeros(start)
    difference = _shortened(_swapped(to_words(array), array.dtype, scale), zeros) - _shortened(start, zeros)
    folded = difference << 1
    folded ^= (signed(difference) >> (8 * difference.dtype.itemsize - 1)).view(difference.dtype)
    return folded


def base_zeros(base: Array, scale: int = 0) -> int:
    """Return the one number about a whole base that a few rows of a delta need, beside those of the base.

    Parameters
    ----------
    base, scale
        What :func:`make_delta` was given.

    Returns
    -------
    int
        Low bits that are zero in all words of the base.
    """
    return _trailing_zeros(_swapped(to_words(base), base.dtype, scale))


def apply_delta(base: Array, delta: Array, scale: int = 0, zeros: int | None = None) -> Array:
    """Return the array that :func:`make_delta` was given with `base` and `scale`, or rows of it.

    Parameters
    ----------
    base, scale
        The same.
    delta
        What :func:`make_delta` returned.
    zeros
        The :func:`base_zeros` of the whole base, where `base` and `delta` are some rows only; default: they are
        whole.

    Returns
    -------
    ndarray
        New array of the base's dtype and shape.

    Raises
    ------
    CorruptPartitionError
        If the delta cannot belong to this base, or there is no such scale.
    """
    width = base.dtype.itemsize
    if not has_words(base.dtype) or delta.dtype != np.dtype(f"<u{width}") or delta.shape != base.shape:
        raise CorruptPartitionError(
            f"a delta of {delta.dtype.str} {delta.shape} does not fit its base of {base.dtype.str} {base.shape}; "
            "run 'mistique check'"
        )
    if scale not in (0, *SCALES):
        raise CorruptPartitionError(f"a delta of scale {scale!r} is unknown; run 'mistique check' or upgrade MISTIQUE")
    start = _swapped(to_words(base), base.dtype, scale)
    if zeros is None:
        zeros = _trailing_zeros(start)
    words = delta >> 1
    words ^= (-signed(delta & delta.dtype.type(1))).view(delta.dtype)
    words += _shortened(start, zeros)
    return _swapped(_lengthened(words, zeros), base.dtype, scale).view(base.dtype)


def _swapped(words: Array, dtype: np.dtype[Any], scale: int) -> Array:
    """Return words whose differences are small where values are near; the function is its own inverse."""
    if dtype.kind != "f":
        return words
    return swap_decimals(words, scale) if scale and dtype.itemsize > 2 else swap_float_order(words)


def _trailing_zeros(words: Array) -> int:
    """Return how many low bits are zero in every word, 0 where the words are all zero."""
    used = int(np.bitwise_or.reduce(words, axis=None)) if words.size else 0
    return (used & -used).bit_length() - 1 if used else 0


def _shortened(words: Array, zeros: int) -> Array:
    if not zeros:
        return words
    short = (signed(words) >> zeros).view(words.dtype)
    short ^= words << (8 * words.dtype.itemsize - zeros)
    return short


def _lengthened(short: Array, zeros: int) -> Array:
    if not zeros:
        return short
    high = (signed(short << zeros) >> zeros).view(short.dtype)
    low = (short ^ high) >> (8 * short.dtype.itemsize - zeros)
    high <<= zeros
    high |= low
    return high
