"""What can be re-run row block by row block, by several processes: the contract, and which kind an intermediate is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import sqlalchemy as sa

from mistique_core.catalogue.captures import CapturedRows
from mistique_core.catalogue.intermediates import IntermediateRecord, columns_of
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.layer_blocks import LayerBlocks
from mistique_core.engine.rerun_tally import RerunTally
from mistique_core.engine.table_blocks import TableBlocks
from mistique_core.engine.unit_keep import EncodedUnits, is_layer
from mistique_core.engine.unit_stream import EncodedRows
from mistique_core.engine.units_rerun import UnitsRerunner
from mistique_core.planner import TargetPlan


class RowBlocks(Protocol):
    """The row blocks of one intermediate, each of which can be re-run without the others.

    Attributes
    ----------
    rows
        Rows of a row block; the last one may have fewer.
    recorded
        Position -> address of the column version that is stored there, or was.
    """

    rows: int
    recorded: Mapping[int, bytes]

    @property
    def count(self) -> int:
        """Number of row blocks."""

    def run(
        self, connection: sa.Connection, plan: TargetPlan, numbers: Sequence[int], tally: RerunTally
    ) -> Iterator[tuple[int, EncodedRows]]:
        """Yield (number, chunks) of some row blocks, in order."""

    def columns(self, blocks: Sequence[CapturedRows]) -> EncodedUnits:
        """Return the column versions that the chunks of all row blocks make, and arrays that are not among these."""


def row_blocks_of(
    connection: sa.Connection, reader: FrameReader, units: UnitsRerunner, record: IntermediateRecord
) -> RowBlocks:
    """Return the row blocks of an intermediate.

    Raises
    ------
    InvalidInputError
        If it is a table whose rows cannot be re-run without all others.
    NotMaterializedError
        If it was let go without a record of how it was stored.
    """
    columns = columns_of(connection, record.ref.id)
    if is_layer(columns):
        return LayerBlocks.of(connection, reader, units, record, columns)
    return TableBlocks.of(connection, reader, record, columns)
