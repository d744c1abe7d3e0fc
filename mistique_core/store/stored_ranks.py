"""Rankings of values as a query returns them, and of table columns of which most row blocks need not be read."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.intermediates import ColumnRecord, IntermediateRecord
from mistique_core.engine.chunk_reader import ReadTally
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.errors import InvalidInputError
from mistique_core.ranking import measure
from mistique_core.store.result import QueryResult


def ranked(column: pd.Series[Any], k: int, largest: bool) -> pd.Series[Any]:
    """Return the k largest or smallest values, ties by ascending row id, without missing ones.

    Parameters
    ----------
    column
        Index ``row_id``.
    k
        From 1.
    largest
        Whether the largest are wanted.

    Raises
    ------
    InvalidInputError
        If the values have no order.
    """
    if not (column.dtype.kind in "iufbmM" or getattr(column.dtype, "ordered", False)):
        raise InvalidInputError(
            f"column {column.name!r} of dtype {column.dtype} has no order to rank by; name a number"
        )
    return column.sort_index().dropna().sort_values(ascending=not largest, kind="stable").head(k)


def measured(result: QueryResult, by: str) -> pd.Series[Any]:
    """Return the measure of one column of an answer.

    Raises
    ------
    InvalidInputError
        If its values are maps and the measure is ``value``.
    """
    name = str(result.columns[0])
    if result.maps is None:
        return result.to_pandas().iloc[:, 0]
    refuse_maps(name, result.maps.shape[1:-1], by)
    return pd.Series(measure(result.maps[..., 0], by), index=result.frame.index, name=f"{by} of {name}")


def refuse_maps(name: str, map_shape: tuple[int, ...], by: str) -> None:
    """Refuse to rank maps by ``value``.

    Raises
    ------
    InvalidInputError
        If that is what was asked for.
    """
    if map_shape and by == "value":
        raise InvalidInputError(
            f"the values of {name!r} are maps of shape {map_shape}; rank them by='max', 'min' or 'mean'"
        )


def top_by_zones(
    reader: FrameReader,
    connection: sa.Connection,
    record: IntermediateRecord,
    column: ColumnRecord,
    k: int,
    largest: bool,
    tally: ReadTally,
) -> tuple[pd.Series[Any], int, int] | None:
    """Return the k largest or smallest values of a stored column of numbers, from as few row blocks as can be.

    The blocks are read in the order of their ranges, until no range reaches the k-th value any more.

    Returns
    -------
    tuple or None
        The values as :func:`ranked` returns them, how many blocks there are, and how many were read; ``None`` where
        the column has no ranges.
    """
    zones = reader.zones(connection, column)
    if zones is None:
        return None
    ids = reader.row_index(connection, record, tally).ids
    ends = [zones.end(block, largest=largest) for block in range(len(zones.of_blocks))]
    order = sorted(
        (number for number, end in enumerate(ends) if end is not None), key=lambda n: ends[n], reverse=largest
    )
    best: pd.Series[Any] | None = None
    used = 0
    while used < len(order):
        if best is not None and len(best) == k:
            last = best.iloc[-1]
            some = [n for n in order[used:] if (ends[n] >= last if largest else ends[n] <= last)]
            if not some:
                break
        else:
            some = order[used : used + 1]
        positions = np.concatenate(
            [np.arange(n * zones.rows, min((n + 1) * zones.rows, len(ids))) for n in sorted(some)]
        )
        read = reader.frame_of(connection, [column], ids[positions], positions, tally).iloc[:, 0]
        best = ranked(read if best is None else pd.concat([best, read]), k, largest)
        used += len(some)
    if best is None:
        return None
    return best, len(ends), used


def numbers_of(result: QueryResult) -> npt.NDArray[Any]:
    """Return an answer as rows of numbers, ``(n_rows, ...)``.

    Raises
    ------
    InvalidInputError
        If a column holds something else.
    """
    if result.maps is not None:
        return result.maps
    for name, dtype in result.frame.dtypes.items():
        if getattr(dtype, "kind", "O") not in "iufb":
            raise InvalidInputError(
                f"column {name!r} of dtype {dtype} is no number to measure a distance by; leave it out"
            )
    return result.frame.to_numpy(dtype=np.float64, na_value=np.nan)
