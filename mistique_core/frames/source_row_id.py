"""Row ids of frames that are read from outside: a column, or numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.frames.row_id import ROW_ID


def checked_frames(items: Iterable[Any], what: str) -> Iterator[pd.DataFrame]:
    """Yield frames, and refuse anything else.

    Parameters
    ----------
    items
        What was given.
    what
        What gives them, for the error message.
    """
    for item in items:
        if not isinstance(item, pd.DataFrame):
            raise InvalidInputError(f"{what} gives a {type(item).__name__}; give DataFrames that follow each other")
        yield item


def stream_with_row_ids(
    frames: Iterable[pd.DataFrame], row_id: str | None, what: str, *, keeps_index: bool = True
) -> Iterator[pd.DataFrame]:
    """Yield source frames that follow each other, with their row ids as index; see :func:`with_row_id`.

    Where nothing names row ids, the rows are numbered from 0 on through all frames: frames whose index is the default
    one, or goes on where the one before ended.

    Parameters
    ----------
    frames, row_id, what
        See :func:`with_row_id`.
    keeps_index
        Whether any other index without a name is taken for row ids, as that of a single source frame is; else such a
        frame is left as it is.

    Raises
    ------
    InvalidInputError
        If some frames have row ids and others not.
    """
    rows = 0
    was_numbered: bool | None = None
    for frame in frames:
        is_numbered = row_id is None and _is_numbered(frame, rows)
        if was_numbered is not None and was_numbered != is_numbered and len(frame):
            raise InvalidInputError(
                f"{what} has row ids in some of its frames and not in others (from row {rows}); give them with all, as "
                "an index or column named 'row_id', or with none"
            )
        was_numbered = is_numbered if len(frame) else was_numbered
        numbered = frame.set_axis(pd.RangeIndex(rows, rows + len(frame)), axis=0) if is_numbered else frame
        rows += len(frame)
        yield with_row_id(numbered, row_id, what) if keeps_index or is_numbered or row_id is not None else numbered


def _is_numbered(frame: pd.DataFrame, rows: int) -> bool:
    """Whether nothing names the row ids of a frame that comes behind so many rows, and its index only counts them."""
    index = frame.index
    if index.name is not None or ROW_ID in frame.columns:
        return False
    return not len(frame) or (isinstance(index, pd.RangeIndex) and index.step == 1 and index.start in (0, rows))


def with_row_id(frame: pd.DataFrame, row_id: str | None, what: str) -> pd.DataFrame:
    """Return a source frame whose index is its row ids.

    Parameters
    ----------
    frame
        The data.
    row_id
        Column to take, which stays a column; ``None`` keeps a named index or numbers the rows from 0.
    what
        What was read, for the error message.
    """
    if row_id is not None:
        if row_id not in frame.columns:
            raise InvalidInputError(
                f"{what} has no column {row_id!r} for row_id; {did_you_mean(row_id, frame.columns)}"
            )
        return frame.set_index(row_id, drop=False).rename_axis(ROW_ID)
    if frame.index.name == ROW_ID or ROW_ID in frame.columns:
        return frame
    return frame.rename_axis(ROW_ID)
