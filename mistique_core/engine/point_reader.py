"""A few rows of many chunks, in one pass over the pages that hold them.

A row of a column costs the decompression of one page and a few bytes of it, so nothing else may cost much:
all pages are decompressed together, only the wanted codes are taken out of them, and the codes of all chunks
become values in one step for each formula. :func:`mistique_core.partition.transform.invert` is the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.dedup.delta import apply_delta
from mistique_core.engine.native_points import read_natively
from mistique_core.engine.page_source import Fetch
from mistique_core.engine.side_by_side import SideBySide
from mistique_core.errors import CorruptPartitionError
from mistique_core.native import page_kernels
from mistique_core.partition.bits import unpack_bits
from mistique_core.partition.encoding import Codec
from mistique_core.partition.location import Extent, check_frames
from mistique_core.partition.pages import decompress_pages
from mistique_core.partition.transform import UNSIGNED, table_dtype

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.intp]

MOST_POINTS = 64

_MOST_SUM = 1 << 62
_Cuts = list[tuple[int, int]]
# Extent, decompressed bytes, rows, where its codes go, wanted (position, row), bits of a code, whether sums are wanted.
_Page = tuple[Extent, int, int, int, _Cuts | None, int, bool, tuple[int, ...]]


class Point(NamedTuple):
    """A few rows of one chunk.

    Attributes
    ----------
    chunk
        One for which :func:`has_points` holds.
    rows
        Positions in it (from 0), in the wanted order.
    with_sums
        Whether the sum of all values before each row in its page is wanted too: where a string begins.
    base, zeros
        Of a difference: the chunk that it differs from, and its :func:`~mistique_core.dedup.delta.base_zeros`.
    """

    chunk: StoredChunk
    rows: Rows
    with_sums: bool = False
    base: StoredChunk | None = None
    zeros: int = 0


def has_points(chunk: StoredChunk) -> bool:
    """Return whether single rows of a chunk can be read here."""
    return chunk.location.has_single_rows


def has_same_points(chunk: StoredChunk, base: StoredChunk) -> bool:
    """Return whether rows of a difference can be read with the same rows of its base."""
    first, second = chunk.location, base.location
    return (first.dtype, first.shape) == (second.dtype, second.shape) and base.base is None and has_points(base)


def has_sums(chunk: StoredChunk) -> bool:
    """Return whether :attr:`Point.with_sums` may be asked of a chunk."""
    codec = chunk.location.codec
    return has_points(chunk) and codec is not None and codec.transform.kind in ("plain", "offset")


def read_points(fetch: Fetch, points: Sequence[Point], threads: SideBySide | None = None) -> list[Array]:
    """Return the values at the rows of each point.

    Parameters
    ----------
    fetch
        Takes the name of a partition and byte ranges of it; returns their bytes.
    points
        What to read.
    threads
        Who shares in the work, if anybody.

    Returns
    -------
    list
        Arrays (n_rows,) of the chunk's dtype; with sums int64 (2, n_rows), the values and their sums.

    Raises
    ------
    CorruptPartitionError
        If a page is damaged, or a code names nothing.
    """
    bases = [number for number, point in enumerate(points) if point.base is not None]
    if not bases:
        return _read_words(fetch, points, threads)
    both = [*points, *(Point(base, points[number].rows) for number in bases if (base := points[number].base))]
    found = _read_words(fetch, both, threads)
    _undo_deltas(points, bases, found)
    return found[: len(points)]


def _undo_deltas(points: Sequence[Point], numbers: list[int], found: list[Array]) -> None:
    """Apply the words of differences to their bases, which follow the points in `found`: alike ones together."""
    groups: dict[tuple[str, int, int], list[tuple[int, int]]] = {}
    for place, number in enumerate(numbers, len(points)):
        codec = points[number].chunk.location.codec
        assert codec is not None
        key = (points[number].chunk.location.dtype, codec.transform.scale, points[number].zeros)
        groups.setdefault(key, []).append((number, place))
    for (_, scale, zeros), pairs in groups.items():
        words = np.concatenate([found[number] for number, _ in pairs])
        values = apply_delta(np.concatenate([found[place] for _, place in pairs]), words, scale, zeros)
        start = 0
        for number, _ in pairs:
            size = len(found[number])
            found[number] = values[start : start + size]
            start += size


def _read_words(fetch: Fetch, points: Sequence[Point], threads: SideBySide | None) -> list[Array]:
    """As :func:`read_points`, but a difference is returned as its words."""
    if page_kernels is None:
        return _read_points(fetch, points)
    known = [point for point in points if point.chunk.location.spec is not None]
    made = read_natively(page_kernels, fetch, known, threads)
    if made is None:
        return _read_points(fetch, points)
    taken = iter(
        [
            _add_sums(point, values, sums) if sums is not None else values
            for point, (values, sums) in zip(known, made, strict=True)
        ]
    )
    if len(known) == len(points):
        return list(taken)
    others = iter(_read_points(fetch, [point for point in points if point.chunk.location.spec is None]))
    return [next(others if point.chunk.location.spec is None else taken) for point in points]


def _read_points(fetch: Fetch, points: Sequence[Point]) -> list[Array]:
    """As :func:`_read_words`, without the compiled reader."""
    starts, pages, count = _plan(points)
    codes = [0] * count
    sums: dict[int, int] = {}
    tables: dict[int, bytes | memoryview] = {}
    frames = [frame for name, group in pages.items() for frame in fetch(name, [page[0] for page in group])]
    ordered = list(chain.from_iterable(pages.values()))
    for frame, page in zip(frames, ordered, strict=True):
        check_frames([frame], page[7])
    contents = decompress_pages(frames, [page[1] for page in ordered])
    for (_, size, step, at, cuts, bits, with_sums, _), raw in zip(ordered, contents, strict=True):
        if cuts is None:
            tables[at] = raw
            continue
        if bits < 8:
            mask = (1 << bits) - 1
            for position, row in cuts:
                codes[at + position] = (raw[row * bits >> 3] >> (row * bits & 7)) & mask
        elif size == step:
            for position, row in cuts:
                codes[at + position] = raw[row]
        else:
            for position, row in cuts:
                codes[at + position] = int.from_bytes(raw[row::step], "little")
        if with_sums:
            for position, row in cuts:
                sums[at + position] = _sum_before(raw, row, step, bits)
    found = _values(points, starts, codes, tables)
    for number, point in enumerate(points):
        if point.with_sums:
            start = starts[number]
            before = [sums[place] for place in range(start, start + len(point.rows))]
            if max(before, default=0) >= _MOST_SUM:
                raise _out_of_range()
            found[number] = _add_sums(point, found[number], np.asarray(before, np.int64))
    return found


def _plan(points: Sequence[Point]) -> tuple[list[int], dict[str, list[_Page]], int]:
    """Return where the codes of each point start, the pages of each partition, and the number of codes."""
    starts: list[int] = []
    pages: dict[str, list[_Page]] = {}
    split: dict[tuple[int, int], list[tuple[int, _Cuts]]] = {}
    at = 0
    for number, point in enumerate(points):
        location, rows = point.chunk.location, point.rows
        codec = location.codec
        assert codec is not None
        extents, checks, step = location.extents, location.checks, codec.rows
        group = pages.setdefault(point.chunk.partition, [])
        cuts = split.get((id(rows), step))
        if cuts is None:
            cuts = split[id(rows), step] = _by_page(rows, step)
        first = 0
        if codec.table_items:
            first = 1
            group.append((extents[0], _table_size(codec, location.dtype), 0, number, None, 8, False, checks[:1]))
        bits = codec.transform.bits
        size = step * int(codec.transform.dtype[2:]) * bits // 8
        for page, places in cuts:
            check = checks[first + page : first + page + 1]
            group.append((extents[first + page], size, step, at, places, bits, point.with_sums, check))
        starts.append(at)
        at += len(rows)
    return starts, pages, at


def _by_page(rows: Rows, step: int) -> list[tuple[int, _Cuts]]:
    """Return page -> (position in `rows`, row in the page)."""
    pages: dict[int, _Cuts] = {}
    for position, row in enumerate(rows.tolist()):
        pages.setdefault(row // step, []).append((position, row % step))
    return list(pages.items())


def _table_size(codec: Codec, dtype: str) -> int:
    return codec.table_items * int(table_dtype(codec.transform, dtype)[2:])


def _sum_before(raw: bytes | memoryview, row: int, step: int, bits: int) -> int:
    """Return the sum of the codes of a page before one of its rows."""
    planes = np.frombuffer(raw, np.uint8)
    if bits < 8:
        planes = unpack_bits(planes, bits)
    planes = planes.reshape(-1, step)[:, :row].sum(axis=1, dtype=np.int64)
    return sum(int(total) << (8 * number) for number, total in enumerate(planes.tolist()))


def _add_sums(point: Point, values: Array, sums: Array) -> Array:
    """Return values and the sums before them (int64 of the codes before each row in its page), as int64 (2, n_rows)."""
    codec = point.chunk.location.codec
    assert codec is not None
    base = codec.transform.base if codec.transform.kind == "offset" else 0
    if abs(base) * codec.rows >= _MOST_SUM:
        raise _out_of_range()
    found = np.stack([values.astype(np.int64), sums + base * (point.rows % codec.rows)])
    if found.size and (int(found.min()) < 0 or int(found[1].max()) >= _MOST_SUM):
        raise _out_of_range()
    return found


def _out_of_range() -> CorruptPartitionError:
    return CorruptPartitionError("the lengths of strings are out of range; run 'mistique check'")


def _values(
    points: Sequence[Point], starts: list[int], codes: list[int], tables: dict[int, bytes | memoryview]
) -> list[Array]:
    """Return the values of the codes of each point, all points of one formula and dtype in one step."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number, point in enumerate(points):
        codec = point.chunk.location.codec
        assert codec is not None
        kind: str = codec.transform.kind
        dtype = point.chunk.location.dtype
        if kind == "delta":  # a table here has the words of the difference
            kind, dtype = "dictionary" if codec.table_items else "plain", table_dtype(codec.transform, dtype)
        groups.setdefault((kind, dtype), []).append(number)
    found: list[Array] = [np.empty(0)] * len(points)
    for (kind, dtype), numbers in groups.items():
        counts = [len(points[number].rows) for number in numbers]
        pieces = [codes[starts[number] : starts[number] + size] for number, size in zip(numbers, counts, strict=True)]
        if kind == "dictionary":
            bits = [_look_up(tables[number], piece, dtype) for number, piece in zip(numbers, pieces, strict=True)]
            values = _from_bits(list(chain.from_iterable(bits)), dtype)
        elif kind == "plain":
            values = _from_bits(list(chain.from_iterable(pieces)), dtype)
        else:
            codecs = [points[number].chunk.location.codec for number in numbers]
            undo = _undo_offset if kind == "offset" else _undo_decimal
            values = undo([codec for codec in codecs if codec is not None], pieces, dtype)
        start = 0
        for number, size in zip(numbers, counts, strict=True):
            found[number] = values[start : start + size]
            start += size
    return found


