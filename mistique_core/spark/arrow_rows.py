"""Rows of Spark, as Arrow hands them over, as the pandas frames that are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.spark.columns import StoredColumn

Array = npt.NDArray[Any]


def to_frame(table: Any, columns: Sequence[StoredColumn], row_id: str | None, first: int) -> pd.DataFrame:
    """Return rows as a frame whose index is their row ids.

    Parameters
    ----------
    table
        A ``pyarrow.Table`` whose first columns are these.
    columns
        What is stored.
    row_id
        The column of row ids, a column of its own too unless called so; ``None`` where rows are numbered.
    first
        Number of the first row, from 0.

    Raises
    ------
    InvalidInputError
        If a row id is missing, vectors differ in size, or text is not UTF-8.
    """
    made: dict[str, Any] = {}
    ids: Any = np.arange(first, first + table.num_rows, dtype=np.int64)
    for column, values in zip(columns, table.columns, strict=False):
        if column.source == row_id:
            ids = _row_ids(values, column.source)
            if column.source == ROW_ID:
                continue
        if column.kind == "vector":
            elements = _elements(values, column)
            made.update((name, elements[:, place]) for place, name in enumerate(column.names))
        else:
            made[column.names[0]] = _series(values, column)
    return pd.DataFrame(made, index=pd.Index(ids, name=ROW_ID), copy=False)


def _row_ids(values: Any, name: str) -> Array:
    if values.null_count:
        raise InvalidInputError(f"{values.null_count} rows have no row id in {name!r}; fill them, or drop these rows")
    return np.asarray(values.to_numpy(), dtype=np.int64)


def _elements(values: Any, column: StoredColumn) -> Array:
    """Return vectors as float64 (rows, elements), NaN where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    size = len(column.names)
    lengths = pc.fill_null(pc.list_value_length(whole), size).to_numpy(zero_copy_only=False)
    if (lengths != size).any():
        other = int(lengths[lengths != size][0])
        raise InvalidInputError(
            f"column {column.source!r} holds vectors of {size} and of {other} elements; make them of one size, or name "
            "the columns to log"
        )
    present = ~np.asarray(whole.is_null())
    found = np.full((len(whole), size), np.nan)
    found[present] = whole.flatten().to_numpy(zero_copy_only=False).reshape(-1, size)
    return np.asfortranarray(found)


def _series(values: Any, column: StoredColumn) -> Any:
    import pyarrow as pa

    if column.kind == "string":
        try:
            values.validate(full=True)
        except pa.ArrowInvalid as error:
            raise InvalidInputError(
                f"column {column.source!r} holds text that is not UTF-8 ({error}); decode it where its bytes come "
                "from, or pass it through make_valid_utf8"
            ) from error
        text = pd.StringDtype(na_value=np.nan)
        return values.to_pandas(types_mapper={pa.string(): text, pa.large_string(): text}.get).array
    if column.kind in ("float", "decimal"):
        return np.asarray(values.to_numpy(), dtype=column.dtype)
    missing = np.asarray(values.is_null())
    if column.kind == "date":
        days = np.asarray(values.cast(pa.int32()).fill_null(0).to_numpy())
        return _times(days.astype("datetime64[D]").astype(column.dtype), missing)
    if column.kind in ("timestamp", "timestamp_ntz"):
        ticks = np.asarray(values.cast(pa.int64()).fill_null(0).to_numpy()).view(column.dtype)
        times = _times(ticks.copy(), missing)
        return pd.DatetimeIndex(times).tz_localize("UTC").array if column.kind == "timestamp" else times
    if column.kind == "bool":
        return pd.arrays.BooleanArray(np.array(values.fill_null(False).to_numpy(), dtype=bool), missing)
    return pd.arrays.IntegerArray(np.array(values.fill_null(0).to_numpy(), dtype=column.dtype.lower()), missing)


def _times(values: Array, missing: Array) -> Array:
    values[missing] = np.datetime64("NaT")
    return values
