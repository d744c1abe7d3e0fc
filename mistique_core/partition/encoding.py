"""Lossless encoding of one chunk: a transform into codes, and compressed pages of the codes.

Format version 1 compressed a chunk whole; its three encodings are still read:

============  =================================  ==========================
encoding      bytes                              HDF5 filters
============  =================================  ==========================
``raw``       the array                          none
``zstd``      Zstandard of the array             zstd (32015)
``shuffle``   Zstandard of its byte planes       shuffle (2), zstd (32015)
``pages``     pages of transformed codes         [shuffle (2)], zstd (32015)
============  =================================  ==========================
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.partition.bits import code_bits, pack_bits, unpack_bits
from mistique_core.partition.choice import choose_dictionary, choose_transform
from mistique_core.partition.claims import MOST_CHUNK_BYTES
from mistique_core.partition.digits import large_digits
from mistique_core.partition.pages import (
    PACKED_PAGE_ROWS,
    PAGE_BYTES,
    PAGE_ROWS,
    compress_blocks,
    compress_pages,
    decompress_page,
    decompress_unverified,
    join_planes,
    page_rows,
)
from mistique_core.partition.sparse import join_zeros
from mistique_core.partition.transform import (
    PACKED_WHOLE,
    Transform,
    Transformed,
    invert,
    invert_packed,
    invert_table,
    join_all_digits,
    plain,
    table_dtype,
)

Array = npt.NDArray[Any]

PAGES = "pages"
DIGITS = "digits"
DIGITS_LEVEL = 1
_LEAST_PACKED = 64
_FIRST_FORMAT = ("raw", "zstd", "shuffle")


@dataclass(frozen=True)
class Codec:
    """How the stored bytes of a chunk become its array.

    Attributes
    ----------
    transform
        What the codes mean.
    rows
        Rows of a page.
    table_items
        Values in the table that precedes the pages; 0 when there is none.
    """

    transform: Transform
    rows: int
    table_items: int = 0

    def to_json(self) -> str:
        """Return the canonical JSON."""
        return f'{{"rows":{self.rows},"table":{self.table_items},"transform":{self.transform.to_json()}}}'

    @staticmethod
    @lru_cache(maxsize=4096)
    def from_json(text: str) -> Codec:
        """Parse what :meth:`to_json` returned.

        Raises
        ------
        CorruptPartitionError
            If it is anything else.
        """
        try:
            document = json.loads(text)
            transform = Transform.from_document(document["transform"])
            rows, items = document["rows"], document["table"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise CorruptPartitionError(f"codec {text[:80]!r} cannot be read; run 'mistique check'") from error
        if not (type(rows) is int and rows > 0 and type(items) is int and items >= 0):
            raise CorruptPartitionError(f"codec {text[:80]!r} cannot be read; run 'mistique check'")
        return Codec(transform, rows, items)


@dataclass(frozen=True)
class EncodedChunk:
    """One chunk, ready to be written.

    Attributes
    ----------
    address
        Its content address, 32 bytes.
    dtype, shape
        Of the array.
    codec
        How it was encoded.
    table
        One frame with the table of a dictionary, or ``None``.
    pages
        One frame a page.
    """

    address: bytes
    dtype: str
    shape: tuple[int, ...]
    codec: Codec
    table: bytes | None
    pages: tuple[bytes, ...]

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Shape of the stored codes: that of the array, but for what is packed."""
        if not self.pages:
            return self.shape
        if self.codec.transform.kind in PACKED_WHOLE:
            return (self.codec.rows,)
        bits = self.codec.transform.bits
        return self.shape if bits == 8 else (-(-self.shape[0] * bits // 8),)

    @property
    def raw_bytes(self) -> int:
        """Bytes of the array before encoding."""
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=np.int64))

    @property
    def stored_bytes(self) -> int:
        """Bytes of all frames."""
        return sum(map(len, self.pages)) + (len(self.table) if self.table is not None else 0)


def encode_chunk(address: bytes, array: Array, level: int) -> EncodedChunk:
    """Encode a contiguous array losslessly.

    Parameters
    ----------
    address
        The array's content address.
    array
        Little-endian array of any shape.
    level
        Zstandard level of one-byte codes, 1 to 19.

    Raises
    ------
    InvalidInputError
        If it is larger than any chunk may be.
    """
    if array.nbytes > MOST_CHUNK_BYTES:
        raise InvalidInputError(
            f"{array.nbytes:,} bytes of one column in one row block are more than {MOST_CHUNK_BYTES:,}; open the store "
            "with a smaller block_rows"
        )
    return _encode(address, array, choose_transform(array), level)


