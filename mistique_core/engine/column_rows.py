"""A few rows of many columns by the compiled reader of pages, straight into their places in the answer.

Of every chunk only the pages that hold a wanted row are read, each verified. Columns are shared among threads, and each
is decompressed while the next ones are prepared. Whatever cannot be read so, or is damaged, is left to
:class:`mistique_core.engine.chunk_reader.ChunkReader`, the reference, which tells what is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.catalogue.intermediates import VersionKey
from mistique_core.dedup.delta import apply_delta
from mistique_core.engine.lru import LruCache
from mistique_core.engine.page_source import HasFiles
from mistique_core.engine.point_reader import MOST_POINTS, has_same_points
from mistique_core.engine.row_places import RowPlaces
from mistique_core.engine.side_by_side import SideBySide
from mistique_core.engine.stored_block import PlainChunk, StoredBlock
from mistique_core.engine.text_reader import TextIndex, has_spans
from mistique_core.errors import CorruptPartitionError
from mistique_core.native import page_kernels
from mistique_core.native.pages import ChunkRows

if TYPE_CHECKING:
    from mistique_core.engine.chunk_reader import ReadTally

Array = npt.NDArray[Any]
_PIECES_OF_A_CALL = 32
"""So that threads end at about the same time."""
_LEAST_PIECES = 24
"""Fewer are read sooner than a thread begins."""
_MOST_SUM = 1 << 62
_MOST_TEXT_BYTES = 65_536
"""Of a row block: more are left to whoever may read the whole chunk."""


class _Files(dict[str, int]):
    """Partition -> descriptor, open until `until` closes; raises OSError."""

    def __init__(self, files: HasFiles, until: ExitStack) -> None:
        super().__init__()
        self._files = files
        self._until = until

    def __missing__(self, name: str) -> int:
        found = self[name] = self._until.enter_context(self._files.opened(name))
        return found


class _Part(NamedTuple):
    """One part of a column while it is read.

    Attributes
    ----------
    out
        Its values, or those of the bases of differences.
    sums
        For lengths of strings, the sums of the codes before them in their pages.
    words
        The words of differences.
    pieces, differences
        What the compiled reader takes for `out` and for `words`.
    deltas
        (scale, zeros) -> places of differences.
    chunks
        How many there are.
    """

    out: Array
    sums: Array | None
    words: Array | None
    pieces: list[ChunkRows]
    differences: list[ChunkRows]
    deltas: dict[tuple[int, int], list[int]]
    chunks: int


class ColumnRows:
    """Reads rows of columns; safe to use from several threads.

    Parameters
    ----------
    files
        Where partitions are files of this host.
    zeros
        (address, scale) of a base -> its :func:`~mistique_core.dedup.delta.base_zeros`, as far as they are known.
    threads
        Who shares in the work.
    text_index
        Where strings begin, as far as it is known.
    """

    def __init__(
        self, files: HasFiles, zeros: LruCache[tuple[bytes, int], int], threads: SideBySide, text_index: TextIndex
    ) -> None:
        self._files = files
        self._zeros = zeros
        self._threads = threads
        self._text_index = text_index

    def read(
        self,
        columns: Mapping[VersionKey, Sequence[StoredBlock]],
        wanted: RowPlaces,
        bases: Mapping[int, StoredChunk],
        tally: ReadTally | None,
    ) -> dict[VersionKey, dict[str, Array]]:
        """Return the parts of columns, verified; a column that has to be read in another way is left out.

        Parameters
        ----------
        columns
            Column version -> the chunks of each wanted row block.
        wanted
            Which rows.
        bases
            Row in the catalogue -> chunk that others are differences to.
        tally
            Counts what was fetched.
        """
        if page_kernels is None or max(map(len, wanted.rows), default=0) > MOST_POINTS:
            return {}
        groups = _groups(columns, len(wanted.blocks))
        with ExitStack() as until:
            files = _Files(self._files, until)

            def run(number: int) -> tuple[dict[VersionKey, dict[str, Array]], int, int]:
                return self._read_group({key: columns[key] for key in groups[number]}, wanted, bases, files)

            if len(columns) * len(wanted.blocks) < _LEAST_PIECES:
                made = [run(number) for number in range(len(groups))]
            else:
                made = self._threads.run(run, len(groups))
        found: dict[VersionKey, dict[str, Array]] = {}
        for parts, chunks, size in made:
            found.update(parts)
            if tally is not None:
                tally.chunks += chunks
                tally.stored_bytes += size
        return found

    def _read_group(
        self,
        columns: Mapping[VersionKey, Sequence[StoredBlock]],
        wanted: RowPlaces,
        bases: Mapping[int, StoredChunk],
        files: _Files,
    ) -> tuple[dict[VersionKey, dict[str, Array]], int, int]:
        """Return the parts of some columns, the number of their chunks, and the bytes that were read of them."""
        assert page_kernels is not None
        ready: dict[VersionKey, dict[str, _Part]] = {}
        try:
            for key, blocks in columns.items():
                parts = self._prepare(blocks, wanted, bases, files)
                if parts is not None:
                    ready[key] = parts
            every = [part for parts in ready.values() for part in parts.values()]
            size = page_kernels.rows([(part.out, part.sums, part.pieces) for part in every])
            if size < 0:
                return {}, 0, 0
            for part in every:
                if part.words is not None:
                    more = page_kernels.rows([(part.words, None, part.differences)])
                    if more < 0:
                        return {}, 0, 0
                    size += more
                    _undo_deltas(part.out, part.words, part.deltas)
            chunks = sum([part.chunks for part in every])
            found = {key: {name: part.out for name, part in parts.items()} for key, parts in ready.items()}
            for key, parts in ready.items():
                if "lengths" in parts:
                    text = self._text(columns[key], parts["lengths"], wanted, files)
                    if text is None:
                        return {}, 0, 0
                    found[key]["text"], more = text
                    chunks += len(wanted.blocks)
                    size += more
        except (OSError, CorruptPartitionError):
            return {}, 0, 0
        return found, chunks, size

    def _prepare(
        self, blocks: Sequence[StoredBlock], wanted: RowPlaces, bases: Mapping[int, StoredChunk], files: _Files
    ) -> dict[str, _Part] | None:
        """Return the parts of a column but its text; ``None`` where they cannot be read here."""
        alone = [block.alone for block in blocks]
        if None not in alone:
            part = _plain_part([chunk for chunk in alone if chunk is not None], wanted, files)
            return None if part is None else {"values": part}
        names = list(dict.fromkeys(name for block in blocks for name in block))
        made: dict[str, _Part] = {}
        for name in names:
            if name == "text":
                if "lengths" not in names or not all("text" in block and has_spans(block["text"]) for block in blocks):
                    return None
                continue
            with_sums = name == "lengths"
            if with_sums and not all(name in block and self._text_index.pages(block[name]) for block in blocks):
                return None
            part = self._part(name, blocks, wanted, bases, files, with_sums)
            if part is None:
                return None
            made[name] = part
        return made

    def _part(
        self,
        name: str,
        blocks: Sequence[StoredBlock],
        wanted: RowPlaces,
        bases: Mapping[int, StoredChunk],
        files: _Files,
        with_sums: bool,
    ) -> _Part | None:
        pieces: list[ChunkRows] = []
        differences: list[ChunkRows] = []
        deltas: dict[tuple[int, int], list[int]] = {}
        dtype = ""
        for number, block in enumerate(blocks):
            chunk = block.get(name)
            if chunk is None:
                continue
            location = chunk.location
            how = location.for_rows
            if how is None or location.dtype != (dtype or location.dtype):
                return None
            dtype = location.dtype
            cuts = wanted.cuts[number]
            piece = files[chunk.partition], how[0], how[1], cuts
            if chunk.base is None:
                pieces.append(piece)
                continue
            base, codec = bases.get(chunk.base), location.codec
            if base is None or codec is None or not has_same_points(chunk, base):
                return None
            zeros = self._zeros.get((base.address, codec.transform.scale))
            how = base.location.for_rows
            if zeros is None or how is None:
                return None
            differences.append(piece)
            pieces.append((files[base.partition], how[0], how[1], cuts))
            deltas.setdefault((codec.transform.scale, zeros), []).extend(wanted.places[number])
        if len(pieces) == len(blocks):
            out = np.empty(wanted.count, dtype)
        elif name == "missing":  # nothing is missing from a block that does not say what is
            out = np.zeros(wanted.count, dtype)
        else:
            return None
        sums = np.empty(wanted.count, np.int64) if with_sums else None
        words = np.empty(wanted.count, f"<u{out.itemsize}") if deltas else None
        return _Part(out, sums, words, pieces, differences, deltas, len(pieces))

    def _text(
        self, blocks: Sequence[StoredBlock], lengths: _Part, wanted: RowPlaces, files: _Files
    ) -> tuple[Array, int] | None:
        """Return the strings of a column end to end, and the bytes that were read; ``None`` where they lie outside."""
        assert page_kernels is not None
        assert lengths.sums is not None
        sizes, sums = lengths.out.tolist(), lengths.sums.tolist()
        if min(sizes) < 0 or min(sums) < 0:
            return None
        at = list(accumulate(sizes, initial=0))
        if at[-1] > _MOST_TEXT_BYTES * len(blocks):
            return None
        pieces: list[ChunkRows] = []
        for block, rows, places in zip(blocks, wanted.rows, wanted.places, strict=True):
            text, codec = block["text"], block["lengths"].location.codec
            index = self._text_index.pages(block["lengths"])
            how = text.location.for_rows
            if index is None or codec is None or how is None:
                return None
            step = codec.rows
            base = codec.transform.base if codec.transform.kind == "offset" else 0
            cuts: list[int] = []
            for row, place in zip(rows, places, strict=True):
                before = sums[place] + base * (row % step)
                start, size = index[row // step] + before, sizes[place]
                if not 0 <= before < _MOST_SUM or start + size > text.location.shape[0]:
                    return None
                if size:
                    cuts += (start, size, at[place])
            pieces.append((files[text.partition], how[0], how[1], struct.pack(f"={len(cuts)}q", *cuts)))
        out = np.empty(at[-1], np.uint8)
        read = page_kernels.spans([(out, None, pieces)])
        return None if read < 0 else (out, read)


def _plain_part(chunks: Sequence[PlainChunk], wanted: RowPlaces, files: _Files) -> _Part | None:
    dtype = chunks[0].dtype
    pieces: list[ChunkRows] = []
    for (other, partition, spec, frames), cuts in zip(chunks, wanted.cuts, strict=True):
        if other != dtype:
            return None
        pieces.append((files[partition], spec, frames, cuts))
    return _Part(np.empty(wanted.count, dtype), None, None, pieces, [], {}, len(pieces))


def _groups(columns: Mapping[VersionKey, Sequence[StoredBlock]], blocks: int) -> list[list[VersionKey]]:
    """Return which columns are read together; first those of text, each by itself, because they take two steps."""
    alone = [key for key, chunks in columns.items() if "text" in chunks[0]]
    others = [key for key, chunks in columns.items() if "text" not in chunks[0]]
    size = -(-_PIECES_OF_A_CALL // max(blocks, 1))
    return [[key] for key in alone] + [others[start : start + size] for start in range(0, len(others), size)]


def _undo_deltas(bases: Array, words: Array, deltas: Mapping[tuple[int, int], list[int]]) -> None:
    """Put the values of differences in the places of those of their bases."""
    for (scale, zeros), places in deltas.items():
        bases[places] = apply_delta(bases[places], words[places], scale, zeros)
