"""Where the frames of a chunk lie in its partition, and how that is packed into one catalogue value."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, islice
from typing import Any

import numpy.typing as npt

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.partition.encoding import PAGES, Codec, decode_chunk
from mistique_core.partition.page_spec import page_spec
from mistique_core.partition.transform import UNSIGNED, table_dtype

_SIZES_ONLY = b"\x00"
_WITH_GAPS = b"\x01"
_LIMIT = 1 << 32
_INTEGERS = {f"{order}{kind}{size}" for order, size in (("|", 1), ("<", 2), ("<", 4), ("<", 8)) for kind in "iu"}
_FLOATS = {"<f2", "<f4", "<f8"}
_PLAIN = _INTEGERS | _FLOATS | {"|b1"}

Array = npt.NDArray[Any]
Extent = tuple[int, int]


@dataclass(frozen=True)
class ChunkLocation:
    """Where a chunk lies in its partition.

    Attributes
    ----------
    address
        Content address, 32 bytes.
    dtype, shape
        Of its array.
    encoding
        ``pages``, or an encoding of format version 1.
    codec
        How pages are decoded; ``None`` for version 1.
    extents
        (first byte, number of bytes) of each frame: the table of a dictionary, then the pages; of
        version 1 a single one; none for an empty array.
    """

    address: bytes
    dtype: str
    shape: tuple[int, ...]
    encoding: str
    codec: Codec | None
    extents: tuple[Extent, ...]

    @property
    def offset(self) -> int:
        """First byte in the file (inclusive)."""
        return self.extents[0][0] if self.extents else 0

    @property
    def size(self) -> int:
        """Bytes of all frames."""
        return sum(size for _, size in self.extents)

    @cached_property
    def spec(self) -> bytes | None:
        """What :func:`mistique_core.partition.page_spec.page_spec` returns."""
        return page_spec(self.encoding, self.codec, self.dtype, self.shape)

    @cached_property
    def word_dtype(self) -> np.dtype[Any]:
        """The dtype of the values; of a difference, that of its words."""
        is_delta = self.codec is not None and self.codec.transform.kind == "delta"
        return np.dtype(UNSIGNED[np.dtype(self.dtype).itemsize] if is_delta else self.dtype)

    @cached_property
    def has_single_rows(self) -> bool:
        """Whether single rows can be read, each by its page.

        Not where there are several dimensions or digits, in format version 1, nor where the description contradicts
        itself, which the reader of whole chunks reports.
        """
        codec = self.codec
        if codec is None or self.encoding != PAGES or len(self.shape) != 1 or not self.shape[0]:
            return False
        if len(self.extents) != -(-self.shape[0] // codec.rows) + (codec.table_items > 0):
            return False
        item, dtype = codec.transform, self.dtype
        if (item.kind == "dictionary") != (codec.table_items > 0) and item.kind != "delta":
            return False
        if item.kind == "decimal":
            return dtype in _FLOATS
        if item.kind == "plain":
            return dtype in _PLAIN and dtype[2:] == item.dtype[2:]
        if item.kind == "delta":
            return dtype in _INTEGERS | _FLOATS and (codec.table_items > 0 or item.dtype == table_dtype(item, dtype))
        return dtype in (_INTEGERS if item.kind == "offset" else _PLAIN) and item.kind != "digits"

    @property
    def end(self) -> int:
        """Byte after the last frame (exclusive); between two frames there may be HDF5's own bytes."""
        return sum(self.extents[-1]) if self.extents else 0


def decode_location(location: ChunkLocation, data: bytes | memoryview, start: int | None = None) -> Array:
    """Return the whole array of a chunk that is no ``delta``.

    Parameters
    ----------
    location
        Where its frames lie.
    data
        Bytes of the partition.
    start
        First byte of `data` in the partition; default that of the chunk.

    Raises
    ------
    CorruptPartitionError
        If the bytes do not decode to an array of that dtype and shape.
    """
    first = location.offset if start is None else start
    view = memoryview(data)
    frames = [view[offset - first : offset - first + size] for offset, size in location.extents]
    return decode_chunk(frames, location.encoding, location.codec, location.dtype, location.shape)


def pack_extents(extents: Sequence[Extent]) -> bytes:
    """Return extents in ascending order as one value; the first byte of the first one is not part of it.

    Raises
    ------
    InvalidInputError
        If they overlap, are not in ascending order, or one is longer or farther from the next than 4 GiB.
    """
    end = extents[0][0] if extents else 0
    numbers: list[int] = []
    for offset, size in extents:
        numbers += (offset - end, size)
        end = offset + size
    if numbers and not (min(numbers) >= 0 and max(numbers) < _LIMIT):
        raise InvalidInputError(
            f"pages at {list(map(list, extents[:3]))} are not in ascending order within 4 GiB; write each after the "
            "other"
        )
    if not any(numbers[::2]):
        return _SIZES_ONLY + struct.pack(f"<{len(extents)}I", *numbers[1::2])
    return _WITH_GAPS + struct.pack(f"<{len(numbers)}I", *numbers)


def unpack_extents(packed: bytes, offset: int) -> tuple[Extent, ...]:
    """Return the extents that :func:`pack_extents` was given.

    Parameters
    ----------
    packed
        Its value.
    offset
        First byte of the first extent.

    Raises
    ------
    CorruptPartitionError
        If the value is not such a list.
    """
    kind, count = packed[:1], (len(packed) - 1) // 4
    if kind not in (_SIZES_ONLY, _WITH_GAPS) or (len(packed) - 1) % (4 if kind == _SIZES_ONLY else 8):
        raise CorruptPartitionError(f"a list of pages of {len(packed)} bytes cannot be read; run 'mistique check'")
    numbers = struct.unpack_from(f"<{count}I", packed, 1)  # for a few pages faster than NumPy
    if kind == _SIZES_ONLY:
        return tuple(zip(accumulate(numbers[:-1], initial=offset), numbers, strict=True)) if numbers else ()
    ends = accumulate(numbers, initial=offset)
    return tuple(zip(islice(ends, 1, None, 2), numbers[1::2], strict=False))
