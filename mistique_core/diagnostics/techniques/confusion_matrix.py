"""Confusion matrix: how often was each class taken for which? (thesis Table 5.1, few columns, many rows)"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.reading import Key, RowIds, Where, read_columns
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.groups import sorted_codes
from mistique_core.diagnostics.wording import of_all
from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.model import IntermediateKey
from mistique_core.planner import Strategy
from mistique_core.store import Mistique

MOST_CLASSES = 200


@checked
def confusion_matrix(
    store: Mistique,
    truth: Key,
    prediction: Key,
    *,
    normalize: str = "none",
    row_id: RowIds | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
) -> DiagnosticResult:
    """Count the examples of each true class (rows) by predicted class (columns).

    Examples where either is missing are left out and counted in ``facts["missing_rows"]``. Classes are those that
    occur in either column, sorted.

    Parameters
    ----------
    store
        An open store.
    truth, prediction
        Keys of one column each; they may belong to different intermediates.
    normalize
        ``none`` counts; ``truth`` gives shares of each true class, ``prediction`` of each predicted class, ``all`` of
        all examples. Shares of nothing are NaN.
    row_id, where
        Only these row ids; only rows for which predicates hold.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row a true class. ``arrays`` has ``row_id`` of the compared examples and, for each of them, ``truth`` and
        ``prediction`` as positions among the classes.

    Raises
    ------
    InvalidInputError
        If an argument is malformed, both keys are the same column, or there are more than 200 classes.
    NotFoundError
        If a key or a row id does not exist.
    """
    keys = [IntermediateKey.parse(key) for key in (truth, prediction)]
    if keys[0] == keys[1]:
        raise InvalidInputError(f"confusion_matrix got {str(keys[0])!r} as truth and as prediction; name two columns")
    found = read_columns(store, keys, row_id=row_id, where=where, strategy=strategy)
    if found.label(keys[0]) == found.label(keys[1]):
        raise InvalidInputError(
            f"{str(keys[0])!r} and {str(keys[1])!r} are one column of one version; name two columns"
        )
    actual, predicted = (found.column(key) for key in keys)
    complete = (actual.notna() & predicted.notna()).to_numpy(dtype=bool)
    ids = found.frame.index.to_numpy(dtype=np.int64)[complete]
    codes, classes = _common_codes(actual[complete], predicted[complete])
    if len(classes) > MOST_CLASSES:
        raise InvalidInputError(
            f"{keys[0].column!r} and {keys[1].column!r} hold {len(classes)} classes, more than {MOST_CLASSES}; "
            "name columns of labels, not of numbers"
        )
    size = len(classes)
    counts = np.bincount(codes[0] * size + codes[1], minlength=size * size).reshape(size, size)
    table = pd.DataFrame(
        _normalized(counts, normalize),
        index=pd.Index(classes, name="truth", dtype=object),
        columns=pd.Index([f"predicted {name}" for name in classes]),
    )
    right, total = int(np.trace(counts)), len(ids)
    sentence = f"{of_all(right, total)} are predicted as what they are{_largest_confusion(counts, classes)}."
    facts = {
        "right_rows": right,
        "compared_rows": total,
        "missing_rows": int((~complete).sum()),
        "normalize": normalize,
    }
    arrays = {ROW_ID: ids, "truth": codes[0], "prediction": codes[1]}
    return DiagnosticResult(
        "confusion_matrix", table, sentence, found.plan, facts, arrays, max_abs_error=found.max_abs_error
    )


def _common_codes(
    actual: pd.Series, predicted: pd.Series
) -> tuple[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], list[object]]:
    """Return the places of both columns' values among all classes, and the classes, sorted."""
    same = actual.dtype == predicted.dtype
    sides = [actual, predicted] if same else [actual.astype(object), predicted.astype(object)]
    codes, classes = sorted_codes(pd.concat(sides, ignore_index=True))
    return (codes[: len(actual)], codes[len(actual) :]), classes


def _normalized(counts: npt.NDArray[np.int64], normalize: str) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
    if normalize == "none":
        return counts
    whole = {"truth": counts.sum(axis=1, keepdims=True), "prediction": counts.sum(axis=0, keepdims=True)}
    total = whole.get(normalize, counts.sum(keepdims=True))
    shares = np.full(counts.shape, np.nan)
    np.divide(counts, total, out=shares, where=total > 0)
    return shares


def _largest_confusion(counts: npt.NDArray[np.int64], classes: list[object]) -> str:
    wrong = counts - np.diag(np.diag(counts))
    if not wrong.any():
        return ""
    row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return f"; most often {classes[row]} is taken for {classes[column]} ({wrong[row, column]:,} times)"
