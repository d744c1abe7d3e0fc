"""Ranking examples by their values: what TOPK does once it has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.errors import InvalidInputError

_REDUCERS: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    "max": lambda cells: cells.max(axis=1),
    "mean": lambda cells: cells.mean(axis=1, dtype=np.float64),
    "norm": lambda cells: np.linalg.norm(cells.astype(np.float64), axis=1),
}


def map_scores(maps: npt.NDArray[Any], by: str) -> npt.NDArray[Any]:
    """Return one number a map.

    Parameters
    ----------
    maps
        (rows, ...) numbers.
    by
        ``max``, the largest value; ``mean``; or ``norm``, the Euclidean norm of all values.

    Returns
    -------
    numpy.ndarray
        (rows,); NaN for a map that holds NaN. float64, or the dtype of `maps` for ``max``.
    """
    return _REDUCERS[by](maps.reshape(len(maps), -1))


def rank(column: pd.Series, k: int, *, largest: bool = True) -> pd.Series:
    """Return the `k` rows with the largest (or smallest) values, best first.

    Parameters
    ----------
    column
        Values of a dtype with an order, index ``row_id``.
    k
        At least 1; fewer rows come back where fewer have a value.
    largest
        Whether the largest values are wanted.

    Returns
    -------
    pandas.Series
        Ties by row id, ascending; missing values and NaN never qualify, infinities do.

    Raises
    ------
    InvalidInputError
        If the values have no order.
    """
    if not (column.dtype.kind in "iufbmM" or getattr(column.dtype, "ordered", False)):
        raise InvalidInputError(
            f"column {column.name!r} of dtype {column.dtype} has no order to rank by; name a number"
        )
    candidates = column.dropna()
    if isinstance(column.dtype, np.dtype) and len(candidates) > 4 * k:
        values = candidates.to_numpy()
        place = len(values) - k if largest else k - 1
        bound = np.partition(values, place)[place]
        candidates = candidates[values >= bound if largest else values <= bound]
    return candidates.sort_index().sort_values(ascending=not largest, kind="stable").head(k)
