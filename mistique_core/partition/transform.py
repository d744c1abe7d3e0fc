"""Reversible transforms of one chunk into narrower codes, chosen by what the values are.

============== ========================================= ==================================
transform      value                                     for
============== ========================================= ==================================
``plain``      ``codes``                                 anything
``decimal``    ``(codes + base) / scale``; codes from    floats that are decimals with few
               ``top`` on name ``exceptions``            digits (as in ALP, SIGMOD 2024)
``offset``     ``codes + base``                          integers of a small range
``dictionary`` ``table[codes]``                          few different values
``digits``     digits of two bits and their rest,        small codes of several dimensions
               :mod:`~mistique_core.partition.digits`    (quantized activations)
``delta``      the chunk at ``base`` with the            chunks nearly equal to another
               difference ``codes`` applied
============== ========================================= ==================================

A transform is used only where its inverse gives back exactly the same bits; every formula is plain
NumPy arithmetic, so that any HDF5 program can read the values.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.errors import CorruptPartitionError
from mistique_core.partition.digits import fold_signs, join_digits, large_digits, split_digits, unfold_signs

Array = npt.NDArray[Any]
Kind = Literal["plain", "decimal", "offset", "dictionary", "digits", "delta"]

_MOST_TABLE = 8_192
_SAMPLE = 512
_LEAST_VALUES = 64
_FEW_FOR_BYTES = 0.97
_FEW_FOR_CODES = 0.85
_SCALES = (1, 10, 100, 1_000, 10_000, 1_000_000)
_EXACT_INTEGER = float(1 << 53)
# Codes as wide as the values: larger whole numbers than these are no finer than the float itself.
_WORTH_WIDE = {"<f4": 1 << 22, "<f8": 1 << 51}
_TILE = 8_192
_LEAST_DIGITS = 4_096
_DIGIT_SAMPLE = 4_096
_MOST_EXCEPTIONS = 16
_TABLE_VALUE_BITS = 40.0
_UNSIGNED = {1: "|u1", 2: "<u2", 4: "<u4", 8: "<u8"}


@dataclass(frozen=True)
class Transform:
    """How codes become values.

    Attributes
    ----------
    kind
        Which formula.
    dtype
        NumPy dtype string of the codes.
    base
        Added to every code (``decimal``, ``offset``); 1 where signs were folded (``digits``).
    scale
        What the sum is divided by (``decimal``); the scale of the difference (``delta``).
    top
        First code that names an exception, or ``None`` where there is none (``decimal``).
    exceptions
        Bit patterns of the values that are no such decimals: NaN, infinities, -0.0, or a value that was
        filled in; code ``top + i`` is the i-th.
    delta
        Content address, in hex, of the chunk that the codes are a difference to (``delta``).
    saved
        Bytes by which the difference is smaller than the chunk encoded on its own (``delta``).
    """

    kind: Kind
    dtype: str
    base: int = 0
    scale: int = 1
    top: int | None = None
    exceptions: tuple[int, ...] = ()
    delta: str | None = None
    saved: int = 0

    def to_json(self) -> str:
        """Return the canonical JSON, without the fields that have their default."""
        document: dict[str, Any] = {"kind": self.kind, "dtype": self.dtype}
        for name, default in (
            ("base", 0),
            ("scale", 1),
            ("top", None),
            ("exceptions", ()),
            ("delta", None),
            ("saved", 0),
        ):
            if getattr(self, name) != default:
                document[name] = getattr(self, name)
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Transform:
        """Parse what :meth:`to_json` returned.

        Raises
        ------
        CorruptPartitionError
            If it is anything else.
        """
        try:
            document = json.loads(text)
            item = cls(**{**document, "exceptions": tuple(document.get("exceptions", ()))})
        except (ValueError, TypeError) as error:
            raise CorruptPartitionError(f"transform {text[:80]!r} cannot be read; run 'mistique check'") from error
        if item.kind not in ("plain", "decimal", "offset", "dictionary", "digits", "delta"):
            raise CorruptPartitionError(f"transform {item.kind!r} is unknown; upgrade MISTIQUE")
        return item


@dataclass(frozen=True)
class Transformed:
    """A chunk as codes.

    Attributes
    ----------
    transform
        How to get the values back.
    codes
        Array of the transform's dtype, with the chunk's shape; packed ``digits`` have one dimension.
    table
        The different values of a ``dictionary``, the further digits of ``digits``, else ``None``.
    """

    transform: Transform
    codes: Array
    table: Array | None = None


def plain(array: Array) -> Transformed:
    """Return the array as its own codes."""
    return Transformed(Transform("plain", array.dtype.str), array)


def choose_transform(array: Array) -> Transformed:
    """Return the array in the narrowest codes that a look at a sample promises.

    Parameters
    ----------
    array
        Little-endian numbers of any shape.
    """
    if array.ndim > 1 and array.dtype.itemsize == 1 and array.size >= _LEAST_DIGITS:
        return _digits(array) or plain(array)
    if array.ndim != 1 or array.size < _LEAST_VALUES or array.dtype.itemsize == 1:
        return plain(array)
    sample = np.ascontiguousarray(array[:: -(-array.size // _SAMPLE)])
    narrow = _decimal(array, sample) if array.dtype.kind == "f" else _offset(array)
    if narrow is not None and narrow.codes.dtype.itemsize == 1:
        return narrow
    share = _FEW_FOR_BYTES if narrow is None else _FEW_FOR_CODES
    if _distinct(sample) <= min(sample.size * share, _most_table(array.dtype)):
        table = _dictionary(array)
        if table is not None and _bits(table) <= _bits(narrow):
            return table
    return plain(array) if narrow is None else narrow


def _most_table(dtype: np.dtype[Any]) -> int:
    """Return the most values of a table; codes as wide as the values would gain nothing."""
    return 256 if dtype.itemsize == 2 else _MOST_TABLE


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


def join_all_digits(item: Transform, low: Array, table: Array | None, dtype: str, shape: tuple[int, ...]) -> Array:
    """Return the array of a ``digits`` chunk.

    Raises
    ------
    CorruptPartitionError
        If the sizes contradict each other.
    """
    size = math.prod(shape)
    count = large_digits(low, size)
    further = np.empty(0, np.uint8) if table is None else table
    middle = -(-count // 4)
    rest = join_digits(further[:middle], further[middle:], count)
    values = join_digits(low, rest, size)
    joined: Array = unfold_signs(values) if item.base else values
    return joined.view(dtype).reshape(shape)


def _distinct(sample: Array) -> int:
    ordered = np.sort(_as_bits(sample))
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def _as_bits(array: Array) -> Array:
    return array.view(_UNSIGNED[array.dtype.itemsize])


def _bits(item: Transformed | None) -> float:
    """Return an estimate of the encoded bits: the logarithm of the codes' range, and the table."""
    if item is None:
        return float("inf")
    if item.table is not None:
        return float(item.codes.size * np.log2(max(len(item.table), 2)) + len(item.table) * _TABLE_VALUE_BITS)
    top = int(item.codes.max(initial=0)) + 1
    return float(item.codes.size * np.log2(max(top, 2)))


