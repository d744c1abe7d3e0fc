"""Deltas: a chunk as its difference from a similar chunk (thesis 5.4.2), bit for bit.

Three reversible steps, each on the bit patterns:

1. Floats become integers of the same order (:func:`~mistique_core.dedup.words.swap_float_order`).
2. The `t` low bits that are zero in every value of the base move to the top, where the sign is
   repeated in them: of a float32 held in a float64, or of whole thousands of nanoseconds, the
   integers become short.
3. The difference, modulo the word's width, is folded so that small negative ones are small too:
   0, -1, 1, -2 become 0, 1, 2, 3.

Similar values so give integers whose high bytes are zero, equal values give zero. Every array of the
base's dtype and shape has exactly one delta, whatever its values (NaN payloads, infinities, -0.0).
"""

from __future__ import annotations

import numpy as np

from mistique_core.dedup.words import Array, has_words, signed, swap_float_order, to_words
from mistique_core.errors import CorruptPartitionError


def make_delta(base: Array, array: Array) -> Array | None:
    """Return `array` as unsigned integers of its width and shape, given `base`.

    Parameters
    ----------
    base, array
        Little-endian integers or floats of one dtype and shape.

    Returns
    -------
    ndarray or None
        What :func:`apply_delta` needs, ``None`` if dtype or shape differ or the dtype has no delta.
        Whether it encodes to fewer bytes than `array` is for the caller to see.
    """
    if base.dtype != array.dtype or base.shape != array.shape or not has_words(array.dtype):
        return None
    zeros = _trailing_zeros(base)
    difference = _shortened(_ordered(array), zeros) - _shortened(_ordered(base), zeros)
    folded = difference << 1
    folded ^= (signed(difference) >> (8 * difference.dtype.itemsize - 1)).view(difference.dtype)
    return folded


def apply_delta(base: Array, delta: Array) -> Array:
    """Return the array that :func:`make_delta` was given with `base`.

    Parameters
    ----------
    base
        The same base.
    delta
        What :func:`make_delta` returned.

    Returns
    -------
    ndarray
        New array of the base's dtype and shape.

    Raises
    ------
    CorruptPartitionError
        If the delta cannot belong to this base.
    """
    width = f"<u{base.dtype.itemsize}"
    if not has_words(base.dtype) or delta.dtype != np.dtype(width) or delta.shape != base.shape:
        raise CorruptPartitionError(
            f"a delta of {delta.dtype.str} {delta.shape} does not fit its base of {base.dtype.str} {base.shape}; "
            "run 'mistique check'"
        )
    zeros = _trailing_zeros(base)
    words = delta >> 1
    words ^= (-signed(delta & delta.dtype.type(1))).view(delta.dtype)
    words += _shortened(_ordered(base), zeros)
    words = _lengthened(words, zeros)
    if base.dtype.kind == "f":
        words = swap_float_order(words)
    return words.view(base.dtype)


def _ordered(array: Array) -> Array:
    return swap_float_order(to_words(array)) if array.dtype.kind == "f" else to_words(array)


def _trailing_zeros(base: Array) -> int:
    """Return how many low bits are zero in every value, 0 where the values are all zero."""
    if not base.size:
        return 0
    used = int(np.bitwise_or.reduce(to_words(base), axis=None))
    if base.dtype.kind == "f":
        used &= (1 << (8 * base.dtype.itemsize - 1)) - 1
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
