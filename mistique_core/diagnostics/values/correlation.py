"""Correlation of many columns with one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

_Floats = npt.NDArray[np.float64]


def correlations(
    values: npt.NDArray[Any], target: _Floats, method: str = "pearson"
) -> tuple[_Floats, npt.NDArray[np.int64]]:
    """Return the correlation of each column with a target, over the rows where both are known.

    Parameters
    ----------
    values
        (rows, columns). NaN and infinities count as missing.
    target
        (rows,) the same.
    method
        ``pearson``; or ``spearman``, that of ranks, ties with their average rank.

    Returns
    -------
    tuple
        (columns,) float64 from -1 to 1, NaN where fewer than two rows are known or one side is constant; and the
        numbers of rows.
    """
    both = np.isfinite(target)
    values, target = values[both], target[both]
    known = np.isfinite(values)
    complete = known.all(axis=0)
    found = np.full(values.shape[1], np.nan)
    if complete.any():
        found[complete] = _pearson(*_ranked(values[:, complete], target, method))
    for place in np.flatnonzero(~complete):
        rows = known[:, place]
        found[place] = _pearson(*_ranked(values[rows][:, [place]], target[rows], method))[0]
    return found, known.sum(axis=0)


def _ranked(values: npt.NDArray[Any], target: _Floats, method: str) -> tuple[_Floats, _Floats]:
    if method == "pearson":
        return values.astype(np.float64), target
    return np.asarray(pd.DataFrame(values).rank()), np.asarray(pd.Series(target).rank())


def _pearson(values: _Floats, target: _Floats) -> _Floats:
    if len(target) < 2:
        return np.full(values.shape[1], np.nan)
    first, second = values - values.mean(axis=0), target - target.mean()
    sizes = np.sqrt(np.square(first).sum(axis=0)), np.sqrt(np.square(second).sum())
    varies = (values.min(axis=0) < values.max(axis=0)) & (target.min() < target.max())
    found = np.full(values.shape[1], np.nan)
    np.divide(first.T @ second, sizes[0] * sizes[1], out=found, where=varies)
    return np.asarray(np.clip(found, -1.0, 1.0))
