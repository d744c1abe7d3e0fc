"""Row ids of frames that are read from outside: a column, or numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.frames.row_id import ROW_ID


def stream_with_row_ids(frames: Iterable[pd.DataFrame], row_id: str | None, what: str) -> Iterator[pd.DataFrame]:
    """Yield source frames that follow each other, with their row ids as index; see :func:`with_row_id`.

    Where nothing names row ids, the rows are numbered from 0 on through all frames.
    """
    rows = 0
    for frame in frames:
        is_unnamed = row_id is None and frame.index.name != ROW_ID and ROW_ID not in frame.columns
        numbered = frame.set_axis(pd.RangeIndex(rows, rows + len(frame)), axis=0) if is_unnamed else frame
        rows += len(frame)
        yield with_row_id(numbered, row_id, what)


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
