"""Distances of rows, and the nearest rows: what KNN does once it has the values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.values.ranking import rank

_BLOCK_VALUES = 1 << 22


def nearest(
    values: npt.NDArray[Any],
    row_id: npt.NDArray[np.int64],
    place: int,
    k: int,
    *,
    metric: str = "euclidean",
    standardize: bool = False,
) -> pd.Series:
    """Return the `k` rows that are nearest to one, nearest first.

    Parameters
    ----------
    values
        (rows, numbers).
    row_id
        (rows,) row ids.
    place
        Position of the row whose neighbours are wanted; it is not among them.
    k
        At least 1.
    metric, standardize
        As for :func:`distances_to`.

    Returns
    -------
    pandas.Series
        Distances, float64, index ``row_id``; ties by row id, ascending. Rows without a distance are left out.
    """
    distances = distances_to(values, place, metric=metric, standardize=standardize)
    column = pd.Series(distances, index=pd.Index(row_id, name="row_id"), name="distance")
    return rank(column.drop(index=row_id[place]), k, largest=False)


def distances_to(
    values: npt.NDArray[Any], place: int, *, metric: str = "euclidean", standardize: bool = False
) -> npt.NDArray[np.float64]:
    """Return the distance of every row to one of them.

    NaN and infinities count as missing. Only numbers that both rows have are compared: the sum of squares is scaled up
    by the share of missing ones (as scikit-learn's ``nan_euclidean_distances``); the cosine is that of these numbers.

    Parameters
    ----------
    values
        (rows, numbers).
    place
        Position of that row.
    metric
        ``euclidean``; or ``cosine``, 1 minus the cosine of the angle, which is 1 where a row is all zeros.
    standardize
        Whether each column is centred and divided by its standard deviation (of the population) first; a constant
        column is only centred.

    Returns
    -------
    numpy.ndarray
        (rows,) float64; NaN where the rows have no number in common.
    """
    shift, scale = _moments(values) if standardize else (0.0, 1.0)
    target = (values[place].astype(np.float64) - shift) / scale
    distances = np.empty(len(values))
    step = max(1, _BLOCK_VALUES // max(values.shape[1], 1))
    measure = _euclidean if metric == "euclidean" else _cosine
    for start in range(0, len(values), step):
        block = (values[start : start + step].astype(np.float64) - shift) / scale
        known = np.isfinite(block) & np.isfinite(target)
        complete = bool(known.all())
        if not complete:
            block = np.where(known, block, 0.0)
        distances[start : start + step] = measure(block, target, None if complete else known)
    return distances


def _euclidean(
    block: npt.NDArray[np.float64], target: npt.NDArray[np.float64], known: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.float64]:
    if known is None:
        return np.asarray(np.sqrt(np.square(block - target).sum(axis=1)))
    differences = np.where(known, block - np.where(np.isfinite(target), target, 0.0), 0.0)
    counts = known.sum(axis=1)
    share = np.divide(known.shape[1], counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return np.asarray(np.sqrt(np.square(differences).sum(axis=1) * share))


def _cosine(
    block: npt.NDArray[np.float64], target: npt.NDArray[np.float64], known: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.float64]:
    finite = np.where(np.isfinite(target), target, 0.0)
    mask = np.ones(1) if known is None else known
    sizes = np.sqrt(np.square(block).sum(axis=1)) * np.sqrt((np.square(finite) * mask).sum(axis=-1))
    cosines = np.divide(block @ finite, sizes, out=np.zeros(len(block)), where=sizes > 0)
    distances = np.clip(1.0 - cosines, 0.0, 2.0)
    return distances if known is None else np.where(known.any(axis=1), distances, np.nan)


def _moments(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean and standard deviation of the finite numbers of each column; 1 for a constant one."""
    known = np.isfinite(values)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0).sum(axis=0, dtype=np.float64) / counts
    square = np.square(np.where(known, values - mean, 0.0)).sum(axis=0, dtype=np.float64) / counts
    low = np.where(known, values, np.inf).min(axis=0, initial=np.inf)
    varies = low < np.where(known, values, -np.inf).max(axis=0, initial=-np.inf)
    return mean, np.where(varies, np.sqrt(square), 1.0)
