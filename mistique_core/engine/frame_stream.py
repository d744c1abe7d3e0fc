"""Frames that follow each other, cut into the row blocks of the one frame that they are together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.engine.column_hasher import HashedColumn, hash_columns
from mistique_core.engine.frame_blocks import MISSING_PART, ColumnBlock, FrameBlock, check_alike
from mistique_core.engine.stored_window import StoredWindow
from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID, LazyFrame, split_row_id

Array = npt.NDArray[Any]
RowIds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class StreamedBlock:
    """A row block, and what of it may have to be written.

    Attributes
    ----------
    block
        The row block.
    arrays
        Address -> array of its chunks, but for those that were passed on unread.
    """

    block: FrameBlock
    arrays: dict[bytes, Array]


class FrameStream:
    """Takes frames one after the other, and gives row blocks as they fill.

    Parameters
    ----------
    block_rows
        Rows of a row block.
    what
        What the frame is, for error messages.
    derived
        Whether the frames were computed from other intermediates, so that they must carry row ids.

    Attributes
    ----------
    rows
        Rows taken so far.
    empty
        The first frame, if it has no rows.
    """

    def __init__(self, block_rows: int, what: str, *, derived: bool) -> None:
        self._block_rows = block_rows
        self._what = what
        self._next = 0
        self._derived = derived
        self._held: list[pd.DataFrame] = []
        self._before: tuple[ColumnBlock, ...] | None = None
        self.rows = 0
        self.empty: pd.DataFrame | None = None

    @property
    def held_rows(self) -> int:
        """Rows that wait for their row block to fill."""
        return sum(len(frame) for frame in self._held)

    def begin_at(self, number: int) -> None:
        """Say which row block comes next, where others before it are skipped; nothing may be held."""
        if self._held:
            raise InvalidInputError(f"{self._what} has {self.held_rows} rows of an unfinished row block")
        self._next = number

    def add(self, frame: pd.DataFrame, *, is_whole: bool = False) -> Iterator[StreamedBlock]:
        """Take a frame; yield the row blocks that are full now.

        Parameters
        ----------
        frame
            Rows that follow those before.
        is_whole
            Whether the frame ends with a row block, which the last one of all may not fill.

        Raises
        ------
        InvalidInputError
            If it cannot be stored, or has other columns or types than those before it.
        """
        what = f"{self._what} from row {self.rows}" if self.rows else self._what
        ids, frame = split_row_id(frame, None, derived=self._derived, what=what)
        if not len(ids):
            if not self.rows and self.empty is None:
                self.empty = pd.DataFrame(frame)
            return
        self.rows += len(ids)
        if isinstance(frame, LazyFrame) and not self._held and (is_whole or len(ids) % self._block_rows == 0):
            yield from self._cut(frame, ids)
            return
        indexed = frame.set_axis(pd.Index(ids, name=ROW_ID), axis=0)
        if self._held:
            self._check_dtypes(indexed)
        total = self.held_rows + len(indexed)
        ready = total if is_whole else total - total % self._block_rows
        if not ready:  # the caller may change its frame as soon as it goes on
            self._held.append(indexed.copy().set_axis(pd.Index(ids.copy(), name=ROW_ID), axis=0))
            return
        self._held.append(indexed)
        whole = self._held[0] if len(self._held) == 1 else pd.concat(self._held)
        self._held = [whole.iloc[ready:].copy()] if ready < total else []
        part = whole if ready == total else whole.iloc[:ready]
        yield from self._cut(part, np.asarray(part.index, dtype=np.int64))

    def finish(self) -> Iterator[StreamedBlock]:
        """Yield what is left, as the last row block."""
        if self._held:
            whole = pd.concat(self._held)
            self._held = []
            yield from self._cut(whole, np.asarray(whole.index, dtype=np.int64))

    def _check_dtypes(self, frame: pd.DataFrame) -> None:
        """Refuse rows whose columns or types :func:`pandas.concat` would change."""
        before = self._held[0]
        if not before.columns.equals(frame.columns) or not _have_same_types(before, frame):
            old, new = (_described(item) for item in (before, frame))
            changed = [
                f"{name}: {new.get(name, 'missing')} after {kind}"
                for name, kind in old.items()
                if new.get(name) != kind
            ]
            changed += [f"{name}: new" for name in new if name not in old]
            raise InvalidInputError(
                f"rows up to {self.rows - 1} of {self._what} have other columns or types than those before them "
                f"({'; '.join(changed) or 'another order'}); give all of them the same, for example by .astype(), or "
                "dtype= where a file is read"
            )

    def _cut(self, frame: pd.DataFrame, ids: RowIds) -> Iterator[StreamedBlock]:
        first, rows = self._next, len(ids)
        count = -(-rows // self._block_rows)
        self._next += count
        columns: dict[str, list[ColumnBlock]] = {}
        arrays: list[dict[bytes, Array]] = [{} for _ in range(count)]
        for name, blocks in _passed_on(frame).items():
            columns[name] = blocks
        items = [] if ROW_ID in columns else [(ROW_ID, pd.Series(ids))]
        items += [(str(name), frame[name]) for name in frame.columns if name not in columns]
        for (name, _), hashed in zip(items, hash_columns(items, self._block_rows, None), strict=True):
            columns[name] = _by_block(name, hashed, count, arrays)
        names = [ROW_ID, *map(str, frame.columns)]
        for place in range(count):
            of_block = min(self._block_rows, rows - place * self._block_rows)
            block = FrameBlock(first + place, of_block, tuple(columns[name][place] for name in names))
            if self._before is not None:
                check_alike(self._before, block.columns, block.number * self._block_rows, block.rows, self._what)
            self._before = block.columns
            yield StreamedBlock(block, arrays[place])


def _by_block(name: str, hashed: HashedColumn, count: int, arrays: list[dict[bytes, Array]]) -> list[ColumnBlock]:
    """Return the row blocks of a column, and add their arrays to those of other columns."""
    version = hashed.versions[-1]
    parent = hashed.versions[0] if len(hashed.versions) > 1 else None
    parts: list[list[tuple[str, bytes]]] = [[] for _ in range(count)]
    sizes = [0] * count
    for part, place, address in version.chunks:
        parts[place].append((part, address))
        arrays[place][address] = hashed.arrays[address].copy()  # what is compressed later must not change meanwhile
        if part != MISSING_PART:
            sizes[place] += hashed.arrays[address].nbytes
    if parent is not None and count:
        arrays[0].update((address, hashed.arrays[address]) for _, _, address in parent.chunks)
    return [
        ColumnBlock(name, version.logical_type, tuple(parts[place]), sizes[place], parent) for place in range(count)
    ]


def _passed_on(frame: pd.DataFrame) -> dict[str, list[ColumnBlock]]:
    """Return the columns of a frame that are stored already and that nothing has looked at, row ids included."""
    untouched = frame.untouched() if isinstance(frame, LazyFrame) else None
    if untouched is None:
        return {}
    source, handles = untouched
    if not isinstance(source, StoredWindow):
        return {}
    found = {ROW_ID: source.row_ids_passed_on()}
    found.update((name, source.passed_on(name, handle)) for name, handle in handles.items())
    return {name: blocks for name, blocks in found.items() if blocks is not None}


def _have_same_types(before: pd.DataFrame, now: pd.DataFrame) -> bool:
    """Whether two frames of the same columns have the same types: of categories, in the same order."""
    return all(
        old == new and (not isinstance(old, pd.CategoricalDtype) or old.categories.equals(new.categories))
        for old, new in zip(before.dtypes, now.dtypes, strict=True)
    )


def _described(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}
