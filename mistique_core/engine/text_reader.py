"""A few strings of many text chunks, and where in its text each string begins.

A string begins where those before it end. The lengths of a whole chunk are added up once; then only the sums
up to the first row of each of their pages are kept, eight bytes a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.engine.lru import LruCache
from mistique_core.engine.page_source import Fetch
from mistique_core.engine.point_reader import has_points, has_sums
from mistique_core.engine.side_by_side import SideBySide
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition.location import Extent, check_frames
from mistique_core.partition.pages import decompress_page

Array = npt.NDArray[Any]

_CHUNKS_KEPT = 8_192
_LEAST_PAGES = 8
"""Fewer are decompressed sooner than a thread begins."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Some strings of a text chunk.

    Attributes
    ----------
    chunk
        The text.
    starts, sizes
        First byte, and number of bytes, of each string.
    """

    chunk: StoredChunk
    starts: list[int]
    sizes: list[int]


class TextIndex:
    """Remembers where the pages of lengths begin in their text; safe to use from several threads."""

    def __init__(self) -> None:
        self._starts: LruCache[tuple[bytes, int], list[int]] = LruCache(_CHUNKS_KEPT)

    def pages(self, lengths: StoredChunk) -> list[int] | None:
        """Return the first byte of the text of each page of lengths; ``None`` where they are not known yet."""
        return self._starts.get(_key(lengths)) if has_sums(lengths) else None

    def learn(self, lengths: StoredChunk, ends: Array) -> None:
        """Remember a chunk of lengths, given where each string ends (int64, cumulated lengths)."""
        if has_sums(lengths):
            _, rows = _key(lengths)
            self._starts.put(_key(lengths), [0, *ends[rows - 1 :: rows].tolist()])


def _key(lengths: StoredChunk) -> tuple[bytes, int]:
    codec = lengths.location.codec
    assert codec is not None
    return lengths.address, codec.rows


def first_bytes(index: list[int], lengths: StoredChunk, rows: Array, before: Array) -> list[int]:
    """Return the first byte of strings in their text.

    Parameters
    ----------
    index
        What :meth:`TextIndex.pages` returned for their lengths.
    lengths
        Their lengths.
    rows
        Which strings, from 0.
    before
        For each, the lengths of those before it in its page of lengths.
    """
    size = _key(lengths)[1]
    return [index[row // size] + more for row, more in zip(rows.tolist(), before.tolist(), strict=True)]


def check_spans(spans: Spans) -> None:
    """Refuse strings that lie outside of their text.

    Raises
    ------
    CorruptPartitionError
        If one does.
    """
    shape = spans.chunk.location.shape
    for start, size in zip(spans.starts, spans.sizes, strict=True):
        if start < 0 or size < 0 or len(shape) != 1 or start + size > shape[0]:
            raise CorruptPartitionError(
                f"a string of {size} bytes at byte {start} is not in its text of shape {shape}; run 'mistique check'"
            )


def has_spans(chunk: StoredChunk) -> bool:
    """Return whether :func:`read_spans` can read a chunk: pages of plain bytes."""
    codec = chunk.location.codec
    return (
        has_points(chunk)
        and codec is not None
        and (codec.transform.kind, chunk.location.dtype, codec.transform.bits) == ("plain", "|u1", 8)
    )


def read_spans(fetch: Fetch, wanted: Sequence[Spans], threads: SideBySide | None = None) -> list[Array]:
    """Return the strings of each request end to end (uint8).

    Parameters
    ----------
    fetch
        Takes the name of a partition and byte ranges of it; returns their bytes.
    wanted
        What to read, checked, of chunks for which :func:`has_spans` holds.
    threads
        Who shares in the work, if anybody.

    Raises
    ------
    CorruptPartitionError
        If a page is damaged.
    """
    pieces: list[list[bytes]] = []
    pages: dict[str, list[tuple[Extent, int, list[bytes], list[tuple[int, int, int]], tuple[int, ...]]]] = {}
    for spans in wanted:
        location = spans.chunk.location
        codec = location.codec
        assert codec is not None
        cuts, count = _cuts(spans, codec.rows)
        pieces.append([b""] * count)
        group = pages.setdefault(spans.chunk.partition, [])
        for page, places in cuts.items():
            group.append((location.extents[page], codec.rows, pieces[-1], places, location.checks[page : page + 1]))
    ordered = list(chain.from_iterable(pages.values()))
    frames = [frame for name, group in pages.items() for frame in fetch(name, [item[0] for item in group])]

    def take(number: int) -> None:
        _, size, found, places, check = ordered[number]
        check_frames([frames[number]], check)
        raw = decompress_page(frames[number], size)
        for piece, start, stop in places:
            found[piece] = raw[start:stop]

    if threads is None or len(ordered) < _LEAST_PAGES:
        for number in range(len(ordered)):
            take(number)
    else:
        threads.run(take, len(ordered))
    return [np.frombuffer(b"".join(item), np.uint8) for item in pieces]


def _cuts(spans: Spans, step: int) -> tuple[dict[int, list[tuple[int, int, int]]], int]:
    """Return page -> (number of the piece, first byte, last byte exclusive), and the number of pieces."""
    cuts: dict[int, list[tuple[int, int, int]]] = {}
    count = 0
    for start, length in zip(spans.starts, spans.sizes, strict=True):
        while length:
            page, first = divmod(start, step)
            taken = min(length, step - first)
            cuts.setdefault(page, []).append((count, first, first + taken))
            start, length, count = start + taken, length - taken, count + 1
    return cuts, count


def spread(spans: Spans) -> Array:
    """Return the positions of all bytes of the strings (int64), end to end."""
    both = zip(spans.starts, spans.sizes, strict=True)
    return np.fromiter(chain.from_iterable(range(start, start + size) for start, size in both), np.int64)
