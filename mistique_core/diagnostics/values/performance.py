"""How good predictions are: metrics of classes and of amounts, group by group."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.values.groups import Groups

_Codes = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


def regression(truth: _Floats, prediction: _Floats, groups: Groups) -> pd.DataFrame:
    """Return mean error (prediction minus truth), mean absolute error and root mean squared error of each group.

    Parameters
    ----------
    truth, prediction
        (rows,) without NaN.
    groups
        A group for each row.

    Returns
    -------
    pandas.DataFrame
        Index the groups' names; ``rows``, ``mean_error``, ``mae``, ``rmse``; NaN where a group has no row.
    """
    errors = prediction - truth
    found = {"mean_error": errors, "mae": np.abs(errors), "rmse": np.square(errors)}
    table = pd.DataFrame({name: _means(values, groups) for name, values in found.items()})
    table["rmse"] = np.sqrt(table["rmse"])
    return _with_rows(table, groups)


def classification(
    truth: _Codes, prediction: _Codes, groups: Groups, positive: int | None, classes: int
) -> pd.DataFrame:
    """Return accuracy, precision, recall and F1 of each group.

    With a positive class, precision, recall and F1 are its; else they are averages over the classes (macro). A share
    of nothing is NaN and not averaged (scikit-learn's ``zero_division=np.nan``).

    Parameters
    ----------
    truth, prediction
        (rows,) numbers of classes.
    groups
        A group for each row.
    positive
        Number of the positive class, or ``None``.
    classes
        How many classes there are.

    Returns
    -------
    pandas.DataFrame
        Index the groups' names; ``rows``, ``accuracy``, ``precision``, ``recall``, ``f1``.
    """
    size = len(groups.names)
    right = truth == prediction
    hits, actual, predicted = (
        np.bincount(by * classes + codes, minlength=size * classes).reshape(size, classes)
        for by, codes in ((groups.codes[right], truth[right]), (groups.codes, truth), (groups.codes, prediction))
    )
    precision, recall = _ratio(hits, predicted), _ratio(hits, actual)
    f1 = _ratio(2 * hits, predicted + actual)
    table = pd.DataFrame({"accuracy": _ratio(hits.sum(axis=1), groups.sizes)})
    for name, shares in (("precision", precision), ("recall", recall), ("f1", f1)):
        table[name] = _mean_known(shares) if positive is None else shares[:, positive]
    return _with_rows(table, groups)


def log_loss(probabilities: _Floats, groups: Groups) -> _Floats:
    """Return the mean negative logarithm of the probability that was given to what is true, of each group.

    Parameters
    ----------
    probabilities
        (rows,) of the true class, 0 to 1; NaN where it is missing, which is left out. 0 counts as 2.2e-16.
    groups
        A group for each row.
    """
    losses = -np.log(np.clip(probabilities, np.finfo(np.float64).eps, 1.0))
    known = ~np.isnan(losses)
    sums = np.bincount(groups.codes[known], weights=losses[known], minlength=len(groups.names))
    return _ratio(sums, np.bincount(groups.codes[known], minlength=len(groups.names)))


def _means(values: _Floats, groups: Groups) -> _Floats:
    return _ratio(np.bincount(groups.codes, weights=values, minlength=len(groups.names)), groups.sizes)


def _ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> _Floats:
    found = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found


def _mean_known(shares: _Floats) -> _Floats:
    known = ~np.isnan(shares)
    return _ratio(np.where(known, shares, 0).sum(axis=1), known.sum(axis=1))


def _with_rows(table: pd.DataFrame, groups: Groups) -> pd.DataFrame:
    table.insert(0, "rows", groups.sizes)
    return table.set_axis(pd.Index(groups.names, name="group"), axis=0)
