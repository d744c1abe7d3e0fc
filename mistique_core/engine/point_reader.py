"""A few rows of many chunks, in one pass over the pages that hold them.

A row of a column costs the decompression of one page and a few bytes of it, so nothing else may cost much:
all pages are decompressed together, only the wanted codes are taken out of them, and the codes of all chunks
become values in one step for each formula. :func:`mistique_core.partition.transform.invert` is the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.dedup.delta import apply_delta
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition.bits import unpack_bits
from mistique_core.partition.encoding import PAGES, Codec
from mistique_core.partition.location import Extent
from mistique_core.partition.pages import decompress_pages
from mistique_core.partition.transform import UNSIGNED, table_dtype

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.intp]
Fetch = Callable[[str, list[Extent]], Sequence[bytes | memoryview]]

MOST_POINTS = 64

_Cuts = list[tuple[int, int]]
# Extent, decompressed bytes, rows, where its codes go, wanted (position, row), bits of a code, whether sums are wanted.
_Page = tuple[Extent, int, int, int, _Cuts | None, int, bool]
_INTEGERS = {f"{order}{kind}{size}" for order, size in (("|", 1), ("<", 2), ("<", 4), ("<", 8)) for kind in "iu"}
_FLOATS = {"<f2", "<f4", "<f8"}
_PLAIN = _INTEGERS | _FLOATS | {"|b1"}


@dataclass(frozen=True, slots=True)
class Point:
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
    """Return whether single rows of a chunk can be read here.

    Not where it has several dimensions or digits, or was written in format version 1, nor where its description
    contradicts itself, which the reader of whole chunks reports.
    """
    location = chunk.location
    codec = location.codec
    if codec is None or location.encoding != PAGES or len(location.shape) != 1 or not location.shape[0]:
        return False
    if len(location.extents) != -(-location.shape[0] // codec.rows) + (codec.table_items > 0):
        return False
    item, dtype = codec.transform, location.dtype
    if (item.kind == "dictionary") != (codec.table_items > 0) and item.kind != "delta":
        return False
    if item.kind == "decimal":
        return dtype in _FLOATS
    if item.kind == "plain":
        return dtype in _PLAIN and dtype[2:] == item.dtype[2:]
    if item.kind == "delta":
        return dtype in _INTEGERS | _FLOATS and (codec.table_items > 0 or item.dtype == table_dtype(item, dtype))
    return dtype in (_INTEGERS if item.kind == "offset" else _PLAIN) and item.kind != "digits"


def has_same_points(chunk: StoredChunk, base: StoredChunk) -> bool:
    """Return whether rows of a difference can be read with the same rows of its base."""
    first, second = chunk.location, base.location
    return (first.dtype, first.shape) == (second.dtype, second.shape) and base.base is None and has_points(base)


def has_sums(chunk: StoredChunk) -> bool:
    """Return whether :attr:`Point.with_sums` may be asked of a chunk."""
    codec = chunk.location.codec
    return has_points(chunk) and codec is not None and codec.transform.kind in ("plain", "offset")


def read_points(fetch: Fetch, points: Sequence[Point]) -> list[Array]:
    """Return the values at the rows of each point.

    Parameters
    ----------
    fetch
        Takes the name of a partition and byte ranges of it; returns their bytes.
    points
        What to read.

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
        return _read_points(fetch, points)
    both = [*points, *(Point(base, points[number].rows) for number in bases if (base := points[number].base))]
    found = _read_points(fetch, both)
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


def _read_points(fetch: Fetch, points: Sequence[Point]) -> list[Array]:
    """As :func:`read_points`, but a difference is returned as its words."""
    starts, pages, count = _plan(points)
    codes = [0] * count
    sums: dict[int, int] = {}
    tables: dict[int, bytes | memoryview] = {}
    frames = [frame for name, group in pages.items() for frame in fetch(name, [page[0] for page in group])]
    ordered = list(chain.from_iterable(pages.values()))
    contents = decompress_pages(frames, [page[1] for page in ordered])
    for (_, size, step, at, cuts, bits, with_sums), raw in zip(ordered, contents, strict=True):
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
            found[number] = _add_sums(point, found[number], sums, starts[number])
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
        extents, step = location.extents, codec.rows
        group = pages.setdefault(point.chunk.partition, [])
        cuts = split.get((id(rows), step))
        if cuts is None:
            cuts = split[id(rows), step] = _by_page(rows, step)
        first = 0
        if codec.table_items:
            first = 1
            group.append((extents[0], _table_size(codec, location.dtype), 0, number, None, 8, False))
        bits = codec.transform.bits
        size = step * int(codec.transform.dtype[2:]) * bits // 8
        for page, places in cuts:
            group.append((extents[first + page], size, step, at, places, bits, point.with_sums))
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


def _add_sums(point: Point, values: Array, sums: dict[int, int], start: int) -> Array:
    codec = point.chunk.location.codec
    assert codec is not None
    base = codec.transform.base if codec.transform.kind == "offset" else 0
    rows = (point.rows % codec.rows).tolist()
    before = [sums[start + number] + base * row for number, row in enumerate(rows)]
    if min(before, default=0) < 0 or max(before, default=0) >= 1 << 62 or (values < 0).any():
        raise CorruptPartitionError("the lengths of strings are out of range; run 'mistique check'")
    return np.stack([values.astype(np.int64), np.asarray(before, np.int64)])


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
