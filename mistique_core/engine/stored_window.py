"""Some rows of a stored intermediate as the source of a lazy frame: what a row-wise stage is given at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.chunks import column_chunks
from mistique_core.catalogue.intermediates import ColumnRecord, IntermediateRecord, VersionKey
from mistique_core.engine.frame_blocks import MISSING_PART, ColumnBlock
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.frames import ROW_ID, LogicalType, decode_column, pandas_dtype


class StoredWindow:
    """Rows that follow each other, read column by column; see :class:`mistique_core.frames.ColumnSource`.

    Parameters
    ----------
    record
        The intermediate.
    first, end
        Positions of its rows, from 0; `end` exclusive.
    reader, connect
        How and over which connections columns are read.
    block_rows
        Rows of a row block of the store.

    Attributes
    ----------
    seconds
        What reading has taken so far.
    """

    def __init__(
        self,
        record: IntermediateRecord,
        first: int,
        end: int,
        reader: FrameReader,
        connect: Callable[[], AbstractContextManager[sa.Connection]],
        block_rows: int,
    ) -> None:
        self.record = record
        self.first = first
        self.rows = end - first
        self.seconds = 0.0
        self._positions = np.arange(first, end, dtype=np.intp)
        self._reader = reader
        self._connect = connect
        self._block_rows = block_rows
        self._index: pd.Index[Any] | None = None

    def index(self) -> pd.Index[Any]:
        """Return the row ids as an index named ``row_id``, the same object each time."""
        if self._index is None:
            start = time.perf_counter()
            version = self.record.row_id_version
            with self._connect() as connection:
                column = self._reader.columns(connection, [version], self._positions)[version]
            self._index = pd.Index(np.asarray(decode_column(column), dtype=np.int64), name=ROW_ID, copy=False)
            self.seconds += time.perf_counter() - start
        return self._index

    def dtype(self, handle: ColumnRecord) -> Any:
        """Return the dtype of a column; ``None`` for a categorical one, whose categories are values."""
        logical = LogicalType.from_json(handle.logical_type)
        return None if logical.kind == "categorical" else pandas_dtype(logical)

    def read(self, handles: Sequence[ColumnRecord]) -> list[pd.Series[Any]]:
        """Return the values of some columns."""
        index = self.index()
        start = time.perf_counter()
        with self._connect() as connection:
            frame = self._reader.frame_of(connection, list(handles), index.to_numpy(), self._positions)
        self.seconds += time.perf_counter() - start
        return [frame[handle.name].set_axis(index) for handle in handles]

    def passed_on(self, name: str, handle: ColumnRecord) -> list[ColumnBlock] | None:
        """Return the row blocks of a column, to be registered again under a name without its values.

        Returns
        -------
        list or None
            One item a row block; ``None`` where the column has to be read.
        """
        if handle.scheme is not None or LogicalType.from_json(handle.logical_type).kind == "categorical":
            return None
        return self._stored_blocks(name, handle.logical_type, handle.version)

    def row_ids_passed_on(self) -> list[ColumnBlock] | None:
        """Return the row ids as they are registered again; see :meth:`passed_on`."""
        return self._stored_blocks(ROW_ID, LogicalType("numeric", "<i8").to_json(), self.record.row_id_version)

    def _stored_blocks(self, name: str, logical_type: str, version: VersionKey) -> list[ColumnBlock] | None:
        start = time.perf_counter()
        with self._connect() as connection:
            self._reader.versions.find(connection, [version])
            if self._reader.versions.block_rows(version) != self._block_rows or self.first % self._block_rows:
                return None
            numbers = range(self.first // self._block_rows, -(-(self.first + self.rows) // self._block_rows))
            parts: dict[int, list[tuple[str, bytes]]] = {number: [] for number in numbers}
            sizes = dict.fromkeys(numbers, 0)
            for _, part, number, chunk in column_chunks(connection, [version.id], list(numbers)):
                parts[number].append((part, chunk.address))
                if part != MISSING_PART:
                    sizes[number] += math.prod(chunk.location.shape) * np.dtype(chunk.location.dtype).itemsize
        self.seconds += time.perf_counter() - start
        if not all(parts.values()):
            return None
        return [ColumnBlock(name, logical_type, tuple(sorted(parts[number])), sizes[number]) for number in numbers]
