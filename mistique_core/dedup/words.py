"""The bit patterns of numbers as unsigned integers ("words"), and the order of the numbers kept in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import InvalidInputError

Array = npt.NDArray[Any]
MANTISSA_BITS = {2: 10, 4: 23, 8: 52}


def has_words(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is a little-endian (or one-byte) integer or float of 1, 2, 4 or 8 bytes."""
    return dtype == dtype.newbyteorder("<") and (
        (dtype.kind in "iu" and dtype.itemsize <= 8) or (dtype.kind == "f" and dtype.itemsize in MANTISSA_BITS)
    )


def to_words(array: Array) -> Array:
    """Return the bit patterns of `array` as unsigned integers of the same width and shape.

    Parameters
    ----------
    array
        Little-endian integers or floats. A contiguous one is not copied.

    Raises
    ------
    InvalidInputError
        If the dtype is another one (see :func:`has_words`).
    """
    if not has_words(array.dtype):
        raise InvalidInputError(f"dtype {array.dtype.str!r} is neither integer nor float; give '<i8' or '<f8' values")
    return np.ascontiguousarray(array).view(f"<u{array.dtype.itemsize}")


def signed(words: Array) -> Array:
    """Return the same bits as signed integers."""
    return words.view(f"<i{words.dtype.itemsize}")


def swap_float_order(words: Array) -> Array:
    """Turn the bits of floats into two's complement integers that have the floats' order, or back.

    A float's bits are a sign and a magnitude. Written as two's complement, neighbouring floats are
    neighbouring integers, and trailing zero bits stay zero. Only -0.0 has no such neighbour: it
    becomes the smallest integer. The function is its own inverse.

    Parameters
    ----------
    words
        Unsigned integers, any shape. Returned as they are where no sign bit is set.
    """
    top = words.dtype.type(1 << (8 * words.dtype.itemsize - 1))
    if not words.size or not np.bitwise_or.reduce(words, axis=None) & top:
        return words
    sign = (signed(words) >> (8 * words.dtype.itemsize - 1)).view(words.dtype)
    swapped: Array = words ^ sign
    np.subtract(swapped, sign, out=swapped)
    sign &= top
    swapped |= sign
    return swapped
