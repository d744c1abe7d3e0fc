"""Reading the parts of row blocks: whole, or some rows, of which strings take a second step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.engine.chunk_reader import Array, Bases, ChunkReader, ChunkRequest, ReadTally, Rows


@dataclass(frozen=True)
class BlockRequest:
    """One row block of one column, and which of its rows are wanted.

    Attributes
    ----------
    chunks
        Part -> chunk.
    rows
        Positions in the block (from 0), in the wanted order, or ``None`` for all.
    """

    chunks: Mapping[str, StoredChunk]
    rows: Rows | None


def read_blocks(
    reader: ChunkReader, requests: Sequence[BlockRequest], bases: Bases, tally: ReadTally | None
) -> list[dict[str, Array]]:
    """Return the parts of each request; all chunks are fetched together.

    Where rows of strings are wanted, the block's lengths are read whole, because they say where a
    string begins; then only the pages of the text that hold the wanted strings.
    """
    wanted: list[ChunkRequest] = []
    for request in requests:
        for part, chunk in request.chunks.items():
            if part == "text" and request.rows is not None:
                continue
            rows = None if part == "lengths" else request.rows
            wanted.append(ChunkRequest(chunk, rows))
    arrays = iter(reader.read(wanted, tally, bases))
    found: list[dict[str, Array]] = []
    for request in requests:
        is_text = request.rows is not None and "text" in request.chunks
        found.append({part: next(arrays) for part in request.chunks if not (is_text and part == "text")})
    _read_strings(reader, requests, found, bases, tally)
    return found


def _read_strings(
    reader: ChunkReader,
    requests: Sequence[BlockRequest],
    found: list[dict[str, Array]],
    bases: Bases,
    tally: ReadTally | None,
) -> None:
    """Add the text of the wanted strings to `found`, and cut their lengths."""
    wanted: list[ChunkRequest] = []
    owners: list[dict[str, Array]] = []
    for request, parts in zip(requests, found, strict=True):
        if request.rows is None or "lengths" not in parts:
            continue
        lengths = parts["lengths"]
        parts["lengths"] = lengths[request.rows]
        if "text" not in request.chunks:
            continue
        ends = np.cumsum(lengths, dtype=np.int64)
        sizes = parts["lengths"].astype(np.int64)
        shifts = ends[request.rows] - np.cumsum(sizes)
        places = np.repeat(shifts, sizes) + np.arange(int(sizes.sum()), dtype=np.int64)
        wanted.append(ChunkRequest(request.chunks["text"], places))
        owners.append(parts)
    for parts, text in zip(owners, reader.read(wanted, tally, bases), strict=True):
        parts["text"] = text
