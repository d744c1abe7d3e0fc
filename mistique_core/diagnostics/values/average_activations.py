"""VIS: the average activation of each unit for each class (thesis Table 5.1, Figures 5-1 and 5-11)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.diagnostics.values.group_means import group_means
from mistique_core.errors import InvalidInputError


def average_activations(
    values: npt.NDArray[Any], classes: npt.NDArray[Any], count: int | None = None
) -> npt.NDArray[np.float64]:
    """Return the mean of each unit over the examples of each class: what ActiVis draws as a heatmap.

    Parameters
    ----------
    values
        (rows, ..., units), numbers or truth values. A map counts as the mean of its values.
    classes
        (rows,) integers from 0: the class of each row.
    count
        How many classes there are; by default as many as `classes` names.

    Returns
    -------
    numpy.ndarray
        (units, classes) float64. NaN is left out; NaN where a class has no row.

    Raises
    ------
    InvalidInputError
        If `classes` is not one integer a row, or out of range.
    """
    if values.ndim < 2:
        raise InvalidInputError(f"VIS needs (rows, ..., units), not an array of shape {values.shape}; add the axis")
    if classes.shape != values.shape[:1] or not np.issubdtype(classes.dtype, np.integer):
        raise InvalidInputError(
            f"VIS needs one integer class for each of {len(values)} rows, not {classes.dtype} {classes.shape}"
        )
    low, high = (int(classes.min()), int(classes.max())) if classes.size else (0, -1)
    number = high + 1 if count is None else count
    if low < 0 or high >= number:
        raise InvalidInputError(f"VIS got classes {low} to {high}, but there are {number}, counted from 0")
    cells = tuple(range(1, values.ndim - 1))
    means = values.mean(axis=cells, dtype=np.float64) if cells else values
    return group_means(means, classes.astype(np.int64), number)[0].T
