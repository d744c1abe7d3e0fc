"""Reversible transforms of one chunk into narrower codes, and their inverse.

============== ========================================= ==================================
transform      value                                     for
============== ========================================= ==================================
``plain``      ``codes``                                 anything
``decimal``    ``(codes + base) / scale``; codes from    floats that are decimals with few
               ``top`` on name ``exceptions``            digits (as in ALP, SIGMOD 2024)
``offset``     ``codes + base``                          integers of a small range
``dictionary`` ``table[codes]``                          few different values, pixels that were scaled
``digits``     digits of two bits and their rest,        small codes of several dimensions
               :mod:`~mistique_core.partition.digits`    (quantized activations)
``sparse``     a bit a value and those that are not      floats of several dimensions of which many are
               zero, :mod:`~mistique_core.partition      zero (rectified activations)
               .sparse`
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

from mistique_core.errors import CorruptPartitionError
from mistique_core.partition.bits import unpack_bits
from mistique_core.partition.digits import join_digits, large_digits, unfold_signs

Array = npt.NDArray[Any]
Kind = Literal["plain", "decimal", "offset", "dictionary", "digits", "sparse", "delta"]

KINDS: tuple[Kind, ...] = ("plain", "decimal", "offset", "dictionary", "digits", "sparse", "delta")
PACKED_WHOLE = ("digits", "sparse")
"""Kinds whose codes are packed bytes of the whole chunk, in one page, whatever the shape of the values."""
UNSIGNED = {1: "|u1", 2: "<u2", 4: "<u4", 8: "<u8"}
VALUE_DTYPES = ("|b1", "|u1", "|i1", *(f"<{kind}{size}" for kind in "uif" for size in (2, 4, 8)))
"""dtypes that the values of a chunk can have."""
_NUMBERS = 1 << 64
_PACKED = (1, 2, 4)
_LEAST_LOOKED_UP = 1_024
_DEFAULTS: tuple[tuple[str, Any], ...] = (
    ("base", 0),
    ("scale", 1),
    ("top", None),
    ("exceptions", ()),
    ("delta", None),
    ("saved", 0),
    ("bits", 8),
)


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
    bits
        Bits of a stored code; fewer than 8 where bytes of one dimension are packed
        (:mod:`~mistique_core.partition.bits`).
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
    bits: int = 8

    def to_json(self) -> str:
        """Return the canonical JSON, without the fields that have their default."""
        text = f'{{"kind":"{self.kind}","dtype":"{self.dtype}"'
        for name, default in _DEFAULTS:
            value = getattr(self, name)
            if value != default:
                text += f',"{name}":{_literal(value)}'
        return text + "}"

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
        except (ValueError, RecursionError) as error:
            raise _unreadable(text) from error
        return cls.from_document(document)

    @classmethod
    def from_document(cls, document: Any) -> Transform:
        """Return what parsed JSON describes; raises as :meth:`from_json`."""
        text = str(document)
        try:
            item = cls(**{**document, "exceptions": tuple(document.get("exceptions", ()))})
        except (ValueError, TypeError, AttributeError) as error:
            raise _unreadable(text) from error
        if item.kind not in KINDS:
            raise CorruptPartitionError(f"transform {item.kind!r} is unknown; upgrade MISTIQUE")
        if not item._is_sound():
            raise _unreadable(text)
        return item

    def _is_sound(self) -> bool:
        """Whether every field has the type and range that the formulas need."""
        if self.dtype not in (VALUE_DTYPES if self.kind == "plain" else UNSIGNED.values()):
            return False
        numbers = (self.base, self.scale, self.saved, self.bits, *self.exceptions)
        if not all(type(number) is int and abs(number) < _NUMBERS for number in numbers):
            return False
        if self.bits != 8 and not (self.bits in _PACKED and self.dtype == "|u1" and self.kind not in PACKED_WHOLE):
            return False
        last = 1 << (8 * np.dtype(self.dtype).itemsize)
        if self.top is not None and not (type(self.top) is int and 0 <= self.top < last):
            return False
        if self.scale < (self.kind == "decimal") or min(self.exceptions, default=0) < 0:
            return False
        return self.delta is None if self.kind != "delta" else _is_address(self.delta)


def _literal(value: int | str | tuple[int, ...]) -> str:
    """Return JSON of a field; ``json.dumps`` takes ten times as long, for every chunk of a write."""
    if isinstance(value, str):
        return f'"{value}"'
    return f"[{','.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _unreadable(text: str) -> CorruptPartitionError:
    return CorruptPartitionError(f"transform {text[:80]!r} cannot be read; run 'mistique check'")


def _is_address(text: Any) -> bool:
    return isinstance(text, str) and len(text) == 64 and not text.strip("0123456789abcdef")


@dataclass(frozen=True)
class Transformed:
    """A chunk as codes.

    Attributes
    ----------
    transform
        How to get the values back.
    codes
        Array of the transform's dtype, with the chunk's shape; those of ``digits`` and ``sparse`` have one dimension.
    table
        The different values of a ``dictionary``, the further digits of ``digits``, the values of ``sparse`` that are
        not zero, else ``None``.
    """

    transform: Transform
    codes: Array
    table: Array | None = None


def plain(array: Array) -> Transformed:
    """Return the array as its own codes."""
    return Transformed(Transform("plain", array.dtype.str), array)


def as_bits(array: Array) -> Array:
    """Return the bit patterns of numbers as unsigned integers."""
    return array.view(UNSIGNED[array.dtype.itemsize])


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
    if codes.dtype == np.uint8 and codes.size >= _LEAST_LOOKED_UP:
        return _every_value(item, int(codes.max()) + 1, target, table).take(codes)
    if item.kind == "dictionary":
        return invert_table(table, codes)
    if item.kind == "offset":
        unsigned = np.dtype(UNSIGNED[target.itemsize])
        wide = codes.astype(unsigned)
        wide += np.asarray(item.base % (1 << (8 * target.itemsize)), unsigned)
        return wide.view(target)
    return _undo_decimal(item, codes, target)


def invert_packed(item: Transform, packed: Array, size: int, dtype: npt.DTypeLike, table: Array | None = None) -> Array:
    """Return the first `size` values of codes of a few bits: as :func:`invert` of the unpacked codes, but faster.

    Each byte names all of its values at once.

    Parameters
    ----------
    item
        A ``decimal``, an ``offset`` or a ``dictionary`` whose codes have 1, 2 or 4 bits.
    packed
        Bytes (n,), the filling of the last page included.
    size
        Number of codes, at most ``n * 8 // item.bits``.
    dtype, table
        As in :func:`invert`.

    Raises
    ------
    CorruptPartitionError
        If a code is not in the table.
    """
    target, per_byte = np.dtype(dtype), 8 // item.bits
    used = packed[: -(-size // per_byte)]
    codes = unpack_bits(np.arange(256, dtype=np.uint8), item.bits).reshape(256, per_byte)
    most = int(codes.max(axis=1).take(used).max(initial=0))
    values = np.zeros(1 << item.bits, target)
    values[: most + 1] = _every_value(item, most + 1, target, table)
    rows = values.take(codes).view(f"V{target.itemsize * per_byte}").reshape(-1)
    return rows.take(used).view(target)[:size]


def _every_value(item: Transform, count: int, target: np.dtype[Any], table: Array | None) -> Array:
    """Return the values of the codes 0 to `count` (exclusive), at most 256."""
    return invert(item, np.arange(count, dtype=np.uint8), target, table)


def invert_table(table: Array | None, codes: Array) -> Array:
    """Return ``table[codes]``.

    Raises
    ------
    CorruptPartitionError
        If a code is not in the table.
    """
    if table is None or (codes.size and int(codes.max()) >= len(table)):
        raise CorruptPartitionError("a code is not in its chunk's table; run 'mistique check'")
    return table.take(codes)


def table_dtype(item: Transform, dtype: str) -> str:
    """Return the dtype of the table that precedes a chunk's pages.

    Parameters
    ----------
    item
        The chunk's transform.
    dtype
        dtype of the chunk's values.
    """
    if item.kind == "digits":
        return "|u1"
    return UNSIGNED[np.dtype(dtype).itemsize] if item.kind == "delta" else dtype


def _undo_decimal(item: Transform, codes: Array, target: np.dtype[Any]) -> Array:
    values = codes.astype("<f8")
    if item.base:
        values += item.base
    if item.scale != 1:
        values /= item.scale
    if target.itemsize < 8:
        with np.errstate(over="ignore"):  # of damaged codes
            values = values.astype(target)
    if item.top is not None:
        named = codes >= np.asarray(item.top, codes.dtype)
        if named.any():
            numbers = codes[named] - codes.dtype.type(item.top)
            if int(numbers.max()) >= len(item.exceptions):
                raise CorruptPartitionError("a code names no exception of its chunk; run 'mistique check'")
            if max(item.exceptions) >= 1 << (8 * target.itemsize):
                raise CorruptPartitionError(f"an exception of a chunk is no {target.str}; run 'mistique check'")
            patterns = np.asarray(item.exceptions, UNSIGNED[target.itemsize])
            as_bits(values)[named] = patterns[numbers]
    return values
