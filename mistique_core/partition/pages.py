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
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from mistique_core.errors import CorruptPartitionError
from mistique_core.native.compressor import AS_THEY_ARE, PLANES, PLANES_APART, page_compressor

Array = npt.NDArray[Any]

PAGE_BYTES = 32_768
PACKED_PAGE_ROWS = 16_384
PAGE_ROWS = 4_096
MOST_PAGE_BYTES = 65_536
_PLANE_LEVEL = 1
_MANY_PAGES = 4
_LEAST_SPLIT_BYTES = 2_048
_LEAST_WINDOW_BYTES = 1_024
_LEAST_WINDOW_LOG, _MOST_WINDOW_LOG = 10, 17
_LEVEL = 100
_PARAMETERS = {
    "window_log": 101,
    "hash_log": 102,
    "chain_log": 103,
    "search_log": 104,
    "min_match": 105,
    "target_length": 106,
    "strategy": 107,
    "write_content_size": 200,
    "write_checksum": 201,
}
"""The numbers of Zstandard's parameters in ``zstd.h``."""
_HAS_MULTI_COMPRESS = "multi_compress_to_buffer" in zstandard.backend_features


def page_rows(rows: int, row_bytes: int, page_bytes: int = PAGE_BYTES) -> int:
    """Return the rows of a page of a chunk with `rows` rows of `row_bytes` bytes each.

    At most `page_bytes` worth of rows, or :data:`PAGE_ROWS` of them where that is more, and never more than
    :data:`MOST_PAGE_BYTES`. The last page is filled up with zeros: of few pages, all are about equally long, so that
    it needs little filling; of many, all are as long as they may be if that is a power of two, for then one call
    compresses all of them.
    """
    size = max(row_bytes, 1)
    most = max(1, min(rows, max(PAGE_ROWS, page_bytes // size), MOST_PAGE_BYTES // size))
    pages = -(-rows // most)
    return most if pages >= _MANY_PAGES and not most & (most - 1) else -(-rows // pages)


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
    page_bytes = rows * codes.nbytes // len(codes)
    data = np.ascontiguousarray(codes).reshape(-1).view(np.uint8)
    plane_bytes = page_bytes // itemsize
    is_split = itemsize > 1 and page_bytes >= _LEAST_SPLIT_BYTES
    is_apart = is_split and (plane_bytes < _LEAST_WINDOW_BYTES or bool(plane_bytes & (plane_bytes - 1)))
    if page_compressor is not None:
        if is_split:
            parameters = _packed_plane_parameters(*_plane_sizes(page_bytes, plane_bytes, is_apart))
        else:
            parameters = _packed_level(level if itemsize == 1 else _PLANE_LEVEL)
        mode = PLANES_APART if is_apart else PLANES if itemsize > 1 else AS_THEY_ARE
        made = page_compressor.compress(data, itemsize, page_bytes, parameters, mode)
        if made is not None:
            return made
    count = -(-len(codes) // rows)
    if itemsize == 1:
        if len(data) < count * page_bytes:
            data = np.concatenate([data, np.zeros(count * page_bytes - len(data), np.uint8)])
        return _compress_all(_contexts.compressor(level), data, page_bytes)
    planes = split_planes(data, count, page_bytes, itemsize)
    if not is_split:
        return _compress_all(_contexts.compressor(_PLANE_LEVEL), planes, page_bytes)
    compressor = _contexts.planes(*_plane_sizes(page_bytes, plane_bytes, is_apart))
    if is_apart:
        return [_compress_blocks(list(page), compressor) for page in planes]
    return _compress_all(compressor, planes, page_bytes)


def _plane_sizes(page_bytes: int, plane_bytes: int, is_apart: bool) -> tuple[int, int]:
    """Return the source size and the window (as a power of two) of a compressor of planes.

    No block is longer than the window: as long as a plane, it makes each plane blocks of its own. Planes that are
    handed over one by one end blocks by themselves.
    """
    if not is_apart:
        return page_bytes, plane_bytes.bit_length() - 1
    window = max(_LEAST_WINDOW_LOG, min(_MOST_WINDOW_LOG, (page_bytes - 1).bit_length()))
    return 1 << window, window


@cache
def _plane_parameters(source_size: int, window_log: int) -> zstandard.ZstdCompressionParameters:
    """Return parameters for bytes that repeat each other by chance only, unless they do so for long, as planes do.

    Only long matches are looked for, in a small table: weights of a network take two thirds of the time, tables
    0.5 % fewer bytes.
    """
    return zstandard.ZstdCompressionParameters.from_level(
        _PLANE_LEVEL,
        source_size=source_size,
        window_log=window_log,
        hash_log=6,
        min_match=7,
        write_checksum=True,
        write_content_size=True,
    )


@cache
def _packed_plane_parameters(source_size: int, window_log: int) -> bytes:
    parameters = _plane_parameters(source_size, window_log)
    return _packed({number: getattr(parameters, name) for name, number in _PARAMETERS.items()})


@cache
def _packed_level(level: int) -> bytes:
    return _packed({_LEVEL: level, _PARAMETERS["write_content_size"]: 1, _PARAMETERS["write_checksum"]: 1})


def _packed(parameters: Mapping[int, int]) -> bytes:
    return np.array(list(parameters.items()), np.int32).tobytes()


def _compress_all(compressor: zstandard.ZstdCompressor, data: Array, page_bytes: int) -> list[bytes]:
    """Return a frame for each page of some bytes: one call, most of it without Python's lock."""
    flat = data.reshape(-1)
    pages = len(flat) // page_bytes
    if pages < 2 or not _HAS_MULTI_COMPRESS:
        return [compressor.compress(flat[start : start + page_bytes].data) for start in range(0, len(flat), page_bytes)]
    segments = np.empty((pages, 2), "<u8")
    segments[:, 0] = np.arange(0, len(flat), page_bytes)
    segments[:, 1] = page_bytes
    found: Any = compressor.multi_compress_to_buffer(zstandard.BufferWithSegments(flat.data, segments.tobytes()))
    return [found[number].tobytes() for number in range(pages)]


def split_planes(data: Array, pages: int, page_bytes: int, itemsize: int) -> Array:
    """Return the byte planes of all pages, the last page filled up with zeros.

    Parameters
    ----------
    data
        The bytes of the codes, uint8 of one dimension.
    pages, page_bytes
        Number of pages, and bytes of each.
    itemsize
        Bytes of a code.

    Returns
    -------
    ndarray
        uint8, shape ``(pages, itemsize, page_bytes // itemsize)``.
    """
    planes = np.empty((pages, itemsize, page_bytes // itemsize), np.uint8)
    whole = len(data) // page_bytes
    items = data[: whole * page_bytes].reshape(whole, -1, itemsize)
    rest = data[whole * page_bytes :].reshape(-1, itemsize)
    for plane in range(itemsize):
        # One strided copy a plane is several times as fast as transposing all of them at once.
        planes[:whole, plane] = items[:, :, plane]
        if len(rest):
            planes[whole, plane, : len(rest)] = rest[:, plane]
            planes[whole, plane, len(rest) :] = 0
    return planes


class _Contexts(threading.local):
    """Zstandard contexts of one thread: they are costly to make and not safe to share."""

    def __init__(self) -> None:
        self.decompressor = zstandard.ZstdDecompressor()
        self._compressors: dict[int, zstandard.ZstdCompressor] = {}
        self._planes: dict[tuple[int, int], zstandard.ZstdCompressor] = {}

    def compressor(self, level: int) -> zstandard.ZstdCompressor:
        if level not in self._compressors:
            self._compressors[level] = zstandard.ZstdCompressor(level=level, write_checksum=True)
        return self._compressors[level]

    def planes(self, source_size: int, window_log: int) -> zstandard.ZstdCompressor:
        sizes = source_size, window_log
        if sizes not in self._planes:
            parameters = _plane_parameters(source_size, window_log)
            self._planes[sizes] = zstandard.ZstdCompressor(compression_params=parameters)
        return self._planes[sizes]


_contexts = _Contexts()


def compress_blocks(blocks: Sequence[Array]) -> bytes:
    """Return one frame with the bytes of several arrays end to end, each of which gets an entropy code of its own.

    Parameters
    ----------
    blocks
        At least one contiguous uint8 array.
    """
    return _compress_blocks(blocks, _contexts.compressor(_PLANE_LEVEL))


def _compress_blocks(blocks: Sequence[Array], compressor: zstandard.ZstdCompressor) -> bytes:
    stream = compressor.compressobj(size=sum(block.size for block in blocks))
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
