"""Confusion matrix: how often was each class taken for which? (thesis Table 5.1, few columns, many rows)"""

from __future__ import annotations

import pandas as pd

from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.errors import InvalidInputError
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.planner import Strategy
from mistique_core.store import Mistique

MOST_CLASSES = 200


def confusion_matrix(store: Mistique, truth: str, prediction: str, *, strategy: Strategy = "auto") -> DiagnosticResult:
    """Count the examples of each true class (rows) by predicted class (columns).

    Examples where either is missing are left out and counted in ``facts["missing_rows"]``.

    Parameters
    ----------
    store
        An open store.
    truth, prediction
        Keys of one column each; they may belong to different intermediates.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Raises
    ------
    InvalidInputError
        If a key names no single column, both are the same, or there are more than 200 classes.
    """
    parsed = [IntermediateKey.parse(key) for key in (truth, prediction)]
    for key in parsed:
        if key.column == ALL_COLUMNS:
            raise InvalidInputError(
                f"a confusion matrix needs one column a side, but {str(key)!r} names all; add its name"
            )
    if parsed[0] == parsed[1]:
        raise InvalidInputError(f"confusion_matrix got {str(parsed[0])!r} as truth and as prediction; name two columns")
    result = store.get_intermediates(parsed, strategy=strategy)
    frame = result.to_pandas()
    if frame.shape[1] != 2:
        raise InvalidInputError(
            f"{str(parsed[0])!r} and {str(parsed[1])!r} are one column of one version; name two columns"
        )
    actual, predicted = frame.iloc[:, 0], frame.iloc[:, 1]
    complete = actual.notna() & predicted.notna()
    actual, predicted = actual[complete], predicted[complete]
    classes = _classes(actual, predicted)
    if len(classes) > MOST_CLASSES:
        raise InvalidInputError(
            f"{parsed[0].column!r} and {parsed[1].column!r} hold {len(classes)} classes, more than {MOST_CLASSES}; "
            "name columns of labels, not of numbers"
        )
    table = pd.crosstab(actual.astype(object), predicted.astype(object))
    table = table.reindex(index=classes, columns=classes, fill_value=0)
    table.index.name = "truth"
    table.columns = pd.Index([f"predicted {name}" for name in classes])
    right = int((actual.astype(object) == predicted.astype(object)).sum())
    total = len(actual)
    share = right / total if total else 0.0
    sentence = f"{right} of {total} examples ({share:.1%}) are predicted as what they are."
    facts = {"right_rows": right, "compared_rows": total, "missing_rows": int((~complete).sum())}
    return DiagnosticResult("confusion_matrix", table, sentence, result.plan, facts)


def _classes(actual: pd.Series, predicted: pd.Series) -> list[object]:
    found = set(actual.astype(object)) | set(predicted.astype(object))
    try:
        return sorted(found)
    except TypeError:
        return sorted(found, key=str)
