"""Frames put together from columns that stay where they are in memory.

The store recognises a column that lies unchanged in memory and does not look at its values again, so a
stage hands on the columns that it does not touch without copying them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.inputs import require_column


def view_columns(frame: pd.DataFrame, names: Iterable[str], role: str) -> pd.DataFrame:
    """Return some columns of a frame, in the given order, without copying a value.

    Raises
    ------
    InvalidInputError
        If a column does not exist or is named twice.
    """
    columns: dict[str, Any] = {}
    for name in names:
        if name in columns:
            raise InvalidInputError(f"{role} column {name!r} is named twice; name it once")
        columns[name] = require_column(frame, name, role)
    return pd.DataFrame(columns, index=frame.index, copy=False)


def with_columns(
    frame: pd.DataFrame, new: Mapping[str, Any], *, replace: Iterable[str] = (), what: str
) -> pd.DataFrame:
    """Return a frame with further columns, none of its own copied.

    Parameters
    ----------
    frame
        The frame, which is not changed.
    new
        Column name -> array or Series of the frame's length, in the frame's order.
    replace
        Names that may exist already: such a column gives way, in its place.
    what
        What made the new columns, for the error message.

    Raises
    ------
    InvalidInputError
        If a column of that name exists and is not to be replaced.
    """
    columns: dict[str, Any] = {str(name): frame[name] for name in frame.columns}
    allowed = set(replace)
    for name, values in new.items():
        if name in columns and name not in allowed:
            raise InvalidInputError(
                f"{what} would give a column {name!r}, which exists already; name another output, or drop it before"
            )
        columns[name] = pd.Series(values, index=frame.index, copy=False)
    return pd.DataFrame(columns, index=frame.index, copy=False)