def _narrowest(top: int) -> str:
    return next(dtype for size, dtype in _UNSIGNED.items() if top < 1 << (8 * size))


def _offset(array: Array) -> Transformed | None:
    low, high = int(array.min()), int(array.max())
    dtype = _narrowest(high - low)
    if np.dtype(dtype).itemsize >= array.dtype.itemsize:
        return None
    # Wrapping subtraction in the array's own width, then dropping high bytes that are all zero.
    codes = (_as_bits(array) - _as_bits(np.asarray([low], array.dtype))).astype(dtype)
    return Transformed(Transform("offset", dtype, base=low), codes)


def _decimal(array: Array, sample: Array) -> Transformed | None:
    scale = _scale_of(sample)
    if scale is None:
        return None
    whole = np.empty(array.size, "<f8")
    exceptions: set[int] = set()
    for start in range(0, array.size, _TILE):
        tile, target = array[start : start + _TILE], whole[start : start + _TILE]
        bad = _to_whole(tile, scale, target)
        if bad is not None:
            exceptions.update(_patterns(_as_bits(tile), bad))
            if len(exceptions) > _MOST_EXCEPTIONS:
                return None
    low, high = float(np.fmin.reduce(whole)), float(np.fmax.reduce(whole))
    if np.isnan(low):
        return None
    base, top = int(low), int(high) - int(low) + 1
    dtype = _narrowest(top + max(len(exceptions) - 1, 0))
    if np.dtype(dtype).itemsize >= array.dtype.itemsize and max(-low, high) >= _WORTH_WIDE.get(array.dtype.str, 0):
        return None
    whole -= base
    if not exceptions:
        return Transformed(Transform("decimal", dtype, base=base, scale=scale), whole.astype(dtype))
    patterns = tuple(sorted(exceptions))
    bad = np.isnan(whole)
    if len(patterns) == 1:
        np.copyto(whole, float(top), where=bad)
    else:
        known = np.asarray(patterns, _UNSIGNED[array.dtype.itemsize])
        whole[bad] = top + np.searchsorted(known, _as_bits(array)[bad])
    item = Transform("decimal", dtype, base=base, scale=scale, top=top, exceptions=patterns)
    return Transformed(item, whole.astype(dtype))


