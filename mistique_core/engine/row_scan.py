"""Scanning windows of rows: what a predicate rules out by ranges is not read, what it needs is read first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.engine.block_zones import BlockZones
from mistique_core.engine.row_windows import RowsOf, RowSource, ScanTally, Window
from mistique_core.frames import ROW_ID

Mask = npt.NDArray[np.bool_]


class RowFilter(Protocol):
    """Which rows of a scan are wanted."""

    @property
    def names(self) -> Sequence[str]:
        """The columns that it looks at, each once."""

    def may_match(self, source: RowSource, windows: Sequence[Window]) -> Mask:
        """Return, bool (n_windows,), where any row may be wanted; no value is read."""

    def mask(self, rows: RowsOf) -> Mask:
        """Return, bool (n_rows,), which rows are wanted; `rows` has at least the columns `names`."""


def scan(
    source: RowSource, names: Sequence[str], wanted: RowFilter | None, windows: Sequence[Window], tally: ScanTally
) -> Iterator[RowsOf]:
    """Yield the wanted rows of each window that has any.

    Parameters
    ----------
    source
        The rows.
    names
        The columns to yield, each once; with ``row_id`` among them, frames have the row ids as index.
    wanted
        Which rows; ``None`` for all.
    windows
        Where to look, in this order.
    tally
        Counts what was fetched, and what was not.
    """
    tally.windows += len(windows)
    if wanted is None:
        for window in windows:
            yield source.rows(names, window.positions(), tally)
        return
    everything = list(dict.fromkeys([*wanted.names, *names]))
    may = wanted.may_match(source, windows)
    ruled_out = [window for window, possible in zip(windows, may, strict=True) if not possible]
    source.count_skipped(everything, ruled_out, tally)
    tally.skipped_windows += len(ruled_out)
    first = list(wanted.names) if source.reads_columns else everything
    rest = [name for name in everything if name not in first]
    for window, possible in zip(windows, may, strict=True):
        if not possible:
            continue
        tested = source.rows(first, window.positions(), tally)
        mask = wanted.mask(tested)
        if not mask.any():
            source.count_skipped(rest, [window], tally)
            tally.skipped_windows += 1
            continue
        tested = taken(tested, mask)
        if rest:
            others = source.rows(rest, window.positions(None if mask.all() else mask), tally)
            tested = _beside(tested, others, ids_of=tested if ROW_ID in first else others)
        yield RowsOf(
            tested.frame[[name for name in names if name != ROW_ID and name not in tested.maps]],
            {name: tested.maps[name] for name in names if name in tested.maps},
        )


def taken(rows: RowsOf, wanted: Mask | slice) -> RowsOf:
    """Return some of the rows."""
    if isinstance(wanted, np.ndarray) and wanted.all():
        return rows
    return RowsOf(_frame_taken(rows.frame, wanted), {name: values[wanted] for name, values in rows.maps.items()})


def _frame_taken(frame: pd.DataFrame, wanted: Mask | slice) -> pd.DataFrame:
    if isinstance(wanted, slice) or not any(getattr(dtype, "byteorder", "=") == ">" for dtype in frame.dtypes):
        return frame.iloc[wanted]
    # pandas cannot take rows of numbers in the other byte order; NumPy can.
    values = [frame.iloc[:, place].array for place in range(frame.shape[1])]
    plain = [item.to_numpy() if isinstance(item.dtype, np.dtype) else item for item in values]
    data = {name: item[wanted] for name, item in zip(frame.columns, plain, strict=True)}
    return pd.DataFrame(data, index=frame.index[wanted])


def _beside(rows: RowsOf, others: RowsOf, ids_of: RowsOf) -> RowsOf:
    index = ids_of.frame.index
    pieces = [piece.frame.set_axis(index, axis=0) for piece in (rows, others)]
    return RowsOf(pd.concat(pieces, axis=1), {**rows.maps, **others.maps})


def blocks_of(window: Window, zones: BlockZones) -> slice:
    """Return the row blocks that hold rows of a window."""
    return slice(window.start // zones.rows, -(-window.stop // zones.rows))


def column_of(rows: RowsOf, name: str) -> pd.Series[Any]:
    """Return a column of plain values, or the row ids."""
    return rows.frame.index.to_series() if name == ROW_ID else rows.frame[name]
