"""Differences of two columns, value by value."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd


def differences(first: pd.Series, second: pd.Series, tolerance: float = 0.0) -> tuple[pd.Series, pd.Series | None]:
    """Return where two columns differ, and by how much.

    Two missing values are equal; a missing value differs from any other; equal infinities are equal.

    Parameters
    ----------
    first, second
        Columns with one index.
    tolerance
        Largest absolute difference of two numbers that counts as equal, inclusive.

    Returns
    -------
    tuple
        Truth values; and the absolute differences as float64, NaN where either is missing, or ``None`` where one of
        the columns does not hold numbers or truth values.
    """
    if all(column.dtype.kind in "iufb" for column in (first, second)):
        distance = _distance(first, second)
        differs = (distance > tolerance) | (first.isna() != second.isna())
        return pd.Series(np.asarray(differs, dtype=bool), index=first.index), distance
    left, right = first.astype(object), second.astype(object)
    unequal = (left != right).fillna(True).astype(bool) & ~(first.isna() & second.isna())
    return pd.Series(np.asarray(unequal, dtype=bool), index=first.index), None


def _distance(first: pd.Series, second: pd.Series) -> pd.Series:
    """Return the absolute differences as float64, NaN where either is missing.

    Two integers are subtracted as integers: as floats, 2**53 and 2**53 + 1 would be equal.
    """
    kinds = {first.dtype.kind, second.dtype.kind}
    if not (kinds <= set("ib") or kinds <= set("ub")):
        left, right = (column.to_numpy("float64", na_value=np.nan) for column in (first, second))
        with np.errstate(invalid="ignore"):
            distance = np.where(left == right, 0.0, np.abs(left - right))
        return pd.Series(distance, index=first.index)
    dtype = "int64" if "i" in kinds else "uint64"
    whole, other = (_integers(column, dtype) for column in (first, second))
    larger = whole > other
    apart = np.where(larger, whole, other).view("uint64") - np.where(larger, other, whole).view("uint64")
    return pd.Series(apart.astype("float64"), index=first.index).mask(first.isna() | second.isna())


def _integers(column: pd.Series, dtype: str) -> npt.NDArray[np.integer]:
    """Return a column of integers or bools as int64 or uint64, 0 where a value is missing."""
    return column.to_numpy(dtype=dtype, na_value=0)