def _from_bits(bits: list[int], dtype: str) -> Array:
    return np.array(bits, UNSIGNED[int(dtype[2:])]).view(dtype)


def _look_up(table: bytes | memoryview, codes: list[int], dtype: str) -> list[int]:
    items = len(table) // int(dtype[2:])
    if max(codes, default=0) >= items:
        raise CorruptPartitionError("a code is not in its chunk's table; run 'mistique check'")
    return [int.from_bytes(table[code::items], "little") for code in codes]


def _undo_offset(codecs: list[Codec], pieces: list[list[int]], dtype: str) -> Array:
    last = (1 << (8 * int(dtype[2:]))) - 1
    bits = [(code + codec.transform.base) & last for codec, piece in zip(codecs, pieces, strict=True) for code in piece]
    return _from_bits(bits, dtype)


def _undo_decimal(codecs: list[Codec], pieces: list[list[int]], dtype: str) -> Array:
    counts = [len(piece) for piece in pieces]
    bases = np.array([float(codec.transform.base) for codec in codecs])
    scales = np.array([float(codec.transform.scale) for codec in codecs])
    values = np.array(list(chain.from_iterable(pieces)), np.uint64).astype(np.float64)
    values += bases.repeat(counts)
    values /= scales.repeat(counts)
    with np.errstate(over="ignore"):  # of damaged codes
        values = values.astype(dtype)
    words = values.view(UNSIGNED[values.dtype.itemsize])
    start = 0
    for codec, piece in zip(codecs, pieces, strict=True):
        top = codec.transform.top
        if top is not None:
            for number, code in enumerate(piece, start):
                if code >= top:
                    words[number] = _exception(codec.transform.exceptions, code - top, dtype)
        start += len(piece)
    return values


def _exception(exceptions: tuple[int, ...], number: int, dtype: str) -> int:
    if number >= len(exceptions):
        raise CorruptPartitionError("a code names no exception of its chunk; run 'mistique check'")
    if exceptions[number] >= 1 << (8 * int(dtype[2:])):
        raise CorruptPartitionError(f"an exception of a chunk is no {dtype}; run 'mistique check'")
    return exceptions[number]
