"""The examples for which the models predict most alike (thesis Fig. 6-4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mistique_core.predictions.levels import STEPS
from mistique_core.predictions.matrix import Matrix
from mistique_core.predictions.problem import Floats

_CHUNK = 1 << 17
_CENTRE = STEPS // 2


@dataclass(frozen=True)
class Neighbours:
    """Rows near to one.

    Attributes
    ----------
    positions
        (k,) int64 in the matrix, the nearest first.
    distances
        (k,) float64 root mean squared difference of what the models predict: of probabilities, or in standard
        deviations of the label.
    """

    positions: npt.NDArray[np.int64]
    distances: Floats


def distances(matrix: Matrix, position: int) -> npt.NDArray[np.float32]:
    """Return (rows,) float32 how differently the models predict for a row and for every other one.

    Root mean square over models. Binary problems: of the positive class's probability. Several classes: of the
    probability of the true class between rows of one class; between rows of two classes 1 if the model decides
    differently for them, else 0. Regressions: of the predictions, in standard deviations of the label, errors beyond
    one of these counted as that.

    Parameters
    ----------
    matrix
        The matrix.
    position
        Of the row in it.
    """
    found = np.zeros(matrix.rows, np.float32)
    models = len(matrix.columns)
    for start in range(0, matrix.rows, _CHUNK):
        part = slice(start, start + _CHUNK)
        for model in range(models):
            found[part] += _apart(matrix, model, position, part)
    return np.asarray(np.sqrt(found / np.float32(models)), np.float32)


def nearest(matrix: Matrix, position: int, k: int = 10) -> Neighbours:
    """Return the `k` rows that are nearest to a row, itself left out; equally near ones by row id."""
    far = distances(matrix, position)
    far[position] = np.inf
    k = min(k, matrix.rows - 1)
    limit = np.partition(far, k - 1)[k - 1] if k > 0 else -np.inf
    candidates = np.flatnonzero(far <= limit)
    chosen = candidates[np.lexsort((candidates, far[candidates]))][:k]
    return Neighbours(chosen, far[chosen].astype(np.float64))


def _predicted(matrix: Matrix, model: int, part: slice) -> npt.NDArray[np.float32]:
    levels = matrix.columns[model].levels[part].astype(np.float32)
    if matrix.problem.kind == "binary":
        positive = matrix.truth.codes[part] == matrix.problem.positive
        return np.asarray(np.where(positive, levels, STEPS - levels) / np.float32(STEPS), np.float32)
    if matrix.problem.kind == "regression":
        values = matrix.truth.values[part] / matrix.problem.scale
        return ((levels - _CENTRE) / _CENTRE + values).astype(np.float32)
    return np.asarray(levels / np.float32(STEPS), np.float32)


def _apart(matrix: Matrix, model: int, position: int, part: slice) -> npt.NDArray[np.float32]:
    """Return squared differences of what one model predicts."""
    mine = _predicted(matrix, model, slice(position, position + 1))[0]
    apart: npt.NDArray[np.float32] = np.square(_predicted(matrix, model, part) - mine)
    if matrix.problem.kind != "multiclass":
        return apart
    decisions = matrix.columns[model].decisions
    same = matrix.truth.codes[part] == matrix.truth.codes[position]
    return np.where(same, apart, (decisions[part] != decisions[position]).astype(np.float32))
