"""A table by row blocks: each is re-run from the same rows of what it came from, to the chunks that were recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import sqlalchemy as sa

from mistique_core.catalogue.captures import CapturedRows
from mistique_core.catalogue.chunks import version_records
from mistique_core.catalogue.facts import gather_facts
from mistique_core.catalogue.intermediates import ColumnRecord, IntermediateRecord
from mistique_core.cost import NO_RATES, WantedRows
from mistique_core.engine.frame_blocks import FrameBlock, assemble
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.frame_stream import FrameStream
from mistique_core.engine.rerun import rerun_rows
from mistique_core.engine.rerun_tally import RerunTally
from mistique_core.engine.unit_keep import EncodedUnits, recorded_addresses
from mistique_core.engine.unit_stream import EncodedRows
from mistique_core.errors import InvalidInputError
from mistique_core.planner import TargetPlan, plan_target

_WINDOW_BYTES = 64 * 1024 * 1024


class TableBlocks:
    """The row blocks of a table, see :class:`mistique_core.engine.row_blocks.RowBlocks`.

    Parameters
    ----------
    reader
        Reads what a re-run begins with.
    record
        The table.
    plan
        Of re-running some of its rows.
    rows
        Rows of a row block.
    recorded
        Position -> address of the column that is stored there, or was.
    """

    def __init__(
        self,
        reader: FrameReader,
        record: IntermediateRecord,
        plan: TargetPlan,
        rows: int,
        recorded: Mapping[int, bytes],
    ) -> None:
        self._reader = reader
        self._record = record
        self._plan = plan
        self._what = f"the re-run of {record.ref.intermediate}"
        self.rows = rows
        self.recorded = recorded

    @classmethod
    def of(
        cls,
        connection: sa.Connection,
        reader: FrameReader,
        record: IntermediateRecord,
        columns: Sequence[ColumnRecord],
    ) -> TableBlocks:
        """Return the row blocks of a table that is stored, or was.

        Raises
        ------
        InvalidInputError
            If its rows cannot be re-run without all others, or it is stored by a lossy scheme.
        RerunError
            If it cannot be re-run at all.
        """
        name = record.ref.intermediate
        if any(column.scheme is not None for column in columns):
            raise InvalidInputError(
                f"{name} is a table that was stored by the scheme {record.scheme}, and is re-run as a whole; ask for "
                "it with get_intermediates"
            )
        facts = gather_facts(connection, record)
        rows = version_records(connection, [record.row_id_version.id])[0].block_rows
        plan = plan_target(record.ref.id, facts.facts(list(facts.columns), NO_RATES), "rerun", WantedRows(rows))
        if not plan.by_rows:
            raise InvalidInputError(
                f"{name} is a table whose rows cannot be re-run without all others; ask for it with get_intermediates"
            )
        return cls(reader, record, plan, rows, recorded_addresses(columns))

    @property
    def count(self) -> int:
        """Number of row blocks."""
        return -(-self._record.ref.rows // self.rows)

    def run(
        self, connection: sa.Connection, plan: TargetPlan, numbers: Sequence[int], tally: RerunTally
    ) -> Iterator[tuple[int, EncodedRows]]:
        """Yield (number, chunks) of some row blocks, in order; a few are in memory at a time.

        Parameters
        ----------
        connection
            A connection.
        plan
            Of re-running all rows, which is not needed here.
        numbers
            Row blocks, in order.
        tally
            Told what the stages took.

        Raises
        ------
        RerunError
            If a stage cannot be rebuilt, fails or leaves out a row.
        """
        ids = self._reader.row_index(connection, self._record).ids
        row_bytes = max(self._record.logical_bytes // max(self._record.ref.rows, 1), 1)
        at_once = max(_WINDOW_BYTES // (row_bytes * self.rows), 1)
        for start in range(0, len(numbers), at_once):
            window = numbers[start : start + at_once]
            wanted = np.concatenate([ids[number * self.rows : (number + 1) * self.rows] for number in window])
            frame = rerun_rows(connection, self._plan, self._record, self._reader, wanted, tally)
            stream = FrameStream(self.rows, self._what, derived=True)
            for number, made in zip(window, stream.add(frame, is_whole=True), strict=True):
                block = FrameBlock(number, made.block.rows, made.block.columns)
                captured = block.to_captured(0, {})
                yield number, EncodedRows(captured.chunks, made.arrays, (), captured.facts)

    def columns(self, blocks: Sequence[CapturedRows]) -> EncodedUnits:
        """Return the column versions that the chunks of all row blocks make; their arrays are stored already.

        Raises
        ------
        InvalidInputError
            If row blocks differ in their columns or types, which no recorded table does.
        """
        frame = assemble([FrameBlock.from_captured(block) for block in blocks], self.rows, self._what)
        return EncodedUnits(dict(enumerate(frame.versions)), {}, frame.categories)
