"""Which transform fits the values of a chunk: a look at a sample promises, the bits decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mistique_core.partition.claims import MOST_PACKED_BYTES
from mistique_core.partition.decimal_codes import narrow_decimals, scale_of_sample, scan_decimals
from mistique_core.partition.digits import fold_signs, split_digits
from mistique_core.partition.factorize import factorize_words
from mistique_core.partition.sparse import split_zeros
from mistique_core.partition.transform import UNSIGNED, Array, Transform, Transformed, as_bits, plain

_MOST_TABLE = 8_192
_SAMPLE = 512
_LEAST_VALUES = 64
_FEW_FOR_BYTES = 0.97
_FEW_FOR_CODES = 0.85
_SCALES = (1, 10, 100, 1_000, 10_000, 1_000_000)
# Codes as wide as the values: larger whole numbers than these are no finer than the float itself.
_WORTH_WIDE = {"<f4": 1 << 22, "<f8": 1 << 51}
_LEAST_DIGITS = 4_096
_DIGIT_SAMPLE = 4_096
_LEAST_ZEROS = 1 / 16
_MOST_LEVELS = 256
_TABLE_VALUE_BITS = 40.0


def choose_transform(array: Array) -> Transformed:
    """Return the array in the narrowest codes that a look at a sample promises.

    Parameters
    ----------
    array
        Little-endian numbers of any shape.
    """
    if array.ndim > 1 and array.size >= _LEAST_DIGITS and array.nbytes <= MOST_PACKED_BYTES:
        if array.dtype.itemsize == 1:
            return _digits(array) or plain(array)
        if array.dtype.kind == "f":
            return _levels(array) or _sparse(array) or plain(array)
    if array.ndim != 1 or array.size < _LEAST_VALUES or array.dtype.itemsize == 1:
        return plain(array)
    sample = np.ascontiguousarray(array[:: -(-array.size // _SAMPLE)])
    narrow = _decimal(array, sample) if array.dtype.kind == "f" else _offset(array)
    if narrow is not None and narrow.codes.dtype.itemsize == 1:
        return narrow
    share = _FEW_FOR_BYTES if narrow is None else _FEW_FOR_CODES
    if _distinct(sample) <= min(sample.size * share, _most_table(array.dtype)):
        table = _dictionary(array, _most_table(array.dtype))
        if table is not None and _bits(table) <= _bits(narrow) and _raw_bytes(table) <= array.nbytes:
            return table
    return plain(array) if narrow is None else narrow


def choose_dictionary(words: Array) -> Transformed | None:
    """Return unsigned integers as a dictionary if a sample promises that few are different, else ``None``."""
    flat = words.reshape(-1)
    if flat.size < _LEAST_VALUES or flat.dtype.itemsize == 1:
        return None
    sample = flat[:: -(-flat.size // _SAMPLE)]
    if _distinct(sample) > sample.size * _FEW_FOR_CODES:
        return None
    made = _dictionary(flat, _most_table(flat.dtype))
    return None if made is None else replace(made, codes=made.codes.reshape(words.shape))


def _most_table(dtype: np.dtype[Any]) -> int:
    """Return the most values of a table; codes as wide as the values would gain nothing."""
    return 256 if dtype.itemsize == 2 else _MOST_TABLE


def _levels(array: Array) -> Transformed | None:
    """Return floats of a few levels as bytes, if a sample promises that there are few: pixels, scaled, have 256."""
    flat = array.reshape(-1)
    if flat.dtype.itemsize < 4 or not 1 < _distinct(flat[:: -(-flat.size // _DIGIT_SAMPLE)]) <= _MOST_LEVELS:
        return None
    made = _dictionary(flat, _MOST_LEVELS)
    return None if made is None else replace(made, codes=made.codes.reshape(array.shape))


def _sparse(array: Array) -> Transformed | None:
    """Return floats as those that are not zero, if a sample promises that many are."""
    flat = as_bits(array).reshape(-1)
    sample = flat[:: -(-flat.size // _DIGIT_SAMPLE)]
    if np.count_nonzero(sample == 0) < sample.size * _LEAST_ZEROS:
        return None
    packed, values = split_zeros(array)
    return Transformed(Transform("sparse", "|u1"), packed, values if values.size else None)


def _digits(array: Array) -> Transformed | None:
    flat = array.reshape(-1)
    sample = flat[:: -(-flat.size // _DIGIT_SAMPLE)]
    folded = array.dtype.kind == "i" and np.count_nonzero(sample < 0) > sample.size // 16
    shown = fold_signs(sample) if folded else sample.view(np.uint8)
    if np.count_nonzero(shown >= 3) * 2 > sample.size:
        return None
    low, rest = split_digits(fold_signs(flat) if folded else flat.view(np.uint8))
    item = Transform("digits", "|u1", base=int(folded))
    table = np.concatenate(split_digits(rest)) if rest.size else None
    return Transformed(item, low, table)


def _distinct(sample: Array) -> int:
    ordered = np.sort(as_bits(sample))
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def _bits(item: Transformed | None) -> float:
    """Return an estimate of the encoded bits: the logarithm of the codes' range, and the table."""
    if item is None:
        return float("inf")
    if item.table is not None:
        return float(item.codes.size * np.log2(max(len(item.table), 2)) + len(item.table) * _TABLE_VALUE_BITS)
    top = int(item.codes.max(initial=0)) + 1
    return float(item.codes.size * np.log2(max(top, 2)))


