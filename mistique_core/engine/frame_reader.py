"""Reading columns and rows of intermediates, and fitted objects."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.chunks import chunk_by_id, column_chunks
from mistique_core.catalogue.intermediates import ColumnRecord, IntermediateRecord, columns_of
from mistique_core.catalogue.stages import FittedRecord
from mistique_core.catalogue.tables import column_version
from mistique_core.engine.chunk_reader import ChunkReader, ReadTally
from mistique_core.fitted import load_fitted
from mistique_core.frames import ROW_ID, EncodedColumn, LogicalType, decode_column, join_blocks, take_rows

RowIds = npt.NDArray[np.int64]
_ROW_IDS_KEPT = 32


class FrameReader:
    """Reads what the catalogue points to.

    Parameters
    ----------
    chunks
        Fetches and verifies chunks.
    """

    def __init__(self, chunks: ChunkReader) -> None:
        self._chunks = chunks
        self._row_ids: OrderedDict[int, RowIds] = OrderedDict()
        self._lock = threading.Lock()

    def row_ids(self, connection: sa.Connection, record: IntermediateRecord, tally: ReadTally | None = None) -> RowIds:
        """Return the row ids of an intermediate, int64 (n_rows,), in stored order."""
        version = record.row_id_version
        with self._lock:
            if version in self._row_ids:
                self._row_ids.move_to_end(version)
                return self._row_ids[version]
        values = decode_column(self.columns(connection, [version], tally=tally)[version])
        ids = np.asarray(values, dtype=np.int64)
        with self._lock:
            self._row_ids[version] = ids
            while len(self._row_ids) > _ROW_IDS_KEPT:
                self._row_ids.popitem(last=False)
        return ids

    def columns(
        self,
        connection: sa.Connection,
        versions: Sequence[int],
        positions: npt.NDArray[np.intp] | None = None,
        tally: ReadTally | None = None,
    ) -> dict[int, EncodedColumn]:
        """Read column versions, or only the rows at `positions` (from 0, in that order).

        Only the row blocks that hold a wanted row are read.
        """
        rows = connection.execute(sa.select(column_version).where(column_version.c.id.in_(set(versions)))).all()
        parents = sorted({row.categories_id for row in rows if row.categories_id is not None})
        categories = self.columns(connection, parents, tally=tally) if parents else {}
        found: dict[int, EncodedColumn] = {}
        for block_rows in {row.block_rows for row in rows}:
            group = [row for row in rows if row.block_rows == block_rows]
            wanted = None if positions is None else np.unique(positions // block_rows)
            numbers = None if wanted is None else [int(number) for number in wanted]
            blocks: dict[int, dict[int, dict[str, Any]]] = {row.id: {} for row in group}
            for version, part, block, chunk in column_chunks(connection, [row.id for row in group], numbers):
                blocks[version].setdefault(block, {})[part] = self._chunks.read(chunk, tally)
            for row in group:
                logical = LogicalType.from_json(row.logical_type)
                ordered = [blocks[row.id][number] for number in sorted(blocks[row.id])]
                column = join_blocks(logical, ordered, categories.get(row.categories_id))
                if positions is not None and wanted is not None:
                    within = np.searchsorted(wanted, positions // block_rows) * block_rows + positions % block_rows
                    column = take_rows(column, within)
                found[row.id] = column
        return found

    def frame(
        self, connection: sa.Connection, record: IntermediateRecord, tally: ReadTally | None = None
    ) -> pd.DataFrame:
        """Return a whole intermediate with its row ids as index named ``row_id``."""
        columns = columns_of(connection, record.ref.id)
        encoded = self.columns(connection, [column.version_id for column in columns], tally=tally)
        return to_frame(columns, encoded, self.row_ids(connection, record, tally))

    def fitted(self, connection: sa.Connection, record: FittedRecord) -> Any:
        """Return a fitted object."""
        return load_fitted(record.format, self._chunks.read(chunk_by_id(connection, record.chunk_id)).tobytes())


def to_frame(columns: Sequence[ColumnRecord], encoded: dict[int, EncodedColumn], row_ids: RowIds) -> pd.DataFrame:
    """Return decoded columns as a frame indexed by row id."""
    index = pd.Index(row_ids, name=ROW_ID)
    data = {}
    for column in columns:
        values = decode_column(encoded[column.version_id])
        data[column.name] = pd.Series(values, index=index, dtype=values.dtype, name=column.name)
    return pd.DataFrame(data, index=index, columns=pd.Index([column.name for column in columns]), copy=False)
