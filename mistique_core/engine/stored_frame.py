"""The columns of a stored intermediate as the source of a lazy frame, and as what a later stage passes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.chunks import NewColumn
from mistique_core.catalogue.intermediates import ColumnRecord, IntermediateRecord
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.recent_columns import RecentColumns
from mistique_core.frames import ROW_ID, LogicalType, pandas_dtype


class StoredFrame:
    """One intermediate, read column by column; see :class:`mistique_core.frames.ColumnSource`.

    Attributes
    ----------
    record
        The intermediate.
    seconds
        What reading has taken so far, for whoever times the code that touches the columns.
    """

    def __init__(
        self,
        record: IntermediateRecord,
        reader: FrameReader,
        connect: Callable[[], AbstractContextManager[sa.Connection]],
        block_rows: int,
        recent: RecentColumns,
    ) -> None:
        self.record = record
        self._recent = recent
        self.seconds = 0.0
        self._reader = reader
        self._connect = connect
        self._block_rows = block_rows
        self._index: pd.Index[Any] | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.record.ref.rows

    def index(self) -> pd.Index[Any]:
        """Return the row ids as an index named ``row_id``, the same object each time."""
        if self._index is None:
            with self._timed() as connection:
                self._index = pd.Index(self._reader.row_index(connection, self.record).ids, name=ROW_ID, copy=False)
        return self._index

    def dtype(self, handle: ColumnRecord) -> Any:
        """Return the dtype of a column; ``None`` for a categorical one, whose categories are values."""
        logical = LogicalType.from_json(handle.logical_type)
        return None if logical.kind == "categorical" else pandas_dtype(logical)

    def read(self, handles: Sequence[ColumnRecord]) -> list[pd.Series[Any]]:
        """Return the values of some columns."""
        index = self.index()
        found: dict[int, pd.Series[Any]] = {}
        for place, handle in enumerate(handles):
            kept = self._recent.get(handle.version.address) if handle.scheme is None else None
            if kept is not None:
                found[place] = kept.set_axis(index)
        missing = [place for place in range(len(handles)) if place not in found]
        with self._timed() as connection:
            frame = self._reader.frame_of(connection, [handles[place] for place in missing], index.to_numpy(), None)
            for place in missing:
                found[place] = frame[handles[place].name].set_axis(index)
        for place in missing:
            self._recent.put(handles[place].version.address, found[place])
        return [found[place] for place in range(len(handles))]

    def passed_on(self, handle: ColumnRecord) -> NewColumn | None:
        """Return a column as it is registered again without its values; ``None`` where it has to be read."""
        if handle.scheme is not None or self._reader.versions.block_rows(handle.version) != self._block_rows:
            return None
        return _known(handle.version.address, handle.logical_type, self.rows, self._block_rows, handle.logical_bytes)

    def row_ids_passed_on(self) -> NewColumn | None:
        """Return the row ids as they are registered again without their values; see :meth:`passed_on`."""
        version = self.record.row_id_version
        if self._reader.versions.block_rows(version) != self._block_rows:
            return None
        logical = LogicalType("numeric", "<i8").to_json()
        return _known(version.address, logical, self.rows, self._block_rows, 8 * self.rows)

    def _timed(self) -> _Timed:
        return _Timed(self, self._connect())


class _Timed:
    """A connection whose time counts as reading."""

    def __init__(self, frame: StoredFrame, opened: AbstractContextManager[sa.Connection]) -> None:
        self._frame = frame
        self._opened = opened
        self._start = 0.0

    def __enter__(self) -> sa.Connection:
        self._start = time.perf_counter()
        return self._opened.__enter__()

    def __exit__(self, *exc: Any) -> None:
        self._opened.__exit__(*exc)
        self._frame.seconds += time.perf_counter() - self._start


def _known(address: bytes, logical_type: str, rows: int, block_rows: int, logical_bytes: int) -> NewColumn:
    return NewColumn(address, logical_type, rows, block_rows, logical_bytes, (), None)
