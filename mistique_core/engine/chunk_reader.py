"""Reading chunks, whole or some of their rows, verified, with a bounded cache.

A chunk that this reader reads whole for the first time is verified against its content address. After
that, and where a chunk is read in part, each page is verified by its own checksum. Requests are gathered by
partition, so that one query makes few calls to the storage backend, and decoded on all cores when they are
many and large.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.dedup import chunk_hash
from mistique_core.dedup.delta import apply_delta, base_zeros
from mistique_core.engine.array_cache import ArrayCache
from mistique_core.engine.column_rows import ColumnRows
from mistique_core.engine.lru import LruCache
from mistique_core.engine.native_chunk import decode_natively, pieces
from mistique_core.engine.page_source import HasFiles, PageSource
from mistique_core.engine.point_reader import MOST_POINTS, Point, has_same_points, read_points
from mistique_core.engine.side_by_side import SideBySide
from mistique_core.engine.text_reader import Spans, TextIndex, check_spans, has_spans, read_spans, spread
from mistique_core.errors import CorruptPartitionError
from mistique_core.native import page_kernels
from mistique_core.partition import check_frames, decode_chunk
from mistique_core.partition.encoding import PAGES, decode_pages, decode_table, decode_values
from mistique_core.partition.location import Extent
from mistique_core.partition.transform import PACKED_WHOLE
from mistique_core.storage import StorageBackend

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.intp]
Bases = Mapping[int, StoredChunk]

_MOST_THREADS = 8
_THREADED_VALUES = 32_768
_THREADED_CHUNKS = 16
_VERIFIED_KEPT = 65_536
_ZEROS_KEPT = 8_192
_MOST_TEXT_BYTES = 65_536


@dataclass
class ReadTally:
    """What a query fetched from storage (cached chunks are not counted).

    Attributes
    ----------
    chunks
        Chunks of which anything was fetched.
    stored_bytes
        Encoded bytes fetched.
    skipped_chunks
        Chunks that a predicate ruled out by their zone, unread.
    """

    chunks: int = 0
    stored_bytes: int = 0
    skipped_chunks: int = 0


class ChunkRequest(NamedTuple):
    """A chunk, and which of its rows are wanted.

    Attributes
    ----------
    chunk
        The chunk.
    rows
        Positions in it (from 0), in the wanted order, or ``None`` for the whole chunk.
    with_sums
        Whether to return, as int64 (2, n_rows), the values and the sum of those before each of them in its page.
        Only for at most :data:`~mistique_core.engine.point_reader.MOST_POINTS` rows of a chunk that
        :func:`~mistique_core.engine.point_reader.has_sums`.
    out
        Where a chunk that is read whole, and is not in the cache, is written to: an array of its dtype and shape,
        which is then returned in place of a new one.
    """

    chunk: StoredChunk
    rows: Rows | None = None
    with_sums: bool = False
    out: Array | None = None


@dataclass
class _Fetch:
    """The extents of one request, and their bytes once they are read, or the open file that has them."""

    request: ChunkRequest
    whole: bool
    pages: Rows | None
    extents: list[Extent]
    checks: tuple[int, ...] = ()
    frames: list[bytes | memoryview] = field(default_factory=list)
    descriptor: int = -1


class ChunkReader:
    """Decodes chunks and keeps the most recently used ones.

    Parameters
    ----------
    backend
        Where partitions live.
    cache_bytes
        Most decoded bytes to keep; 0 keeps nothing.

    Attributes
    ----------
    text_index
        Where strings begin.
    column_rows
        Who reads a few rows of many columns sooner; ``None`` where partitions are no files, or chunks are kept.
    """

    def __init__(self, backend: StorageBackend, cache_bytes: int) -> None:
        self._backend = backend
        self._files = backend if isinstance(backend, HasFiles) else None
        self._cache = ArrayCache(cache_bytes)
        self._keeps = cache_bytes > 0
        self._verified: LruCache[tuple[str, bytes], bool] = LruCache(_VERIFIED_KEPT)
        self._zeros: LruCache[tuple[bytes, int], int] = LruCache(_ZEROS_KEPT)
        self._threads = SideBySide(_MOST_THREADS)
        self.text_index = TextIndex()
        self.column_rows: ColumnRows | None = None
        if self._files is not None and not self._keeps:
            self.column_rows = ColumnRows(self._files, self._zeros, self._threads, self.text_index)

    def read(
        self, requests: Sequence[ChunkRequest], tally: ReadTally | None = None, bases: Bases | None = None
    ) -> list[Array]:
        """Return the arrays of chunks, or the wanted rows of them; read-only where they are whole.

        Parameters
        ----------
        requests
            What to read.
        tally
            Counts what was fetched.
        bases
            Row in the catalogue -> chunk, for every chunk that a requested one is a difference to.

        Raises
        ------
        CorruptPartitionError
            If the bytes are not those that were written: no wrong value is ever returned.
        """
        answers: list[Array | None] = [None] * len(requests)
        if self._keeps:
            answers = [self._cached(request) for request in requests]
        open_requests = [number for number, answer in enumerate(answers) if answer is None]
        if open_requests:
            wanted = [requests[number] for number in open_requests]
            found = self._read_each(wanted, tally or ReadTally(), bases or {})
            for number, array in zip(open_requests, found, strict=True):
                answers[number] = array
        return [answer for answer in answers if answer is not None]

    def _cached(self, request: ChunkRequest) -> Array | None:
        whole = self._cache.get(request.chunk.address)
        if whole is None or request.rows is None:
            return whole
        if request.with_sums:
            return _with_sums(whole, request)
        taken: Array = whole[request.rows]
        return taken

    def read_text(
        self, requests: Sequence[Spans], tally: ReadTally | None = None, bases: Bases | None = None
    ) -> list[Array]:
        """Return the strings of each request end to end (uint8); raises as :meth:`read`."""
        found: dict[int, Array] = {}
        short: dict[int, Spans] = {}
        for number, spans in enumerate(requests):
            check_spans(spans)
            is_cached = self._cache.get(spans.chunk.address) is not None
            if not is_cached and sum(spans.sizes) <= _MOST_TEXT_BYTES and has_spans(spans.chunk):
                short[number] = spans
        if short:
            counted = tally or ReadTally()
            counted.chunks += len(short)
            source = PageSource(self._backend, self._files, counted)
            found.update(zip(short, read_spans(source, list(short.values()), self._threads), strict=True))
        others = [number for number in range(len(requests)) if number not in found]
        rest = [ChunkRequest(requests[number].chunk, spread(requests[number])) for number in others]
        found.update(zip(others, self.read(rest, tally, bases), strict=True))
        return [found[number] for number in range(len(requests))]

    def _read_each(self, requests: Sequence[ChunkRequest], tally: ReadTally, bases: Bases) -> list[Array]:
        """Read a few rows by themselves, all else by whole pages."""
        if all(request.rows is None for request in requests):
            return self._read(requests, tally, bases)
        points = {number: point for number, item in enumerate(requests) if (point := self._point(item, bases))}
        if not points:
            return self._read(requests, tally, bases)
        tally.chunks += len(points)
        source = PageSource(self._backend, self._files, tally)
        read = read_points(source, list(points.values()), self._threads)
        if len(points) == len(requests):
            return read
        found = dict(zip(points, read, strict=True))
        others = [number for number in range(len(requests)) if number not in points]
        found.update(zip(others, self._read([requests[number] for number in others], tally, bases), strict=True))
        return [found[number] for number in range(len(requests))]

    def _point(self, request: ChunkRequest, bases: Bases) -> Point | None:
        """Return a request as one for :func:`read_points`; ``None`` where whole pages or chunks are to be decoded."""
        chunk, rows, with_sums, _ = request
        if rows is None or len(rows) > MOST_POINTS or not chunk.location.has_single_rows:
            return None
        if self._keeps and not with_sums and _plan(request).whole:
            return None
        if chunk.base is None:
            return Point(chunk, rows, with_sums)
        codec, base = chunk.location.codec, bases.get(chunk.base)
        if codec is None or base is None or not has_same_points(chunk, base):
            return None
        zeros = self._zeros.get((base.address, codec.transform.scale))
        return None if zeros is None else Point(chunk, rows, False, base, zeros)

    def _read(self, requests: Sequence[ChunkRequest], tally: ReadTally, bases: Bases) -> list[Array]:
        base_values = self._read_bases(requests, tally, bases)
        fetches = [_plan(request) for request in requests]

        def decode(number: int) -> Array:
            return self._decode(fetches[number], base_values.get(number))

        with ExitStack() as files:
            self._open(fetches, PageSource(self._backend, self._files, tally), files)
            self._fetch([fetch for fetch in fetches if fetch.descriptor < 0], tally)
            tally.chunks += len([fetch for fetch in fetches if fetch.extents])
            if not _is_large(fetches):
                return [decode(number) for number in range(len(fetches))]
            return self._threads.run(decode, len(fetches))

    def _open(self, fetches: Sequence[_Fetch], source: PageSource, files: ExitStack) -> None:
        """Open the files of whole chunks that compiled code reads and decodes in one call."""
        if page_kernels is None:
            return
        by_partition: dict[str, list[_Fetch]] = {}
        for fetch in fetches:
            if fetch.whole and fetch.extents and fetch.request.chunk.location.spec is not None:
                by_partition.setdefault(fetch.request.chunk.partition, []).append(fetch)
        for name, group in by_partition.items():
            extents = [extent for fetch in group for extent in fetch.extents]
            descriptor = source.opened(name, extents, files)
            if descriptor is not None:
                for fetch in group:
                    fetch.descriptor = descriptor

    def _read_bases(self, requests: Sequence[ChunkRequest], tally: ReadTally, bases: Bases) -> dict[int, Array]:
        """Return request number -> the whole base; a difference is always decoded whole."""
        numbers = [number for number, request in enumerate(requests) if request.chunk.base is not None]
        if not numbers:
            return {}
        wanted = []
        for number in numbers:
            request = requests[number]
            base = bases.get(request.chunk.base or 0)
            if base is None or base.base is not None:
                raise CorruptPartitionError(
                    f"chunk {request.chunk.address.hex()[:12]} is a difference to a chunk that is not there; "
                    "run 'mistique check'"
                )
            wanted.append(ChunkRequest(base))
        return dict(zip(numbers, self.read(wanted, tally), strict=True))

    def _fetch(self, fetches: Sequence[_Fetch], tally: ReadTally) -> None:
        """Read the extents of all fetches, each partition at once, neighbours as one range."""
        by_partition: dict[str, list[_Fetch]] = defaultdict(list)
        for fetch in fetches:
            if fetch.extents:
                by_partition[fetch.request.chunk.partition].append(fetch)
                tally.stored_bytes += sum(size for _, size in fetch.extents)
        for name, group in by_partition.items():
            ranges: list[Extent] = []
            places: list[tuple[_Fetch, list[tuple[int, int, int]]]] = []
            for fetch in group:
                cuts = []
                for offset, size in fetch.extents:
                    if ranges and sum(ranges[-1]) == offset:
                        ranges[-1] = (ranges[-1][0], ranges[-1][1] + size)
                    else:
                        ranges.append((offset, size))
                    start = offset - ranges[-1][0]
                    cuts.append((len(ranges) - 1, start, start + size))
                places.append((fetch, cuts))
            data = [memoryview(item) for item in self._backend.get_ranges(name, ranges)]
            for fetch, cuts in places:
                fetch.frames = [data[number][start:stop] for number, start, stop in cuts]

    def _decode(self, fetch: _Fetch, base: Array | None) -> Array:
        chunk, location = fetch.request.chunk, fetch.request.chunk.location
        if fetch.descriptor < 0:
            check_frames(fetch.frames, fetch.checks)
        if not fetch.whole:
            return _decode_rows(fetch)
        difference: Callable[[Array], Array] | None = None
        if base is not None and location.codec is not None:
            difference = partial(_undo_delta, base, location.codec.transform.scale)
        out = None if self._keeps or fetch.request.rows is not None else fetch.request.out
        if fetch.descriptor < 0:
            array = decode_natively(location, fetch.frames, out, base)
        else:
            array = decode_natively(location, pieces(fetch.extents, fetch.checks), out, base, fetch.descriptor)
        if array is None:
            if fetch.descriptor >= 0:
                self._fetch([fetch], ReadTally())
                check_frames(fetch.frames, fetch.checks)
            array = decode_chunk(
                fetch.frames, location.encoding, location.codec, location.dtype, location.shape, difference
            )
        place = (chunk.partition, chunk.address)
        if self._verified.get(place) is None and chunk_hash(array) != chunk.address:
            raise CorruptPartitionError(
                f"chunk {chunk.address.hex()[:12]} of partition {chunk.partition[:12]} has changed on disk; "
                "restore the file from a backup, or re-run the stage with strategy='rerun'"
            )
        if location.encoding == PAGES:
            self._verified.put(place, True)
        if array is out:
            return array
        array.flags.writeable = False
        self._cache.put(chunk.address, array)
        if fetch.request.rows is None:
            return _written(array, fetch.request.out)
        if base is not None and location.codec is not None:  # so that rows can be read alone from now on
            item = location.codec.transform
            self._zeros.put((bytes.fromhex(item.delta or ""), item.scale), base_zeros(base, item.scale))
        taken: Array = array[fetch.request.rows]
        return taken

    def close(self) -> None:
        """Stop the threads."""
        self._threads.close()


def _is_large(fetches: Sequence[_Fetch]) -> bool:
    """Whether there are chunks to decode whole, each of which is worth a thread's while.

    Without the compiled reader, the few of a single column are decoded sooner by one thread, which does not wait for
    Python's lock.
    """
    whole = [fetch for fetch in fetches if fetch.whole]
    least = _THREADED_CHUNKS if page_kernels is None else 2
    if len(whole) < least or len(whole) < len(fetches):
        return False
    return sum(math.prod(fetch.request.chunk.location.shape) for fetch in whole) >= _THREADED_VALUES * len(whole)


def _written(array: Array, out: Array | None) -> Array:
    """Return `out` with the values of `array`, or `array` itself where there is no place that fits it."""
    if out is None or out.dtype != array.dtype or out.shape != array.shape:
        return array
    out[...] = array
    return out


def _with_sums(whole: Array, request: ChunkRequest) -> Array:
    codec, rows = request.chunk.location.codec, request.rows
    assert codec is not None
    assert rows is not None
    sums = [whole[row - row % codec.rows : row].sum(dtype=np.int64) for row in rows.tolist()]
    return np.stack([whole[rows].astype(np.int64), np.asarray(sums, np.int64)])


def _undo_delta(base: Array, scale: int, delta: Array) -> Array:
    return apply_delta(base, delta, scale)


def _plan(request: ChunkRequest) -> _Fetch:
    """Decide whether a request is cheaper by whole chunk, and which extents it needs."""
    location = request.chunk.location
    codec = location.codec
    whole = _Fetch(request, True, None, list(location.extents), location.checks)
    if request.rows is None or location.encoding != PAGES or codec is None or request.chunk.base is not None:
        return whole
    if codec.transform.kind in PACKED_WHOLE:
        return whole
    tables = 1 if codec.table_items else 0
    pages = np.unique(request.rows // codec.rows)
    if len(pages) * 2 > len(location.extents) - tables:
        return whole
    places = [*range(tables), *(tables + page for page in pages.tolist())]
    checks = tuple(location.checks[place] for place in places) if location.checks else ()
    return _Fetch(request, False, pages, [location.extents[place] for place in places], checks)


def _decode_rows(fetch: _Fetch) -> Array:
    location, rows = fetch.request.chunk.location, fetch.request.rows
    codec = location.codec
    assert codec is not None
    assert rows is not None
    assert fetch.pages is not None
    tables = 1 if codec.table_items else 0
    table = decode_table(codec, location.dtype, fetch.frames[0]) if tables else None
    codes = decode_pages(codec, location.shape, fetch.frames[tables:])
    places = np.searchsorted(fetch.pages, rows // codec.rows) * codec.rows + rows % codec.rows
    return decode_values(codec, codes[places], location.dtype, table)
