"""Prediction churn: how often two models decide differently (thesis 5.1 and 6.2.1)."""

from __future__ import annotations

import numpy as np

from mistique_core.predictions.levels import STEPS
from mistique_core.predictions.matrix import Matrix
from mistique_core.predictions.problem import Codes, Floats

REGRESSION_TOLERANCE = 0.1
"""Predicted amounts differ if they are further apart than this many standard deviations of the label."""


def churn(matrix: Matrix, threshold: float | None = None) -> Floats:
    """Return the share of examples for which two models decide differently.

    Parameters
    ----------
    matrix
        The matrix, with at least one row.
    threshold
        Of the positive class's probability; ``None`` for the models' own decisions.

    Returns
    -------
    numpy.ndarray
        (models, models) float64, 0 to 1, symmetric. For a regression: of predictions that are further apart than a
        tenth of the label's standard deviation; errors beyond one standard deviation count as that.
    """
    models = len(matrix.columns)
    found = np.zeros((models, models))
    if matrix.problem.kind == "binary":
        bits = [_words(np.packbits(matrix.decisions(model, threshold))) for model in range(models)]
    for left in range(models):
        for right in range(left + 1, models):
            if matrix.problem.kind == "binary":
                differing = int(np.bitwise_count(bits[left] ^ bits[right]).sum(dtype=np.int64))
            elif matrix.problem.kind == "multiclass":
                mine, other = matrix.columns[left].decisions, matrix.columns[right].decisions
                differing = int(np.count_nonzero(mine != other))
            else:
                one, two = matrix.columns[left].levels, matrix.columns[right].levels
                apart = np.maximum(one, two) - np.minimum(one, two)
                differing = int(np.count_nonzero(apart > REGRESSION_TOLERANCE * STEPS / 2))
            found[left, right] = found[right, left] = differing / matrix.rows
    return found


def _words(packed: Codes) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    filled = np.zeros(-(-len(packed) // 8) * 8, np.uint8)
    filled[: len(packed)] = packed
    return filled.view(np.uint64)
