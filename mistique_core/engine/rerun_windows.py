"""An intermediate that is not stored, by windows of rows: each made again, where its stages go row by row, or held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mistique_core.catalogue.intermediates import ColumnRecord, IntermediateRecord
from mistique_core.engine.block_zones import BlockZones
from mistique_core.engine.frame_reader import FrameReader, is_units
from mistique_core.engine.rerun import rerun_rows
from mistique_core.engine.rerun_tally import RerunTally
from mistique_core.engine.row_windows import Positions, Read, RowsOf, ScanTally, Window, map_shape, with_row_ids
from mistique_core.engine.units_rerun import UnitsRerunner
from mistique_core.frames import ROW_ID, decode_column
from mistique_core.planner import TargetPlan


class RerunRows:
    """The rows of what is re-run, window by window; see :class:`~mistique_core.engine.row_windows.RowSource`.

    What a stage begins with is found by row id: the row ids of that, and no other whole column, are kept in memory.

    Parameters
    ----------
    reader
        Reads what a re-run begins with.
    read
        Opens a connection.
    record
        The intermediate.
    columns
        All its columns.
    plan
        How rows of it are made: one with :attr:`~mistique_core.planner.TargetPlan.by_rows`.
    units
        Re-runs layers.
    """

    reads_columns = False

    def __init__(
        self,
        reader: FrameReader,
        read: Read,
        record: IntermediateRecord,
        columns: Iterable[ColumnRecord],
        plan: TargetPlan,
        units: UnitsRerunner,
    ) -> None:
        self._reader = reader
        self._read = read
        self._made = list(columns)
        self._plan = plan
        self._units = units
        self.record = record
        self.columns: Mapping[str, ColumnRecord] = with_row_ids(record, self._made)

    def windows(self, names: Iterable[str]) -> list[Window]:
        """Return windows of one row block of the row ids."""
        rows = self.record.ref.rows
        with self._read() as connection:
            step = self._reader.versions.get(connection, self.record.row_id_version).block_rows
        return [Window(start, min(start + step, rows)) for start in range(0, rows, step)]

    def zones(self, name: str) -> BlockZones | None:
        """Return the ranges of the row ids; those of all else are not known before it is made."""
        if name != ROW_ID:
            return None
        with self._read() as connection:
            return self._reader.zones(connection, self.columns[name])

    def rows(self, names: Sequence[str], positions: Positions, tally: ScanTally) -> RowsOf:
        """Make the rows at some positions, and return some columns of them."""
        version = self.record.row_id_version
        took = RerunTally(read=tally)
        with self._read() as connection:
            ids = np.asarray(decode_column(self._reader.columns(connection, [version], positions, tally)[version]))
            ids = ids.astype(np.int64, copy=False)
            wanted = [name for name in names if name != ROW_ID]
            if not any(is_units(column) and column.unit is not None for column in self._made):
                frame = rerun_rows(connection, self._plan, self.record, self._reader, ids, took)
                return RowsOf(frame[wanted])
            made = self._units.rerun(connection, self._plan, self.record, self._made, ids, took)
        mapped = [name for name in wanted if map_shape(self.columns[name])]
        frame = made.frame([(name, name) for name in wanted if name not in mapped], None)
        return RowsOf(frame, {name: made.take([name], None)[..., 0] for name in mapped})

    def count_skipped(self, names: Iterable[str], windows: Sequence[Window], tally: ScanTally) -> None:
        """Count nothing: what is not made would have been read from elsewhere."""


class HeldRows:
    """The rows of what is in memory; see :class:`~mistique_core.engine.row_windows.RowSource`.

    Parameters
    ----------
    record, columns
        The intermediate, and all its columns.
    made
        All its rows, index ``row_id``.
    """

    reads_columns = False

    def __init__(self, record: IntermediateRecord, columns: Iterable[ColumnRecord], made: RowsOf) -> None:
        self._made = made
        self.record = record
        self.columns: Mapping[str, ColumnRecord] = with_row_ids(record, columns)

    def windows(self, names: Iterable[str]) -> list[Window]:
        """Return one window."""
        return [Window(0, len(self._made))] if len(self._made) else []

    def zones(self, name: str) -> BlockZones | None:
        """Return ``None``: there is nothing to leave unread."""
        return None

    def rows(self, names: Sequence[str], positions: Positions, tally: ScanTally) -> RowsOf:
        """Return columns at some positions."""
        maps = {name: values[positions] for name, values in self._made.maps.items() if name in names}
        plain = [name for name in names if name != ROW_ID and name not in maps]
        return RowsOf(self._made.frame[plain].iloc[positions], maps)

    def count_skipped(self, names: Iterable[str], windows: Sequence[Window], tally: ScanTally) -> None:
        """Count nothing."""
