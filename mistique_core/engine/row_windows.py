"""A stored intermediate by windows of rows: neither all its row ids nor all of a column are ever in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.intermediates import ColumnRecord, IntermediateRecord
from mistique_core.engine.block_zones import BlockZones
from mistique_core.engine.chunk_reader import ReadTally
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.frames import ROW_ID, LogicalType, decode_column

Array = npt.NDArray[Any]
Positions = npt.NDArray[np.intp]
Read = Callable[[], AbstractContextManager[sa.Connection]]

WINDOW_BYTES = 64 * 1024 * 1024
"""A window holds the rows of the longest row blocks whose values, as logged, take no more than this."""


@dataclass
class ScanTally(ReadTally):
    """What a scan fetched, and what it left unread because no wanted row lies there.

    Attributes
    ----------
    skipped_bytes
        Encoded bytes of the chunks that were skipped.
    windows, skipped_windows
        Windows of rows in all, and those of which nothing but a predicate's columns was read.
    """

    skipped_bytes: int = 0
    windows: int = 0
    skipped_windows: int = 0


@dataclass(frozen=True)
class Window:
    """Consecutive rows, from `start` (inclusive) to `stop` (exclusive) in stored order."""

    start: int
    stop: int

    def positions(self, mask: npt.NDArray[np.bool_] | None = None) -> Positions:
        """Return the positions of its rows, or of those where `mask` (bool, one a row) holds."""
        if mask is None:
            return np.arange(self.start, self.stop, dtype=np.intp)
        return self.start + np.flatnonzero(mask)


@dataclass(frozen=True)
class RowsOf:
    """Some rows.

    Attributes
    ----------
    frame
        Columns of plain values; its index, named ``row_id``, holds the row ids where they were asked for.
    maps
        Column -> values of shape ``(n_rows, *map_shape)``.
    """

    frame: pd.DataFrame
    maps: Mapping[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)


class RowSource(Protocol):
    """Something that gives the rows of an intermediate by windows.

    Attributes
    ----------
    record
        The intermediate.
    columns
        Its columns by name, ``row_id`` included.
    reads_columns
        Whether columns are had one by one; else asking for two takes no longer than for one.
    """

    record: IntermediateRecord
    columns: Mapping[str, ColumnRecord]
    reads_columns: bool

    def windows(self, names: Iterable[str]) -> list[Window]:
        """Return windows that hold all rows once, in stored order, for reading some columns."""

    def zones(self, name: str) -> BlockZones | None:
        """Return the ranges of the stored numbers of a column; ``None`` where nobody knows them."""

    def rows(self, names: Sequence[str], positions: Positions, tally: ScanTally) -> RowsOf:
        """Return columns at some positions, ascending, of one window."""

    def count_skipped(self, names: Iterable[str], windows: Sequence[Window], tally: ScanTally) -> None:
        """Count what reading some columns of some windows would have fetched."""


def with_row_ids(record: IntermediateRecord, columns: Iterable[ColumnRecord]) -> dict[str, ColumnRecord]:
    """Return columns by name, the first of which are the row ids."""
    ids = ColumnRecord(ROW_ID, record.row_id_version, LogicalType("numeric", "<i8").to_json(), 8 * record.ref.rows)
    return {ROW_ID: ids, **{column.name: column for column in columns if column.name != ROW_ID}}


def map_shape(column: ColumnRecord) -> tuple[int, ...]:
    """Return the shape of one value of a column; () where it is no map."""
    return LogicalType.from_json(column.logical_type).map_shape


class StoredRows:
    """The rows of what is stored; see :class:`RowSource`.

    Parameters
    ----------
    reader
        Reads columns. What it keeps in memory is what a scan keeps, besides a window.
    read
        Opens a connection.
    record
        The intermediate.
    columns
        Those of its columns that are stored.
    """

    reads_columns = True

    def __init__(
        self, reader: FrameReader, read: Read, record: IntermediateRecord, columns: Iterable[ColumnRecord]
    ) -> None:
        self._reader = reader
        self._read = read
        self.record = record
        self.columns: Mapping[str, ColumnRecord] = with_row_ids(record, columns)

    def windows(self, names: Iterable[str]) -> list[Window]:
        """Return windows of one row block of the columns, of the longest blocks that fit :data:`WINDOW_BYTES`."""
        rows = self.record.ref.rows
        chosen = [self.columns[name] for name in names]
        with self._read() as connection:
            self._reader.versions.find(connection, [column.version for column in chosen])
            sizes = {self._reader.versions.get(connection, column.version).block_rows for column in chosen}
        row_bytes = sum(column.logical_bytes for column in chosen) / max(rows, 1)
        fitting = [size for size in sizes if size * row_bytes <= WINDOW_BYTES]
        step = max(fitting, default=min(sizes, default=max(rows, 1)))
        return [Window(start, min(start + step, rows)) for start in range(0, rows, step)]

    def zones(self, name: str) -> BlockZones | None:
        """Return the ranges of the row blocks of a column of numbers, datetimes or durations."""
        with self._read() as connection:
            kinds = ("numeric", "nullable", "datetime", "datetime_tz", "timedelta")
            return self._reader.zones(connection, self.columns[name], kinds)

    def rows(self, names: Sequence[str], positions: Positions, tally: ScanTally) -> RowsOf:
        """Return columns at some positions; see :meth:`RowSource.rows`."""
        plain = [self.columns[name] for name in names if name != ROW_ID and not map_shape(self.columns[name])]
        mapped = [self.columns[name] for name in names if map_shape(self.columns[name])]
        with self._read() as connection:
            ids = positions
            if ROW_ID in names:
                version = self.record.row_id_version
                ids = np.asarray(decode_column(self._reader.columns(connection, [version], positions, tally)[version]))
            frame = self._reader.frame_of(connection, plain, ids.astype(np.int64, copy=False), positions, tally)
            units = self._reader.units(connection, mapped, positions, tally) if mapped else {}
        return RowsOf(frame, {column.name: units[column.version, column.unit or 0] for column in mapped})

    def count_skipped(self, names: Iterable[str], windows: Sequence[Window], tally: ScanTally) -> None:
        """Count the chunks of the row blocks that lie in some windows."""
        if not windows:
            return
        by_size: dict[int, list[Any]] = {}
        with self._read() as connection:
            for name in names:
                version = self.columns[name].version
                size = self._reader.versions.get(connection, version).block_rows
                by_size.setdefault(size, []).append(version)
            for size, versions in by_size.items():
                numbers = sorted({block for window in windows for block in _inside(window, size, self.record.ref.rows)})
                chunks, stored = self._reader.stored_size(connection, versions, numbers)
                tally.skipped_chunks += chunks
                tally.skipped_bytes += stored


def _inside(window: Window, size: int, rows: int) -> range:
    """Return the row blocks of `size` rows that lie in a window."""
    last = -(-rows // size) if window.stop == rows else window.stop // size
    return range(-(-window.start // size), last)
