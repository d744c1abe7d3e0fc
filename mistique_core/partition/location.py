"""Where the frames of a chunk lie in its partition, and how that is packed into one catalogue value."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.partition.encoding import PAGES, Codec, decode_chunk
from mistique_core.partition.page_spec import page_spec
from mistique_core.partition.transform import UNSIGNED, table_dtype

CHECK_BYTES = 4
"""Bytes of the checksum at the end of a frame."""
_GAPS, _CHECKS = 1, 2
"""What a list of pages holds beside their sizes: bits of its first byte."""
_WIDTHS = {0: 1, _GAPS: 2, _CHECKS: 2, _GAPS | _CHECKS: 3}
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
    checks
        The checksum at the end of each frame, as an unsigned number, so that no other frame is taken for it. Empty
        where nobody has noted them, as earlier releases did not.
    """

    address: bytes
    dtype: str
    shape: tuple[int, ...]
    encoding: str
    codec: Codec | None
    extents: tuple[Extent, ...]
    checks: tuple[int, ...] = ()

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
    def for_rows(self) -> tuple[bytes, bytes] | None:
        """What the compiled reader takes single rows by: :attr:`spec`, and (offset, size, checksum or -1) of frames.

        ``None`` where only NumPy can.
        """
        if self.spec is None or not self.has_single_rows:
            return None
        checks = self.checks or (-1,) * len(self.extents)
        numbers = [number for (extent, check) in zip(self.extents, checks, strict=True) for number in (*extent, check)]
        return self.spec, struct.pack(f"={len(numbers)}q", *numbers)

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


def check_of(frame: bytes | memoryview) -> int:
    """Return the checksum at the end of a frame, as an unsigned number."""
    return int.from_bytes(frame[-CHECK_BYTES:], "little")


def check_frames(frames: Sequence[bytes | memoryview], checks: Sequence[int]) -> None:
    """Refuse frames that are not those which were written there, however whole they are.

    Parameters
    ----------
    frames
        As they were read.
    checks
        Their :attr:`ChunkLocation.checks`; none where nobody has noted them.

    Raises
    ------
    CorruptPartitionError
        If one is another.
    """
    if checks and [check_of(frame) for frame in frames] != list(checks):
        raise CorruptPartitionError("a page is not the one that was written there; run 'mistique check'")


def pack_extents(extents: Sequence[Extent], checks: Sequence[int] = ()) -> bytes:
    """Return extents in ascending order as one value; the first byte of the first one is not part of it.

    Parameters
    ----------
    extents
        (first byte, number of bytes) of each frame.
    checks
        The checksum at the end of each, or nothing.

    Raises
    ------
    InvalidInputError
        If they overlap, are not in ascending order, or one is longer or farther from the next than 4 GiB.
    """
    end = extents[0][0] if extents else 0
    gaps: list[int] = []
    sizes: list[int] = []
    for offset, size in extents:
        gaps.append(offset - end)
        sizes.append(size)
        end = offset + size
    if extents and not (min(gaps) >= 0 and min(sizes) >= 0 and max(gaps) < _LIMIT and max(sizes) < _LIMIT):
        raise InvalidInputError(
            f"pages at {list(map(list, extents[:3]))} are not in ascending order within 4 GiB; write each after the "
            "other"
        )
    parts = [*([gaps] if any(gaps) else []), sizes, *([checks] if checks else [])]
    kind = (_GAPS if any(gaps) else 0) | (_CHECKS if checks else 0)
    numbers = [number for each in zip(*parts, strict=True) for number in each]
    return bytes([kind]) + struct.pack(f"<{len(numbers)}I", *numbers)


def unpack_pages(packed: bytes, offset: int) -> tuple[tuple[Extent, ...], tuple[int, ...]]:
    """Return the extents and checksums that :func:`pack_extents` was given.

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
    kind = packed[0] if packed else -1
    width = _WIDTHS.get(kind, 0)
    if not width or (len(packed) - 1) % (4 * width):
        raise CorruptPartitionError(f"a list of pages of {len(packed)} bytes cannot be read; run 'mistique check'")
    numbers = struct.unpack_from(f"<{(len(packed) - 1) // 4}I", packed, 1)  # for a few pages faster than NumPy
    checks = numbers[width - 1 :: width] if kind & _CHECKS else ()
    if not kind & _GAPS:
        sizes = numbers[::width]
        return tuple(zip(accumulate(sizes[:-1], initial=offset), sizes, strict=True)) if sizes else (), checks
    sizes = numbers[1::width]
    if kind & _CHECKS:
        numbers = tuple(chain.from_iterable(zip(numbers[::width], sizes, strict=True)))
    ends = accumulate(numbers, initial=offset)
    return tuple(zip(islice(ends, 1, None, 2), sizes, strict=False)), checks


def unpack_extents(packed: bytes, offset: int) -> tuple[Extent, ...]:
    """Return the extents of :func:`unpack_pages` alone; parameters and errors as there."""
    return unpack_pages(packed, offset)[0]
