"""COL_DIFF: where do two columns differ? (thesis Table 5.1, few columns, many rows)"""

from __future__ import annotations

import numpy as np
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
        If a key names no single column, both are the same, or the tolerance is negative.
    """
    parsed = [IntermediateKey.parse(key) for key in (key_a, key_b)]
    for key in parsed:
        if key.column == ALL_COLUMNS:
            raise InvalidInputError(f"col_diff compares one column a side, but {str(key)!r} names all; add its name")
    if parsed[0] == parsed[1]:
        raise InvalidInputError(f"col_diff got {str(parsed[0])!r} twice; name two models, versions or columns")
    if not tolerance >= 0:
        raise InvalidInputError(f"tolerance={tolerance!r} is negative; give 0 or a positive number")
    result = store.get_intermediates(parsed, strategy=strategy)
    frame = result.to_pandas().sort_index()
    names = [str(name) for name in frame.columns]
    first, second = frame.iloc[:, 0], frame.iloc[:, 1]
    numeric = all(column.dtype.kind in "iufb" for column in (first, second))
    if numeric:
        distance = (first.astype("float64") - second.astype("float64")).abs()
        differs = (distance > tolerance) | (first.isna() != second.isna())
        frame = frame.assign(difference=distance)
    else:
        left, right = first.astype(object), second.astype(object)
        differs = (left != right).fillna(True).astype(bool) & ~(first.isna() & second.isna())
    found = frame[np.asarray(pd.Series(differs).fillna(True), dtype=bool)]
    if numeric:
        found = found.sort_values("difference", ascending=False, kind="stable")
    share = len(found) / len(frame) if len(frame) else 0.0
    sentence = f"{names[0]} and {names[1]} differ for {len(found)} of {len(frame)} examples ({share:.1%})."
    return DiagnosticResult(
        "col_diff", found, sentence, result.plan, {"compared_rows": len(frame), "different_rows": len(found)}
    )
