"""How well each model does in groups of examples (thesis Fig. 6-5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.diagnostics.values.groups import Groups
from mistique_core.predictions.levels import STEPS
from mistique_core.predictions.matrix import Matrix
from mistique_core.predictions.problem import Floats


def group_accuracy(matrix: Matrix, groups: Groups, threshold: float | None = None) -> Floats:
    """Return the share of right decisions in each group; of a regression, of errors within a tenth of a deviation.

    Parameters
    ----------
    matrix
        The matrix.
    groups
        A group for each of its rows.
    threshold
        See :meth:`Matrix.decisions`.

    Returns
    -------
    numpy.ndarray
        (groups, models) float64; NaN where a group has no row.
    """
    return _means(groups, [matrix.is_right(model, threshold) for model in range(len(matrix.columns))])


def group_correctness(matrix: Matrix, groups: Groups) -> Floats:
    """Return (groups, models) mean correctness, 0 to 1 (to half a percent); NaN where a group has no row."""
    return _means(groups, [matrix.correctness(model) for model in range(len(matrix.columns))]) / STEPS


def _means(groups: Groups, values: Sequence[npt.NDArray[Any]]) -> Floats:
    sizes = groups.sizes
    found = np.full((len(sizes), len(values)), np.nan)
    for model, of_model in enumerate(values):
        sums = np.bincount(groups.codes, weights=of_model, minlength=len(sizes))
        np.divide(sums, sizes, out=found[:, model], where=sizes > 0)
    return found
