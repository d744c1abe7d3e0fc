"""Pages: the rows of a chunk in slices that are compressed, checked and read on their own.

A page is one HDF5 chunk of 4,096 rows, so that one row is cheap to read, but at most 64 KiB. Text, tensors and
codes of a few bits have longer pages (32 KiB; 16,384 codes): short ones cost them 10 % of their bytes. Codes
of several bytes are split into byte planes (HDF5's shuffle filter), and each plane becomes a Zstandard block of
its own, so that every plane gets an entropy code that fits it: one block for all planes of numbers costs 5 to 18 % more
bytes. Each page ends with Zstandard's checksum (XXH64), so that a page read without the rest of its chunk
is verified too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from mistique_core.errors import CorruptPartitionError

Array = npt.NDArray[Any]

PAGE_BYTES = 32_768
PACKED_PAGE_ROWS = 16_384
PAGE_ROWS = 4_096
MOST_PAGE_BYTES = 65_536
_PLANE_LEVEL = 1
_LEAST_SPLIT_BYTES = 2_048


def page_rows(rows: int, row_bytes: int, page_bytes: int = PAGE_BYTES) -> int:
    """Return the rows of a page of a chunk with `rows` rows of `row_bytes` bytes each.

    At most `page_bytes` worth of rows, or :data:`PAGE_ROWS` of them where that is more, and never more than
    :data:`MOST_PAGE_BYTES`; all pages of a chunk are about equally long, so that the last one needs little filling.
    """
    size = max(row_bytes, 1)
    most = max(1, min(rows, max(PAGE_ROWS, page_bytes // size), MOST_PAGE_BYTES // size))
    return -(-rows // -(-rows // most))


def compress_pages(codes: Array, rows: int, level: int) -> list[bytes]:
    """Return one Zstandard frame for each page of `rows` rows; the last page is filled up with zeros.

    Parameters
    ----------
    codes
        Contiguous array with at least one row and one value.
    rows
        Rows of a page.
    level
        Zstandard level of one-byte codes. Planes of wider codes are compressed at level 1, whose bytes are
        within 0.6 % of those of levels 2 and 3 on them.
    """
    itemsize = codes.dtype.itemsize
    flat = codes.reshape(len(codes), -1)
    pages = []
    for start in range(0, len(codes), rows):
        page = flat[start : start + rows]
        if len(page) < rows:
            page = np.concatenate([page, np.zeros((rows - len(page), flat.shape[1]), codes.dtype)])
        if itemsize == 1:
            pages.append(_contexts.compressor(level).compress(np.ascontiguousarray(page).data.cast("B")))
        else:
            pages.append(_compress_planes(_planes(page, itemsize)))
    return pages


def _planes(page: Array, itemsize: int) -> Array:
    return np.ascontiguousarray(np.ascontiguousarray(page).view(np.uint8).reshape(-1, itemsize).T)


class _Contexts(threading.local):
    """Zstandard contexts of one thread: they are costly to make and not safe to share."""

    def __init__(self) -> None:
        self.decompressor = zstandard.ZstdDecompressor()
        self._compressors: dict[int, zstandard.ZstdCompressor] = {}

    def compressor(self, level: int) -> zstandard.ZstdCompressor:
        if level not in self._compressors:
            self._compressors[level] = zstandard.ZstdCompressor(level=level, write_checksum=True)
        return self._compressors[level]


_contexts = _Contexts()


def _compress_planes(planes: Array) -> bytes:
    if planes.size < _LEAST_SPLIT_BYTES:
        return _contexts.compressor(_PLANE_LEVEL).compress(planes.data.cast("B"))
    return compress_blocks(list(planes))


def compress_blocks(blocks: Sequence[Array]) -> bytes:
    """Return one frame with the bytes of several arrays end to end, each of which gets an entropy code of its own.

    Parameters
    ----------
    blocks
        At least one contiguous uint8 array.
    """
    stream = _contexts.compressor(_PLANE_LEVEL).compressobj(size=sum(block.size for block in blocks))
    pieces = []
    for block in blocks[:-1]:
        pieces.append(stream.compress(block.data))
        pieces.append(stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    pieces.append(stream.compress(blocks[-1].data))
    pieces.append(stream.flush())
    return b"".join(pieces)


def decompress_page(frame: bytes | memoryview, size: int) -> bytes:
    """Return the `size` bytes of one frame, verified by its checksum.

    Raises
    ------
    CorruptPartitionError
        If the frame does not decompress to exactly that many bytes, has no checksum or a wrong one, or is
        followed by other bytes.
    """
    return _decompress(frame, size, verified=True)


def decompress_pages(frames: Sequence[bytes | memoryview], sizes: Sequence[int]) -> Iterator[bytes]:
    """Yield what :func:`decompress_page` returns for each frame.

    One after the other: on two cores, one call that decompressed all of them with two threads took longer, because
    its memory was new each time.

    Raises
    ------
    CorruptPartitionError
        As there.
    """
    decompress = _contexts.decompressor.decompress
    try:
        for frame, size in zip(frames, sizes, strict=True):
            _check_header(frame, size, verified=True)
            yield decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _not_decompressed(error) from error


def decompress_unverified(frame: bytes | memoryview, size: int) -> bytes:
    """Return the `size` bytes of a frame of format version 1, which had no checksums.

    Raises
    ------
    CorruptPartitionError
        If the frame does not decompress to exactly that many bytes.
    """
    return _decompress(frame, size, verified=False)


def _decompress(frame: bytes | memoryview, size: int, verified: bool) -> bytes:
    _check_header(frame, size, verified)
    try:
        return _contexts.decompressor.decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _not_decompressed(error) from error


def _check_header(frame: bytes | memoryview, size: int, verified: bool) -> None:
    try:
        header = zstandard.get_frame_parameters(frame)
    except zstandard.ZstdError as error:
        raise _not_decompressed(error) from error
    # A damaged header can promise any size, which would be allocated before a single byte is decoded.
    if header.content_size != size:
        raise CorruptPartitionError(
            f"a chunk promises {header.content_size} bytes where {size} were written; run 'mistique check'"
        )
    # A flipped bit in the header can switch the check off.
    if verified and not header.has_checksum:
        raise CorruptPartitionError("a page has lost its checksum; run 'mistique check'")


def _not_decompressed(error: zstandard.ZstdError) -> CorruptPartitionError:
    return CorruptPartitionError(f"a chunk does not decompress ({error}); run 'mistique check'")


def join_planes(raw: bytes, codes: Array, pages: int = 1) -> None:
    """Write the bytes of decompressed pages into the codes of their rows.

    Parameters
    ----------
    raw
        Of each page all lowest bytes, then all next ones, and so on; one equally long page after the other.
    codes
        Contiguous array that is filled.
    pages
        How many there are.
    """
    itemsize, rows = codes.dtype.itemsize, codes.size // max(pages, 1)
    planes = np.frombuffer(raw, np.uint8).reshape(pages, itemsize, rows)
    # One strided copy a plane is up to five times as fast as transposing all of them at once.
    columns = codes.reshape(-1).view(np.uint8).reshape(pages, rows, itemsize)
    for number in range(itemsize):
        columns[:, :, number] = planes[:, number]