def encode_delta(whole: EncodedChunk, array: Array, base: bytes, delta: Array, scale: int, level: int) -> EncodedChunk:
    """Encode a chunk as its difference to another.

    Parameters
    ----------
    whole
        The chunk encoded on its own.
    array
        Its values.
    base
        Address of the other chunk, which is no difference itself.
    delta, scale
        Unsigned integers of the array's width and shape, and their scale (:mod:`mistique_core.dedup.delta`).
    level
        As in :func:`encode_chunk`.
    """
    item = Transform("delta", delta.dtype.str, scale=scale, delta=base.hex())
    table = choose_dictionary(delta)
    named = None if table is None else replace(item, dtype=table.transform.dtype)
    encodings = [] if table is None or named is None else [Transformed(named, table.codes, table.table)]
    if table is None or np.count_nonzero(table.codes) * 2 > table.codes.size:
        # Where most values did not change, nearly every word is one and the same: the table is always smaller.
        encodings.append(Transformed(item, delta))
    made = min(
        (_encode(whole.address, array, encoding, level) for encoding in encodings), key=lambda chunk: chunk.stored_bytes
    )
    item = replace(made.codec.transform, saved=max(0, whole.stored_bytes - made.stored_bytes))
    return replace(made, codec=replace(made.codec, transform=item))


