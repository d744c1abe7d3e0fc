"""Reading the parts of row blocks: whole, or some rows, of which strings take a second step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.engine.chunk_reader import Array, Bases, ChunkReader, ChunkRequest, ReadTally, Rows
from mistique_core.engine.point_reader import MOST_POINTS
from mistique_core.engine.text_reader import Spans, first_bytes

_MOST_OUT_BYTES = 1 << 28


class BlockRequest(NamedTuple):
    """One row block of one column, and which of its rows are wanted.

    Attributes
    ----------
    chunks
        Part -> chunk.
    rows
        Positions in the block (from 0), in the wanted order, or ``None`` for all.
    out
        Part -> where to write it; see :class:`~mistique_core.engine.chunk_reader.ChunkRequest`.
    """

    chunks: Mapping[str, StoredChunk]
    rows: Rows | None
    out: Mapping[str, Array] = MappingProxyType({})


def end_to_end(blocks: Sequence[Mapping[str, StoredChunk]]) -> list[BlockRequest]:
    """Return requests for whole blocks whose parts are written end to end into one array a part.

    A part that a block lacks, or that is not one-dimensional, gets arrays of its own. So does one that would take
    more than 256 MiB: the catalogue promises its size, and no byte of it is verified yet.
    """
    places: list[dict[str, Array]] = [{} for _ in blocks]
    for part in blocks[0] if blocks else ():
        locations = [chunks[part].location for chunks in blocks if part in chunks]
        dtypes = {location.dtype for location in locations}
        if len(locations) < len(blocks) or len(dtypes) > 1 or any(len(item.shape) != 1 for item in locations):
            continue
        ends = list(accumulate((location.shape[0] for location in locations), initial=0))
        dtype = np.dtype(locations[0].dtype)
        if not 0 < ends[-1] * dtype.itemsize <= _MOST_OUT_BYTES:
            continue
        whole = np.empty(ends[-1], dtype)
        for place, (start, end) in zip(places, pairwise(ends), strict=True):
            place[part] = whole[start:end]
    return [BlockRequest(chunks, None, place) for chunks, place in zip(blocks, places, strict=True)]


def read_blocks(
    reader: ChunkReader, requests: Sequence[BlockRequest], bases: Bases, tally: ReadTally | None
) -> list[dict[str, Array]]:
    """Return the parts of each request; all chunks are fetched together.

    Where rows of strings are wanted, their text is read in a second step, because the lengths say where a
    string begins: the first time all lengths of the block, then only the pages of the wanted rows.
    """
    wanted: list[ChunkRequest] = []
    indexes: list[list[int] | None] = []
    for request in requests:
        has_text = request.rows is not None and "text" in request.chunks
        for part, chunk in request.chunks.items():
            if has_text and part == "text":
                continue
            index = None
            if has_text and part == "lengths":
                index = _text_index(reader, chunk, request.rows)
                asked = ChunkRequest(chunk) if index is None else ChunkRequest(chunk, request.rows, with_sums=True)
            else:
                asked = ChunkRequest(chunk, request.rows, out=request.out.get(part))
            wanted.append(asked)
            indexes.append(index)
    arrays = zip(reader.read(wanted, tally, bases), indexes, strict=True)
    found: list[dict[str, Array]] = []
    owners: list[dict[str, Array]] = []
    texts: list[Spans] = []
    for request in requests:
        rows = request.rows
        has_text = rows is not None and "text" in request.chunks
        parts: dict[str, Array] = {}
        for part, chunk in request.chunks.items():
            if has_text and part == "text":
                continue
            parts[part], index = next(arrays)
            if has_text and part == "lengths" and rows is not None:
                starts, parts[part] = _first_bytes(reader, chunk, parts[part], rows, index)
                texts.append(Spans(request.chunks["text"], starts, parts[part].tolist()))
                owners.append(parts)
        found.append(parts)
    for parts, text in zip(owners, reader.read_text(texts, tally, bases), strict=True):
        parts["text"] = text
    return found


def _text_index(reader: ChunkReader, lengths: StoredChunk, rows: Rows | None) -> list[int] | None:
    return reader.text_index.pages(lengths) if rows is not None and len(rows) <= MOST_POINTS else None


def _first_bytes(
    reader: ChunkReader, chunk: StoredChunk, lengths: Array, rows: Rows, index: list[int] | None
) -> tuple[list[int], Array]:
    """Return where the wanted strings begin in their text, and their lengths."""
    if index is not None:
        return first_bytes(index, chunk, rows, lengths[1]), lengths[0].astype(chunk.location.dtype)
    ends = np.cumsum(lengths, dtype=np.int64)
    reader.text_index.learn(chunk, ends)
    taken: Array = lengths[rows]
    return (ends[rows] - taken).tolist(), taken