def _raw_bytes(item: Transformed) -> int:
    """Return the bytes of codes and table before compression, to which random values come near."""
    return item.codes.nbytes + (0 if item.table is None else item.table.nbytes)


def _narrowest(top: int) -> str:
    return next(dtype for size, dtype in UNSIGNED.items() if top < 1 << (8 * size))


def _offset(array: Array) -> Transformed | None:
    low, high = int(array.min()), int(array.max())
    dtype = _narrowest(high - low)
    if np.dtype(dtype).itemsize >= array.dtype.itemsize:
        return None
    # Wrapping subtraction in the array's own width, then dropping high bytes that are all zero.
    codes = (as_bits(array) - as_bits(np.asarray([low], array.dtype))).astype(dtype)
    return Transformed(Transform("offset", dtype, base=low), codes)


def _decimal(array: Array, sample: Array) -> Transformed | None:
    scale = _scale_of(sample)
    found = None if scale is None else scan_decimals(array, scale)
    if scale is None or found is None:
        return None
    base = found.low
    top = found.high - base + 1
    dtype = _codes_of(base, found.high + len(found.patterns), array.dtype)
    if dtype is None:
        return None
    item = Transform("decimal", dtype, base, scale, top if found.patterns else None, found.patterns)
    return Transformed(item, narrow_decimals(array, found, top, dtype))


def _codes_of(low: int, high: int, dtype: np.dtype[Any]) -> str | None:
    """Return the dtype of codes for `low` to `high` (inclusive), ``None`` where they gain nothing over floats."""
    codes = _narrowest(high - low)
    if np.dtype(codes).itemsize >= dtype.itemsize and max(-low, high) >= _WORTH_WIDE.get(dtype.str, 0):
        return None
    return codes


def _scale_of(sample: Array) -> int | None:
    """Return the first scale by which values of a sample are decimals, and few different ones are not."""
    found = scale_of_sample(sample, _SCALES)
    return None if found is None or _codes_of(found[1], found[2], sample.dtype) is None else found[0]


def _dictionary(array: Array, most: int) -> Transformed | None:
    made = factorize_words(as_bits(array), most)
    if made is None:
        return None
    positions, words = made
    values = words.view(array.dtype)
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(order), _narrowest(max(len(order) - 1, 0)))
    rank[order] = np.arange(len(order))
    table = np.ascontiguousarray(values[order])
    return Transformed(Transform("dictionary", rank.dtype.str), rank.take(positions), table)
