"""The rows of an intermediate, some row blocks at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.engine.row_scan import RowFilter, scan, taken
from mistique_core.engine.row_windows import RowsOf, RowSource, ScanTally, Window, map_shape
from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.frames.arrow import arrow_schema, arrow_table, require_pyarrow
from mistique_core.model import IntermediateKey

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[Any]


class RowStream:
    """Rows of one intermediate, in stored order, read while they are asked for.

    Iterating gives DataFrames; it may be done again, and begins anew each time. In memory are the batch, the row block
    that it is of, and at most 16 MiB of chunks: never all row ids, nor all of a column.

    Parameters
    ----------
    source
        The rows.
    columns
        Names of the columns.
    wanted
        Which rows; ``None`` for all.
    batch_rows
        Most rows of a batch; ``None`` for those of a row block.
    share
        (number, of): every `of`-th window, from the `number`-th on.

    Attributes
    ----------
    key
        Of the intermediate, with its version.
    columns
        Names of the columns.
    rows
        Rows of the intermediate, wanted or not.
    fetched
        What all iterations have fetched so far, and what they skipped.
    """

    def __init__(
        self,
        source: RowSource,
        columns: Sequence[str],
        wanted: RowFilter | None = None,
        batch_rows: int | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        ref = source.record.ref
        self.key = IntermediateKey(ref.project, ref.model, ref.intermediate, version=ref.version)
        self.columns = list(columns)
        self.rows = ref.rows
        self.fetched = ScanTally()
        self._source = source
        self._wanted = wanted
        self._batch_rows = batch_rows
        self._share = share

    def __repr__(self) -> str:
        return f"<RowStream of {self.key}: {len(self.columns)} columns, {self.rows} rows>"

    def share(self, number: int, of: int) -> RowStream:
        """Return the stream of one of several readers, who together get every row once.

        Parameters
        ----------
        number
            Which reader, from 0 (inclusive) to `of` (exclusive).
        of
            How many readers.

        Raises
        ------
        InvalidInputError
            If there is no such reader.
        """
        if not 0 <= number < of:
            raise InvalidInputError(f"share {number} of {of} is none; number the readers from 0 to {max(of - 1, 0)}")
        first, step = self._share
        share = (first + step * number, step * of)
        return RowStream(self._source, self.columns, self._wanted, self._batch_rows, share)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Yield DataFrames with exactly the logged dtypes, index ``row_id``, none of them empty.

        Raises
        ------
        InvalidInputError
            If a column's values are maps, which a frame cannot hold.
        """
        mapped = [name for name in self.columns if map_shape(self._source.columns[name])]
        if mapped:
            raise InvalidInputError(
                f"the values of {mapped[0]!r} are maps, which a frame cannot hold; use arrays() or to_batches()"
            )
        return (batch.frame for batch in self.pieces())

    def arrays(self) -> Iterator[dict[str, Array]]:
        """Yield name -> values ``(n_rows, *map_shape)`` as NumPy arrays, ``row_id`` (int64) first."""
        for batch in self.pieces():
            made: dict[str, Array] = {ROW_ID: np.asarray(batch.frame.index, dtype=np.int64)}
            for name in self.columns:
                made[name] = batch.maps[name] if name in batch.maps else batch.frame[name].to_numpy()
            yield made

    @property
    def schema(self) -> pa.Schema:
        """The schema of :meth:`to_batches`, with ``row_id`` first."""
        rows = self.example()
        return arrow_schema(rows.frame, rows.maps)

    def to_batches(self) -> pa.RecordBatchReader:
        """Return a reader of Arrow's record batches, whose first column holds the row ids.

        Missing values become null, categories dictionaries, and maps tensors of fixed shape.

        Raises
        ------
        InvalidInputError
            If pyarrow is not installed.
        UnsupportedColumnError
            If Arrow has no type for a column.
        """
        pa = require_pyarrow("to_batches()")
        schema = self.schema

        def batches() -> Iterator[Any]:
            for batch in self.pieces():
                yield from arrow_table(batch.frame, batch.maps).select(schema.names).cast(schema).to_batches()

        return pa.RecordBatchReader.from_batches(schema, batches())

    def windows(self) -> list[Window]:
        """Return the windows that it reads, whether wanted rows lie there or not."""
        first, step = self._share
        return self._source.windows([ROW_ID, *self.columns])[first::step]

    def example(self) -> RowsOf:
        """Return no rows, or few, with the columns and dtypes that all batches have."""
        return empty_rows(self._source, [ROW_ID, *self.columns])

    def pieces(self) -> Iterator[RowsOf]:
        """Yield the batches as they are: a frame of the columns of plain values, and beside it those of maps."""
        for rows in scan(self._source, [ROW_ID, *self.columns], self._wanted, self.windows(), self.fetched):
            step = self._batch_rows or max(len(rows), 1)
            for start in range(0, len(rows), step):
                whole = len(rows) <= step
                yield rows if whole else taken(rows, slice(start, start + step))


def empty_rows(source: RowSource, names: Sequence[str]) -> RowsOf:
    """Return no rows of some columns, or few where only rows tell their dtypes."""
    few = 0 if source.reads_columns else min(1, source.record.ref.rows)
    return source.rows(names, np.arange(few, dtype=np.intp), ScanTally())