def _patterns(bits: Array, bad: npt.NDArray[np.bool_]) -> list[int]:
    """Return the different items where `bad`; most often there is one, and it is nowhere else."""
    first = bits[bad.argmax()]
    if np.array_equal(bits == first, bad):
        return [int(first)]
    return [int(pattern) for pattern in np.unique(bits[bad])]


def _to_whole(tile: Array, scale: int, whole: Array) -> npt.NDArray[np.bool_] | None:
    """Write `tile * scale` into `whole` where that is whole and gives back the same bits, NaN elsewhere.

    Returns
    -------
    ndarray or None
        Where it is not; ``None`` if it is everywhere.
    """
    with np.errstate(all="ignore"):
        np.multiply(tile, float(scale), out=whole)
        np.rint(whole, out=whole)
        whole += 0.0  # so that -0.0, which no code stands for, does not compare equal below
        good = np.abs(whole) < _EXACT_INTEGER
        back = (whole / scale if scale != 1 else whole).astype(tile.dtype, copy=False)
        good &= _as_bits(back) == _as_bits(tile)
    if good.all():
        return None
    bad = np.logical_not(good, out=good)
    np.copyto(whole, np.nan, where=bad)
    return bad


def _scale_of(sample: Array) -> int | None:
    """Return the first scale by which values of a sample are decimals, and few different ones are not."""
    bits = _as_bits(sample)
    with np.errstate(all="ignore"):
        wide = sample.astype("<f8")
        for scale in _SCALES:
            whole = np.rint(wide * scale) + 0.0
            good = _as_bits((whole / scale).astype(sample.dtype)) == bits
            good &= np.abs(whole) < _EXACT_INTEGER
            if good.all():
                return scale
            if good.any() and len(set(bits[~good][:_LEAST_VALUES].tolist())) <= _MOST_EXCEPTIONS // 2:
                return scale
    return None


def _dictionary(array: Array) -> Transformed | None:
    bits = _as_bits(array)
    signed = bits.view(bits.dtype.str.replace("u", "i"))
    positions, found = pd.factorize(signed)
    if len(found) > _most_table(array.dtype):
        return None
    values = np.asarray(found).view(array.dtype)
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(order), _narrowest(max(len(order) - 1, 0)))
    rank[order] = np.arange(len(order))
    return Transformed(Transform("dictionary", rank.dtype.str), rank[positions], np.ascontiguousarray(values[order]))


def invert(item: Transform, codes: Array, dtype: npt.DTypeLike, table: Array | None = None) -> Array:
    """Return the values of codes, whole or any part of a chunk.

    Parameters
    ----------
    item
        The transform; not a ``delta``, which needs the other chunk.
    codes
        Codes of any shape.
    dtype
        dtype of the values.
    table
        The table of a ``dictionary``.

    Raises
    ------
    CorruptPartitionError
        If a code is not in the table.
    """
    target = np.dtype(dtype)
    if item.kind == "plain":
        return codes.view(target) if codes.dtype != target else codes
    if item.kind == "dictionary":
        if table is None or (codes.size and int(codes.max()) >= len(table)):
            raise CorruptPartitionError("a code is not in its chunk's table; run 'mistique check'")
        return table.take(codes)
    if item.kind == "offset":
        unsigned = np.dtype(_UNSIGNED[target.itemsize])
        wide = codes.astype(unsigned)
        wide += np.asarray([item.base], target).view(unsigned)
        return wide.view(target)
    return _undo_decimal(item, codes, target)


def _undo_decimal(item: Transform, codes: Array, target: np.dtype[Any]) -> Array:
    values = codes.astype("<f8")
    if item.base:
        values += item.base
    if item.scale != 1:
        values /= item.scale
    if target.itemsize < 8:
        values = values.astype(target)
    if item.top is not None:
        named = codes >= np.asarray(item.top, codes.dtype)
        if named.any():
            numbers = codes[named].astype(np.int64) - item.top
            if int(numbers.max()) >= len(item.exceptions):
                raise CorruptPartitionError("a code names no exception of its chunk; run 'mistique check'")
            patterns = np.asarray(item.exceptions, _UNSIGNED[target.itemsize])
            _as_bits(values)[named] = patterns[numbers]
    return values
