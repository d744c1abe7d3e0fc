"""What is known of all rows of a stored layer without running it: bounds of units, and of distances from a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.intermediates import ColumnRecord, VersionKey
from mistique_core.engine.chunk_reader import ReadTally
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.unit_columns import VALUES
from mistique_core.engine.unit_reader import UnitBlock
from mistique_core.quantizers import Bounds, Centres, FittedQuantizer
from mistique_core.quantizers.quantizer import row_reach, within
from mistique_core.ranking import DistanceBounds, measure_bounds

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.float64]
_BLOCKS_AT_ONCE = 4


class UnitBounds:
    """Reads bounds row block by row block, so that a layer is never in memory as a whole.

    Parameters
    ----------
    reader
        Reads row blocks.
    connection
        A connection.
    rows
        Rows of the intermediate.
    tally
        Counts what was fetched.
    margins
        Whether to use margins where there are any.
    """

    def __init__(
        self,
        reader: FrameReader,
        connection: sa.Connection,
        rows: int,
        tally: ReadTally,
        *,
        margins: bool = True,
    ) -> None:
        self._reader = reader
        self._connection = connection
        self._rows = rows
        self._tally = tally
        self._margins = margins

    def of_measure(self, column: ColumnRecord, by: str) -> tuple[Numbers, Numbers]:
        """Return between what the measure of each row of one unit lies.

        Parameters
        ----------
        column
            The unit.
        by
            See :data:`mistique_core.ranking.BYS`.

        Raises
        ------
        InvalidInputError
            If what is stored bounds no values.
        """
        low, high = np.empty(self._rows), np.empty(self._rows)
        for rows, fitted, block in self._blocks(column.version):
            found = self._bounds(fitted, block, column.max_abs_error, [column.unit or 0])
            low[rows], high[rows] = measure_bounds(found.low[0], found.high[0], by)
        return low, high

    def of_distance(self, columns: Sequence[ColumnRecord], query: Array) -> tuple[Numbers, Numbers]:
        """Return between what the distance of each row from a point lies.

        Parameters
        ----------
        columns
            Units.
        query
            The point, exactly, ``(*map_shape, len(columns))``.
        """
        total = DistanceBounds(self._rows)
        groups: dict[VersionKey, list[int]] = {}
        for place, column in enumerate(columns):
            groups.setdefault(column.version, []).append(place)
        for version, places in groups.items():
            units = [columns[place].unit or 0 for place in places]
            point = np.moveaxis(query[..., places], -1, 0)
            for rows, fitted, block in self._blocks(version):
                centres = self._centres(fitted, block, columns[places[0]].max_abs_error, units)
                products = None
                if fitted is not None and list(units) == list(range(fitted.units)):
                    working = np.float64 if centres.values.dtype == np.float64 else np.float32
                    with np.errstate(over="ignore", invalid="ignore"):
                        others = np.subtract(point[:, None], centres.values, dtype=working)
                    products = fitted.error_products(block.parts, block.rows, others)
                total.add(rows, centres.values, centres.radius, point, centres.least, products)
        return total.bounds()

    def _blocks(self, version: VersionKey) -> Iterator[tuple[slice, FittedQuantizer | None, UnitBlock]]:
        record = self._reader.versions.get(self._connection, version)
        numbers = range(-(-record.rows // record.block_rows))
        for first in range(0, len(numbers), _BLOCKS_AT_ONCE):
            some = numbers[first : first + _BLOCKS_AT_ONCE]
            fitted, blocks = self._reader.unit_blocks(
                self._connection, version, some, self._tally, margins=self._margins
            )
            for number, block in zip(some, blocks, strict=True):
                start = number * record.block_rows
                yield slice(start, start + block.rows), fitted, block

    @staticmethod
    def _bounds(fitted: FittedQuantizer | None, block: UnitBlock, max_abs_error: float, units: Sequence[int]) -> Bounds:
        if fitted is None:
            return within(block.parts[VALUES][list(units)], 0.0)
        return fitted.bounds(block.parts, block.rows, max_abs_error, units)

    def _centres(
        self, fitted: FittedQuantizer | None, block: UnitBlock, max_abs_error: float, units: Sequence[int]
    ) -> Centres:
        if fitted is None:
            return Centres(block.parts[VALUES][list(units)], np.zeros(block.rows), np.zeros(block.rows))
        whole = fitted.centres(block.parts, block.rows, max_abs_error)
        if list(units) == list(range(fitted.units)):
            return whole
        # A norm over all units of the group bounds that over some, but may be far too large for few.
        values = whole.values[list(units)]
        own = row_reach(values, fitted.bounds(block.parts, block.rows, max_abs_error, units))
        return Centres(values, np.minimum(whole.radius, own), np.zeros(block.rows))
