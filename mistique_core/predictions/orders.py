"""In which order the rows of a prediction matrix stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.predictions.levels import STEPS
from mistique_core.predictions.matrix import Matrix

Permutation = npt.NDArray[np.int32]
_CHUNK = 1 << 17


def by_row_id(matrix: Matrix) -> Permutation:
    """Return the order of ascending row ids: (rows,) int32 positions."""
    return np.arange(matrix.rows, dtype=np.int32)


def by_model(matrix: Matrix, model: int) -> Permutation:
    """Return the order of one model's correctness, the worst first; equal ones by row id."""
    return np.argsort(matrix.correctness(model), kind="stable").astype(np.int32)


def by_mean_error(matrix: Matrix) -> Permutation:
    """Return the order of the mean correctness over all models, the worst first; equal ones by row id."""
    return np.argsort(total_correctness(matrix), kind="stable").astype(np.int32)


def by_disagreement(matrix: Matrix) -> Permutation:
    """Return the order of the standard deviation of correctness over models, the largest first."""
    variance = np.empty(matrix.rows, np.float32)
    models = len(matrix.columns)
    for start in range(0, matrix.rows, _CHUNK):
        part = slice(start, start + _CHUNK)
        sums = np.zeros(len(variance[part]), np.int64)
        squares = np.zeros(len(variance[part]), np.int64)
        for model in range(models):
            found = matrix.correctness(model, part).astype(np.int32)
            sums += found
            squares += found * found
        variance[part] = models * squares - sums * sums
    return np.argsort(-variance, kind="stable").astype(np.int32)


def by_truth(matrix: Matrix) -> Permutation:
    """Return the order of the truth, the positive or highest first; within it the worst first."""
    worst = by_mean_error(matrix)
    truth = matrix.truth.values if matrix.problem.kind == "regression" else matrix.truth_levels()
    return worst[np.argsort(-truth[worst].astype(np.float64), kind="stable")]


def by_codes(matrix: Matrix, codes: npt.NDArray[np.integer]) -> Permutation:
    """Return the order of groups or clusters; within each the worst first.

    Parameters
    ----------
    matrix
        The matrix.
    codes
        (rows,) the group of each row.
    """
    worst = by_mean_error(matrix)
    return worst[np.argsort(codes[worst], kind="stable")]


def total_correctness(matrix: Matrix) -> npt.NDArray[np.uint16 | np.uint32]:
    """Return (rows,) the sum of correctness over models, in steps of 1 / 200: uint16, or uint32 for many models."""
    small = len(matrix.columns) * STEPS <= np.iinfo(np.uint16).max
    total: npt.NDArray[Any] = np.zeros(matrix.rows, np.uint16 if small else np.uint32)
    for model in range(len(matrix.columns)):
        np.add(total, matrix.correctness(model), out=total)
    return total