def _encode(address: bytes, array: Array, item: Transformed, level: int) -> EncodedChunk:
    if not array.size:
        return EncodedChunk(address, array.dtype.str, array.shape, Codec(plain(array).transform, 1), None, ())
    is_packed = item.transform.kind in PACKED_WHOLE
    bits = code_bits(item.codes) if item.codes.size >= _LEAST_PACKED and not is_packed else 8
    rows = len(item.codes)
    if not is_packed:
        rows = page_rows(rows, item.codes.nbytes // rows, _page_bytes(item, bits))
    if bits < 8:
        rows = -(-rows * bits // 8) * 8 // bits
        item = replace(item, transform=replace(item.transform, bits=bits), codes=pack_bits(item.codes, bits))
    level = DIGITS_LEVEL if item.transform.kind == DIGITS else level
    pages = tuple(compress_pages(item.codes, rows * bits // 8, level))
    table = None
    if item.table is not None:
        is_digits = item.transform.kind == DIGITS
        table = compress_digits(item) if is_digits else compress_pages(item.table, len(item.table), level)[0]
    codec = Codec(item.transform, rows, 0 if item.table is None else len(item.table))
    return EncodedChunk(address, array.dtype.str, array.shape, codec, table, pages)


def compress_digits(item: Transformed) -> bytes:
    """Return the frame of the further digits: the middle ones and the last ones are blocks of their own."""
    assert item.table is not None
    count = large_digits(item.codes, 4 * item.codes.size)
    middle = -(-count // 4)
    return compress_blocks([part for part in (item.table[:middle], item.table[middle:]) if part.size])


def _page_bytes(item: Transformed, bits: int) -> int:
    """Return how long pages may be: short ones are quicker for single rows, but cost some codes too many bytes."""
    if bits < 8:
        return PACKED_PAGE_ROWS
    is_text = item.transform.kind == "plain" and item.codes.dtype.itemsize == 1
    return PAGE_BYTES if is_text or item.codes.ndim != 1 else PAGE_ROWS


def decode_table(codec: Codec, dtype: str, frame: bytes | memoryview) -> Array:
    """Return the table of a dictionary or of a delta's words, the further digits of a chunk, or its values."""
    dtype = table_dtype(codec.transform, dtype)
    return _read_page(frame, np.dtype(dtype), (codec.table_items,))


def decode_pages(codec: Codec, shape: tuple[int, ...], pages: Sequence[bytes | memoryview]) -> Array:
    """Return the codes of some pages, end to end, the filling of the last page included.

    Raises
    ------
    CorruptPartitionError
        If a page does not decode.
    """
    codes = _stored_codes(codec, shape, pages)
    return codes if codec.transform.bits == 8 else unpack_bits(codes, codec.transform.bits)


def _stored_codes(codec: Codec, shape: tuple[int, ...], pages: Sequence[bytes | memoryview]) -> Array:
    """Return the codes of some pages as they are stored: those of a few bits packed."""
    dtype, rows = np.dtype(codec.transform.dtype), codec.rows * codec.transform.bits // 8
    if len(pages) == 1:
        return _read_page(pages[0], dtype, (rows, *shape[1:]))
    size = dtype.itemsize * math.prod((rows, *shape[1:]))
    raw = b"".join([decompress_page(page, size) for page in pages])
    whole = (len(pages) * rows, *shape[1:])
    if dtype.itemsize == 1:
        return np.frombuffer(raw, dtype).reshape(whole)
    codes = np.empty(whole, dtype)
    join_planes(raw, codes, len(pages))
    return codes


def _read_page(frame: bytes | memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    raw = decompress_page(frame, dtype.itemsize * math.prod(shape))
    if dtype.itemsize == 1:
        return np.frombuffer(raw, dtype).reshape(shape)
    codes = np.empty(shape, dtype)
    join_planes(raw, codes)
    return codes


def decode_values(codec: Codec, codes: Array, dtype: str, table: Array | None) -> Array:
    """Return the values of codes of any shape; not for a ``delta``, which needs the other chunk."""
    return invert(codec.transform, codes, dtype, table)


def decode_first_format(payload: bytes, encoding: str, dtype: str, shape: tuple[int, ...]) -> Array:
    """Return the array of a chunk of format version 1 (read-only, or freshly allocated).

    Raises
    ------
    CorruptPartitionError
        If the bytes do not decode to an array of that dtype and shape.
    """
    if encoding not in _FIRST_FORMAT:
        raise CorruptPartitionError(f"encoding {encoding!r} is unknown; upgrade MISTIQUE")
    itemsize = np.dtype(dtype).itemsize
    expected = itemsize * int(np.prod(shape, dtype=np.int64))
    raw = payload if encoding == "raw" else decompress_unverified(payload, expected)
    if len(raw) != expected:
        raise CorruptPartitionError(f"a chunk has {len(raw)} bytes where {expected} were written; run 'mistique check'")
    if encoding == "shuffle":
        raw = np.frombuffer(raw, np.uint8).reshape(itemsize, -1).T.tobytes()
    return np.frombuffer(raw, dtype=dtype).reshape(shape)


def decode_chunk(
    frames: Sequence[bytes | memoryview],
    encoding: str,
    codec: Codec | None,
    dtype: str,
    shape: tuple[int, ...],
    difference: Callable[[Array], Array] | None = None,
) -> Array:
    """Return the whole array of a chunk, of any format version.

    Parameters
    ----------
    frames
        The bytes of each extent, in order.
    encoding, codec, dtype, shape
        As recorded with the chunk.
    difference
        For a ``delta``: turns the codes into values.

    Raises
    ------
    CorruptPartitionError
        If the bytes do not decode to an array of that dtype and shape.
    """
    if encoding != PAGES:
        return decode_first_format(bytes(frames[0]) if frames else b"", encoding, dtype, shape)
    assert codec is not None
    if not frames:
        return np.empty(shape, dtype)
    table = decode_table(codec, dtype, frames[0]) if codec.table_items else None
    pages = frames[0 if table is None else 1 :]
    if codec.transform.kind in PACKED_WHOLE:
        packed = decode_pages(codec, (codec.rows,), pages)
        if codec.transform.kind == DIGITS:
            return join_all_digits(codec.transform, packed, table, dtype, shape)
        return join_zeros(packed, table, dtype, math.prod(shape)).reshape(shape)
    item, stored = codec.transform, _stored_codes(codec, shape, pages)
    if len(stored) * 8 // item.bits < shape[0]:
        raise CorruptPartitionError(
            f"{len(stored) * 8 // item.bits} of {shape[0]} rows of a chunk are there; run 'mistique check'"
        )
    if item.bits < 8 and item.kind in ("decimal", "offset", "dictionary"):
        return invert_packed(item, stored, shape[0], dtype, table)
    codes = (stored if item.bits == 8 else unpack_bits(stored, item.bits))[: shape[0]]
    if difference is not None:
        return difference(codes if table is None else invert_table(table, codes))
    return decode_values(codec, codes, dtype, table)
