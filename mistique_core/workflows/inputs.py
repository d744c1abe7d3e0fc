"""Checks of what a stage was given, with messages that say what to pass instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_numeric_dtype

from mistique_core.errors import InvalidInputError, did_you_mean


def only_input(inputs: Mapping[str, Any], operation: str) -> pd.DataFrame:
    """Return the single input frame.

    Raises
    ------
    InvalidInputError
        If there is none, or more than one, or it is no frame.
    """
    if len(inputs) != 1:
        raise InvalidInputError(
            f"{operation} takes one input frame but got {len(inputs)}: {', '.join(inputs) or 'none'}"
        )
    name, frame = next(iter(inputs.items()))
    return require_frame(frame, name)


def require_frame(value: Any, name: str) -> pd.DataFrame:
    """Return `value` if it is a DataFrame."""
    if not isinstance(value, pd.DataFrame):
        raise InvalidInputError(f"input {name!r} is a {type(value).__name__}, not a frame; pass an intermediate")
    return value


def require_column(frame: pd.DataFrame, column: str, role: str) -> pd.Series[Any]:
    """Return a column of a frame that plays a role such as ``label``."""
    if column not in frame.columns:
        raise InvalidInputError(f"{role} column {column!r} does not exist; {did_you_mean(column, frame.columns)}")
    return frame[column]


def require_columns(frame: pd.DataFrame, columns: Iterable[str], role: str) -> pd.DataFrame:
    """Return several columns of a frame."""
    names = list(columns)
    for name in names:
        require_column(frame, name, role)
    return frame[names]


def require_numbers(frame: pd.DataFrame, column: str, role: str) -> npt.NDArray[np.float64]:
    """Return a column of numbers as float64 (n_rows,), NaN where it is missing."""
    values = require_column(frame, column, role)
    if not is_numeric_dtype(values.dtype):
        raise InvalidInputError(f"{role} column {column!r} holds {values.dtype}, not numbers; convert it before")
    return values.to_numpy(dtype=np.float64, na_value=np.nan)
