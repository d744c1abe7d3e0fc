"""COL_DIFF: where do two columns differ? (thesis Table 5.1, few columns, many rows)"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.reading import Key, RowIds, Where, read_columns
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.difference import differences
from mistique_core.diagnostics.values.groups import Groups, groups_of
from mistique_core.diagnostics.wording import number, of_all, short_names
from mistique_core.errors import InvalidInputError
from mistique_core.model import IntermediateKey
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


@checked
def col_diff(
    store: Mistique,
    key_a: Key,
    key_b: Key,
    *,
    tolerance: float = 0.0,
    group: Key | None = None,
    row_id: RowIds | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
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
    group
        Key of a column by whose values differences are counted, in ``facts["groups"]``.
    row_id, where
        Only these row ids; only rows for which predicates hold.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row a differing example, by descending absolute difference for numbers.

    Raises
    ------
    InvalidInputError
        If an argument is malformed, or both keys are the same column.
    NotFoundError
        If a key or a row id does not exist.
    """
    keys = [IntermediateKey.parse(key) for key in (key_a, key_b)]
    if keys[0] == keys[1]:
        raise InvalidInputError(f"col_diff got {str(keys[0])!r} twice; name two models, versions or columns")
    wanted = keys if group is None else [*keys, IntermediateKey.parse(group)]
    found = read_columns(store, wanted, row_id=row_id, where=where, strategy=strategy)
    labels = [found.label(key) for key in keys]
    if labels[0] == labels[1]:
        raise InvalidInputError(
            f"{str(keys[0])!r} and {str(keys[1])!r} are one column of one version; name two versions or columns"
        )
    frame = found.frame.sort_index()
    differs, distance = differences(frame[labels[0]], frame[labels[1]], tolerance)
    if distance is not None:
        label = "difference"
        while label in frame.columns:
            label += "_"
        frame = frame.assign(**{label: distance})
    different = frame[differs]
    if distance is not None:
        different = different.sort_values(label, ascending=False, kind="stable")
    names = short_names(keys)
    by = f" by more than {number(float(tolerance))}" if tolerance and distance is not None else ""
    sentence = f"{names[0]} and {names[1]} differ{by} for {of_all(len(different), len(frame))}."
    facts: dict[str, object] = {"compared_rows": len(frame), "different_rows": len(different)}
    if group is not None:
        facts["group"] = IntermediateKey.parse(group).column
        facts["groups"] = _by_group(groups_of(frame[found.label(group)]), differs)
    return DiagnosticResult("col_diff", different, sentence, found.plan, facts, max_abs_error=found.max_abs_error)


def _by_group(groups: Groups, differs: pd.Series) -> list[dict[str, object]]:
    different = np.bincount(groups.codes[differs.to_numpy()], minlength=len(groups.names))
    return [
        {"group": name, "compared_rows": int(rows), "different_rows": int(count)}
        for name, rows, count in zip(groups.names, groups.sizes, different, strict=True)
    ]
