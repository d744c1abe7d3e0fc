"""Row ids: the int64 that identifies an example across all intermediates of a project.

Values are never matched by position or by whatever index a frame happens to have. A frame's row
ids are its index when that index is *named* ``row_id``, or its column ``row_id``; a source frame
without either is numbered from 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.errors import InvalidInputError, did_you_mean

ROW_ID = "row_id"
RowIds = npt.NDArray[np.int64]


def split_row_id(
    frame: pd.DataFrame, row_id: str | npt.ArrayLike | None, *, derived: bool, what: str
) -> tuple[RowIds, pd.DataFrame]:
    """Separate a frame into its row ids and its columns.

    Parameters
    ----------
    frame
        The frame to log.
    row_id
        Name of a column of unique integers (kept as a column too), an array of them with one item
        a row, or ``None`` to take the index or column named ``row_id``.
    derived
        Whether the frame was computed from other intermediates; its rows are then never numbered.
    what
        What is being logged, for error messages.

    Returns
    -------
    tuple
        int64 row ids (n_rows,), unique; and the frame without a ``row_id`` column.

    Raises
    ------
    InvalidInputError
        If there are no row ids, or they are not unique integers, or the columns are not unique strings.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InvalidInputError(f"{what} is a {type(frame).__name__}, not a pandas DataFrame; wrap it in pd.DataFrame")
    check_columns(frame, what)
    if isinstance(row_id, str) and row_id != ROW_ID:
        if row_id not in frame.columns:
            raise InvalidInputError(
                f"{what} has no column {row_id!r} for row_id; {did_you_mean(row_id, frame.columns)}"
            )
        ids = check_row_id(frame[row_id], what)
        _check_no_others(frame, ids, what)
        return ids, frame
    if row_id is not None and not isinstance(row_id, str):
        ids = check_row_id(row_id, what)
        if len(ids) != len(frame):
            raise InvalidInputError(f"{what} has {len(frame)} rows but row_id has {len(ids)}; give one id a row")
        _check_no_others(frame, ids, what)
        return ids, frame
    if ROW_ID in frame.columns:
        return check_row_id(frame[ROW_ID], what), frame.drop(columns=ROW_ID)
    if frame.index.name == ROW_ID:
        return check_row_id(frame.index, what), frame
    if row_id is not None or derived or not _is_default_index(frame.index):
        raise InvalidInputError(
            f"{what} has no row_id, and rows are never matched by position; keep the index of the input "
            "(named 'row_id'), for example pd.DataFrame(values, index=frame.index), or pass row_id="
        )
    return np.arange(len(frame), dtype=np.int64), frame


def _check_no_others(frame: pd.DataFrame, ids: RowIds, what: str) -> None:
    """Refuse a column of other row ids than those that were given: a table has one set of them."""
    if ROW_ID in frame.columns and not np.array_equal(np.asarray(frame[ROW_ID]), ids):
        raise InvalidInputError(
            f"{what} has a column {ROW_ID!r} with other row ids than those of row_id=; rename or drop it, or leave "
            "row_id= out"
        )


def check_row_id(values: Any, what: str) -> RowIds:
    """Return `values` as unique int64 row ids.

    Raises
    ------
    InvalidInputError
        If they are not integers, do not fit int64, or repeat.
    """
    try:
        ids = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"row_id of {what} is not an array of integers: {error}") from error
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise InvalidInputError(
            f"row_id of {what} has dtype {ids.dtype} and {ids.ndim} dimensions; give unique integers, one a row"
        )
    if ids.dtype.kind == "u" and len(ids) and ids.max() > np.iinfo(np.int64).max:
        raise InvalidInputError(f"row_id {ids.max()} of {what} does not fit int64; give smaller integers")
    ids = ids.astype(np.int64, copy=False)
    if bool((ids[1:] > ids[:-1]).all()):
        return ids
    order = np.sort(ids)
    repeated = order[1:][order[1:] == order[:-1]]
    if len(repeated):
        raise InvalidInputError(
            f"row_id of {what} is not unique: {repeated[0]} occurs {int((ids == repeated[0]).sum())} times; "
            "drop the duplicates or give another row_id"
        )
    return ids


def check_columns(frame: pd.DataFrame, what: str) -> None:
    """Raise :class:`InvalidInputError` unless the column names are unique non-empty strings."""
    if isinstance(frame.columns, pd.MultiIndex):
        raise InvalidInputError(f"{what} has a column MultiIndex; join its levels, such as frame.columns.map('_'.join)")
    for name in frame.columns:
        if not isinstance(name, str) or not name or name == "*":
            raise InvalidInputError(
                f"{what} has a column named {name!r}; names are non-empty strings other than '*': "
                "use frame.columns = frame.columns.map(str)"
            )
        if "\0" in name or any("\ud800" <= character <= "\udfff" for character in name):
            raise InvalidInputError(f"{what} has a column named {name!r}, which no database can hold; rename it")
    if not frame.columns.is_unique:
        name = frame.columns[frame.columns.duplicated()][0]
        raise InvalidInputError(f"{what} has two columns named {name!r}; rename or drop one")


def _is_default_index(index: pd.Index[Any]) -> bool:
    return index.name is None and isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1
