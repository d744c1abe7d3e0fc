"""A layer of a network by row blocks: each is re-run by itself, in any process, to the chunks that were recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import sqlalchemy as sa

from mistique_core.catalogue.captures import CapturedRows
from mistique_core.catalogue.intermediates import ColumnRecord, IntermediateRecord
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.rerun_tally import RerunTally
from mistique_core.engine.unit_keep import (
    EncodedUnits,
    Pooled,
    batch_rows_of,
    codec_of,
    pooled_rows,
    pooling_of,
    recorded_addresses,
)
from mistique_core.engine.unit_stream import EncodedRows, UnitCodec
from mistique_core.engine.units_rerun import UnitsRerunner
from mistique_core.planner import TargetPlan


class LayerBlocks:
    """The row blocks of a layer, see :class:`mistique_core.engine.row_blocks.RowBlocks`.

    A row block is a batch as it was captured, because the same rows in batches of another length may differ in the
    last bits.

    Parameters
    ----------
    reader, units
        Read what a re-run begins with, and re-run layers.
    record
        The layer.
    codec, pooling
        How it was quantized, and what pools its maps before that.
    batch_rows
        Rows of a row block.
    recorded
        Position -> address of what is stored there, or was.
    """

    def __init__(
        self,
        reader: FrameReader,
        units: UnitsRerunner,
        record: IntermediateRecord,
        codec: UnitCodec,
        pooling: Pooled | None,
        batch_rows: int,
        recorded: Mapping[int, bytes],
    ) -> None:
        self._reader = reader
        self._units = units
        self._record = record
        self._codec = codec
        self._pooling = pooling
        self.rows = batch_rows
        self.recorded = recorded

    @classmethod
    def of(
        cls,
        connection: sa.Connection,
        reader: FrameReader,
        units: UnitsRerunner,
        record: IntermediateRecord,
        columns: Sequence[ColumnRecord],
    ) -> LayerBlocks:
        """Return the row blocks of a layer that is stored, or was.

        Raises
        ------
        NotMaterializedError
            If it was let go without a record of how it was stored.
        """
        codec = codec_of(connection, reader, record, columns)
        return cls(
            reader,
            units,
            record,
            codec,
            pooling_of(connection, record, codec),
            batch_rows_of(connection, record, codec),
            recorded_addresses(columns),
        )

    @property
    def count(self) -> int:
        """Number of row blocks."""
        return -(-self._record.ref.rows // self.rows)

    def run(
        self, connection: sa.Connection, plan: TargetPlan, numbers: Sequence[int], tally: RerunTally
    ) -> Iterator[tuple[int, EncodedRows]]:
        """Yield (number, chunks) of some row blocks, in order; one is in memory at a time.

        Raises
        ------
        RerunError
            If a layer cannot be rebuilt or fails.
        """
        if not numbers:
            return
        ids = self._reader.row_index(connection, self._record).ids
        wanted = np.concatenate([ids[number * self.rows : (number + 1) * self.rows] for number in numbers])
        batches = self._units.exact_batches(connection, plan, self._record, wanted, self.rows, tally)
        for number, batch in zip(numbers, batches, strict=True):
            values, error = pooled_rows(batch, self._pooling)
            yield number, self._codec.encode(number * self.rows, values, pooling_error=error)

    def columns(self, blocks: Sequence[CapturedRows]) -> EncodedUnits:
        """Return the column versions that the chunks of all row blocks make, with the arrays of fitted tables only."""
        errors = [max(values) for values in zip(*(block.errors for block in blocks), strict=True)]
        chunks = [chunk for block in blocks for chunk in block.chunks]
        columns = self._codec.columns(self._record.ref.rows, chunks, errors)
        return EncodedUnits(dict(enumerate(columns)), self._codec.tables().arrays)
