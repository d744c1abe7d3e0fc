"""COL_DIFF: where do two columns differ? (thesis Table 5.1, few columns, many rows)"""

from __future__ import annotations

from numbers import Real

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.errors import InvalidInputError
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


def col_diff(
    store: Mistique, key_a: str, key_b: str, *, tolerance: float = 0.0, strategy: Strategy = "auto"
) -> DiagnosticResult:
    """Return the examples for which two columns, often of two models, differ.

    Only row ids that both hold are compared. Two missing values are equal.

    Parameters
    ----------
    store
        An open store.
    key_a, key_b
        Keys of one column each.
    tolerance
        Largest absolute difference of two numbers that still counts as equal (inclusive).
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row a differing example, by descending absolute difference for numbers.

    Raises
    ------
    InvalidInputError
        If a key names no single column, both are the same, or the tolerance is no number from 0.
    """
    parsed = [IntermediateKey.parse(key) for key in (key_a, key_b)]
    for key in parsed:
        if key.column == ALL_COLUMNS:
            raise InvalidInputError(f"col_diff compares one column a side, but {str(key)!r} names all; add its name")
    if parsed[0] == parsed[1]:
        raise InvalidInputError(f"col_diff got {str(parsed[0])!r} twice; name two models, versions or columns")
    if not isinstance(tolerance, Real) or isinstance(tolerance, bool) or not tolerance >= 0:
        raise InvalidInputError(f"tolerance={tolerance!r} is negative or no number; give 0 or a positive number")
    result = store.get_intermediates(parsed, strategy=strategy)
    frame = result.to_pandas().sort_index()
    if frame.shape[1] != 2:
        raise InvalidInputError(
            f"{str(parsed[0])!r} and {str(parsed[1])!r} are one column of one version; name two models or versions"
        )
    names = [str(name) for name in frame.columns]
    first, second = frame.iloc[:, 0], frame.iloc[:, 1]
    numeric = all(column.dtype.kind in "iufb" for column in (first, second))
    if numeric:
        distance = _distance(first, second)
        differs = (distance > tolerance) | (first.isna() != second.isna())
        label = "difference"
        while label in names:
            label += "_"
        frame = frame.assign(**{label: distance})
    else:
        left, right = first.astype(object), second.astype(object)
        differs = (left != right).fillna(True).astype(bool) & ~(first.isna() & second.isna())
    found = frame[np.asarray(pd.Series(differs).fillna(True), dtype=bool)]
    if numeric:
        found = found.sort_values(label, ascending=False, kind="stable")
    share = len(found) / len(frame) if len(frame) else 0.0
    sentence = f"{names[0]} and {names[1]} differ for {len(found)} of {len(frame)} examples ({share:.1%})."
    return DiagnosticResult(
        "col_diff", found, sentence, result.plan, {"compared_rows": len(frame), "different_rows": len(found)}
    )


def _distance(first: pd.Series, second: pd.Series) -> pd.Series:
    """Return the absolute differences as float64, NaN where either is missing.

    Two integers are subtracted as integers: as floats, 2**53 and 2**53 + 1 would be equal.
    """
    kinds = {first.dtype.kind, second.dtype.kind}
    if not (kinds <= set("ib") or kinds <= set("ub")):
        return (first.astype("float64") - second.astype("float64")).abs()
    dtype = "int64" if "i" in kinds else "uint64"
    left, right = (_integers(column, dtype) for column in (first, second))
    larger = left > right
    distance = np.where(larger, left, right).view("uint64") - np.where(larger, right, left).view("uint64")
    return pd.Series(distance.astype("float64"), index=first.index).mask(first.isna() | second.isna())


def _integers(column: pd.Series, dtype: str) -> npt.NDArray[np.integer]:
    """Return a column of integers or bools as int64 or uint64, 0 where a value is missing."""
    return column.to_numpy(dtype=dtype, na_value=0)
