"""A few rows of many chunks by the compiled reader of pages: each page is decompressed and its rows taken in one call.

:mod:`mistique_core.engine.point_reader` is the reference; it decodes again what this one finds damaged, and tells why.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mistique_core.engine.native_chunk import pieces
from mistique_core.engine.page_source import Fetch, PageSource
from mistique_core.engine.side_by_side import SideBySide
from mistique_core.native import PageKernels
from mistique_core.native.pages import Frame, Job, Piece
from mistique_core.partition.location import Extent, check_of

if TYPE_CHECKING:
    from mistique_core.engine.point_reader import Point

Array = npt.NDArray[Any]
_PAGES_OF_A_CALL = 96
"""So that two threads end at about the same time."""
_LEAST_PAGES = 48
"""Fewer are decoded sooner than a thread begins."""


class _Group:
    """What is read of one partition.

    Attributes
    ----------
    extents, checks
        Its frames, and the checksum of each; -1 where it is not known.
    calls
        First frame of each call of the compiled reader, and its jobs.
    """

    __slots__ = ("calls", "checks", "extents")

    def __init__(self) -> None:
        self.extents: list[Extent] = []
        self.checks: list[int] = []
        self.calls: list[tuple[int, list[Job]]] = [(0, [])]


def read_natively(
    kernels: PageKernels, fetch: Fetch, points: Sequence[Point], threads: SideBySide | None
) -> list[tuple[Array, Array | None]] | None:
    """Return the values (words of differences) at the rows of each point, and the sums of the codes before them.

    Parameters
    ----------
    kernels
        The compiled reader.
    fetch
        Takes the name of a partition and byte ranges of it; returns their bytes.
    points
        What to read, of chunks that have a :attr:`~mistique_core.partition.ChunkLocation.spec`.
    threads
        Who shares in the work, if anybody.

    Returns
    -------
    list or None
        An array (n_rows,) each, and int64 (n_rows,) or ``None`` where no sums are wanted. ``None`` where anything is
        damaged.
    """
    groups: dict[str, _Group] = {}
    split: dict[tuple[int, int], tuple[list[int], bytes]] = {}
    found: list[tuple[Array, Array | None]] = []
    for point in points:
        location, rows = point.chunk.location, point.rows
        spec, codec, extents = location.spec, location.codec, location.extents
        assert spec is not None
        assert codec is not None
        cuts = split.get((id(rows), codec.rows))
        if cuts is None:
            cuts = split[id(rows), codec.rows] = _cuts(rows, codec.rows)
        group = groups.get(point.chunk.partition)
        if group is None:
            group = groups[point.chunk.partition] = _Group()
        first, jobs = group.calls[-1]
        start = len(group.extents)
        if start - first >= _PAGES_OF_A_CALL:
            first, jobs = start, []
            group.calls.append((first, jobs))
        checks = location.checks or [-1] * len(extents)
        if codec.table_items:
            group.extents.append(extents[0])
            group.checks.append(checks[0])
            group.extents += [extents[page + 1] for page in cuts[0]]
            group.checks += [checks[page + 1] for page in cuts[0]]
        else:
            group.extents += [extents[page] for page in cuts[0]]
            group.checks += [checks[page] for page in cuts[0]]
        out = np.empty(len(rows), location.word_dtype)
        sums = np.empty(len(rows), np.int64) if point.with_sums else None
        found.append((out, sums))
        jobs.append((spec, start - first, cuts[1], out, sums))
    with ExitStack() as files:
        calls: list[tuple[list[Job], list[Frame] | list[Piece], int]] = []
        for name, group in groups.items():
            made = _calls(fetch, name, group, files)
            if made is None:
                return None
            calls += made

        def run(number: int) -> int:
            return kernels.points(*calls[number])

        is_short = sum(len(frames) for _, frames, _ in calls) < _LEAST_PAGES
        if threads is None or is_short:
            damaged = [run(number) for number in range(len(calls))]
        else:
            damaged = threads.run(run, len(calls))
    return found if max(damaged, default=-1) < 0 else None


def _calls(
    fetch: Fetch, name: str, group: _Group, files: ExitStack
) -> list[tuple[list[Job], list[Frame] | list[Piece], int]] | None:
    """Return the calls of the compiled reader for one partition, with the frames or where it reads them.

    ``None`` where a frame is another than the one that was written there.
    """
    descriptor = fetch.opened(name, group.extents, files) if isinstance(fetch, PageSource) else None
    frames: list[Frame] | list[Piece] = pieces(group.extents, group.checks)
    if descriptor is None:
        frames = list(fetch(name, group.extents))
        if any(check >= 0 and check_of(frame) != check for frame, check in zip(frames, group.checks, strict=True)):
            return None
    ends = [first for first, _ in group.calls[1:]] + [len(frames)]
    return [
        (jobs, frames[first:end], -1 if descriptor is None else descriptor)
        for (first, jobs), end in zip(group.calls, ends, strict=True)
    ]


def _cuts(rows: Array, step: int) -> tuple[list[int], bytes]:
    """Return the pages of some rows, and for each row (number of its page among them, row in the page, position)."""
    pages: dict[int, list[int]] = {}
    numbers: dict[int, int] = {}
    for position, row in enumerate(rows.tolist()):
        page, inside = divmod(row, step)
        found = pages.get(page)
        if found is None:
            found = pages[page] = []
            numbers[page] = len(numbers)
        found += (numbers[page], inside, position)
    return list(pages), struct.pack(f"={3 * len(rows)}q", *chain.from_iterable(pages.values()))
