"""An intermediate as one array of units, some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.intermediates import IntermediateRecord, columns_of
from mistique_core.engine.chunk_reader import ReadTally
from mistique_core.engine.frame_reader import FrameReader, is_units
from mistique_core.native import kernels

Array = npt.NDArray[Any]
_VALUES_AT_ONCE = 1 << 20
"""So many values stay in the processor's cache while they change places."""


def units_last(units: Sequence[Array]) -> Array:
    """Return units side by side, as a network has them: ``np.stack(units, axis=-1)``, several times as fast for maps.

    Parameters
    ----------
    units
        At least one array ``(rows, *map_shape)``, all of one shape and dtype.
    """
    made = np.empty((*units[0].shape, len(units)), units[0].dtype)
    if kernels is not None and made.dtype.itemsize in (1, 2, 4, 8) and all(unit.flags.c_contiguous for unit in units):
        kernels.interleave(list(units), made.dtype.itemsize, made)
        return made
    step = max(1, _VALUES_AT_ONCE * len(made) // max(made.size, 1))
    for start in range(0, len(made), step):
        rows = slice(start, start + step)
        np.stack([unit[rows] for unit in units], axis=-1, out=made[rows])
    return made


class StoredArray:
    """Reads rows of an intermediate as ``(rows, *map_shape, units)``, from units or from a table of numbers.

    Parameters
    ----------
    reader
        Reads columns.
    read
        Opens a connection.
    record
        The intermediate.
    """

    def __init__(
        self, reader: FrameReader, read: Callable[[], AbstractContextManager[sa.Connection]], record: IntermediateRecord
    ) -> None:
        self._reader = reader
        self._read = read
        self.record = record
        with read() as connection:
            self._columns = columns_of(connection, record.ref.id)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.record.ref.rows

    def row_ids(self) -> npt.NDArray[np.int64]:
        """Return the row ids, int64 (rows,)."""
        with self._read() as connection:
            return self._reader.row_index(connection, self.record).ids

    def take(self, positions: npt.NDArray[np.intp], tally: ReadTally | None = None) -> Array:
        """Return the rows at some positions, in that order; `tally` counts what was fetched."""
        with self._read() as connection:
            if not self._columns or not is_units(self._columns[0]):
                ids = np.arange(len(positions), dtype=np.int64)
                return self._reader.frame_of(connection, self._columns, ids, positions, tally).to_numpy()
            found = self._reader.units(connection, self._columns, positions, tally)
        return units_last([found[column.version, column.unit or 0] for column in self._columns])

    def slice(self, start: int, stop: int) -> Array:
        """Return the rows from `start` (inclusive) to `stop` (exclusive)."""
        return self.take(np.arange(start, min(stop, self.rows), dtype=np.intp))
