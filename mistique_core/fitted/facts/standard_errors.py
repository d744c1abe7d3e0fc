"""Standard errors of coefficients, where statistics has them: least squares, and unpenalised logistic regression.

Both are read off the information matrix ``M = A' W A`` of the columns ``A = [1, X]``: its inverse, times the variance
of the residuals for least squares, is the covariance of the coefficients. Columns whose mean is far from 0 are moved
there first, so that they cost no digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.fitted.facts.numeric_data import FitQuality, NumericData

_Floats = npt.NDArray[np.float64]
_SAMPLE_ROWS = 1_024
_FAR_MEAN = 1_000.0
"""In standard deviations: a column with a larger mean is moved."""
_BLOCK_ROWS = 16_384
_SMALLEST_EIGENVALUE = 1e-12
"""Of the information matrix scaled to a diagonal of ones: below it, a column is as good as a sum of others."""

Statistics = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class Errors:
    """Standard errors, test statistics and p-values.

    Attributes
    ----------
    std_err, statistic, p_value
        Shape (n_targets, 1 + n_features), the intercept first; NaN for an intercept that was not fitted.
    fit
        How well least squares fit; ``None`` for a classifier.
    """

    std_err: _Floats
    statistic: _Floats
    p_value: _Floats
    fit: FitQuality | None = None

    def of_target(self, number: int) -> list[Statistics]:
        """Return (standard error, statistic, p-value) of each coefficient, ``None`` where there is none."""
        rows = zip(self.std_err[number], self.statistic[number], self.p_value[number], strict=True)
        return [_finite(*row) for row in rows]


def _finite(error: float, statistic: float, p_value: float) -> Statistics:
    if not (np.isfinite(error) and np.isfinite(statistic)):
        return (None, None, None)
    return (float(error), float(statistic), float(p_value))


def least_squares_errors(model: Any, data: NumericData) -> Errors | None:
    """Return the standard errors of ordinary least squares, with Student's t of ``n - p`` degrees of freedom.

    ``None`` for any other model, for positive coefficients, where there are not more rows than coefficients, and for
    columns that depend on each other.
    """
    from scipy.special import stdtr
    from sklearn.linear_model import LinearRegression

    if type(model) is not LinearRegression or model.positive:
        return None
    coefficients = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64))
    freedom = data.rows - data.columns - int(model.fit_intercept)
    if freedom <= 0:
        return None
    intercepts = np.broadcast_to(np.asarray(model.intercept_, dtype=np.float64).reshape(-1), len(coefficients))
    fit = data.fit_quality(coefficients, intercepts)
    inverse = None if fit is None else _inverse_information(data, model.fit_intercept)
    if fit is None or inverse is None:
        return None
    errors = np.sqrt(np.outer(fit.residual_sums / freedom, np.diag(inverse)))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.column_stack([intercepts, coefficients]) / errors
    return Errors(errors, statistic, 2 * stdtr(freedom, -np.abs(statistic)), fit)


def logistic_errors(model: Any, data: NumericData) -> Errors | None:
    """Return Wald's standard errors of a binary logistic regression, with the normal distribution.

    ``None`` for any other model, with a penalty or class weights, where the solver gave up before it converged, and
    for columns that depend on each other.
    """
    from scipy.special import expit, ndtr
    from sklearn.linear_model import LogisticRegression

    if type(model) is not LogisticRegression or not _is_plain(model) or model.coef_.shape[0] != 1:
        return None
    coefficients = np.asarray(model.coef_[0], dtype=np.float64)
    intercept = float(model.intercept_[0]) if model.fit_intercept else 0.0

    def weights(block: _Floats) -> _Floats:
        share: _Floats = expit(block @ coefficients + intercept)
        return share * (1.0 - share)

    inverse = _inverse_information(data, model.fit_intercept, weights=weights)
    if inverse is None:
        return None
    errors = np.sqrt(np.diag(inverse))[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.concatenate([[intercept], coefficients])[None, :] / errors
    return Errors(errors, statistic, 2 * ndtr(-np.abs(statistic)))


def _is_plain(model: Any) -> bool:
    """Return whether a logistic regression has no penalty and no class weights, and has converged."""
    has_penalty = getattr(model, "penalty", "deprecated") is not None and np.isfinite(model.C)
    # liblinear shrinks the intercept whatever the penalty.
    is_shrunk = has_penalty or model.solver == "liblinear"
    return not is_shrunk and model.class_weight is None and bool(np.max(model.n_iter_) < model.max_iter)


def _inverse_information(
    data: NumericData, has_intercept: bool, *, weights: Callable[[_Floats], _Floats] | None = None
) -> _Floats | None:
    """Return the inverse of ``[1, X]' W [1, X]``, shape (1 + n_features, 1 + n_features); ``None`` if it is singular.

    Without an intercept the first row and column are NaN.
    """
    size = data.columns + 1
    shift = _shift(data) if has_intercept else None
    total = np.zeros((size, size))
    if weights is None and shift is None:
        total[0, 0] = data.rows
        total[0, 1:] = total[1:, 0] = data.matrix.sum(axis=0)
        total[1:, 1:] = data.matrix.T @ data.matrix
    else:
        for start in range(0, data.rows, _BLOCK_ROWS):
            total += _block_information(data.matrix[start : start + _BLOCK_ROWS], shift, weights)
    first = 0 if has_intercept else 1
    matrix = total[first:, first:]
    scale = np.sqrt(np.diag(matrix))
    if not np.all(np.isfinite(scale)) or np.any(scale == 0):
        return None
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    if values[0] < _SMALLEST_EIGENVALUE * size:
        return None
    inverse = np.full((size, size), np.nan)
    inverse[first:, first:] = (vectors / values) @ vectors.T / np.outer(scale, scale)
    if has_intercept and shift is not None:
        # The intercept of the columns as they are is that of the moved columns minus what moving them added.
        back = np.concatenate([[1.0], -shift])
        inverse[0, 1:] = inverse[1:, 0] = inverse[1:, :] @ back
        inverse[0, 0] = _intercept_variance(vectors, values, scale, back)
    return inverse


def _shift(data: NumericData) -> _Floats | None:
    """Return by how much to move each column, or ``None`` where no mean is far from 0."""
    sample = data.matrix[:: max(1, data.rows // _SAMPLE_ROWS)]
    mean: _Floats = sample.mean(axis=0)
    return mean if np.any(np.abs(mean) > _FAR_MEAN * sample.std(axis=0)) else None


def _block_information(block: _Floats, shift: _Floats | None, weights: Callable[[_Floats], _Floats] | None) -> _Floats:
    design = np.empty((len(block), block.shape[1] + 1))
    design[:, 0] = 1.0
    np.subtract(block, 0.0 if shift is None else shift, out=design[:, 1:])
    weighted = design if weights is None else design * weights(block)[:, None]
    found: _Floats = design.T @ weighted
    return found


def _intercept_variance(vectors: _Floats, values: _Floats, scale: _Floats, back: _Floats) -> float:
    return float(np.square(vectors.T @ (back / scale)) @ (1.0 / values))
