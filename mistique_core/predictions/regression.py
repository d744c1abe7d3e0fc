"""How good predicted amounts are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mistique_core.predictions.problem import Floats

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_POINTS = 1_500


@dataclass(frozen=True)
class RegressionSummary:
    """Errors of one model; an error is the prediction minus the truth, in the unit of the label.

    Attributes
    ----------
    metrics
        ``mae``, ``rmse``, ``r2``, ``mean_error`` and the median of absolute errors ``median_ae``.
    quantiles
        (5,) quantiles of the errors at 0.05, 0.25, 0.5, 0.75 and 0.95.
    predictions, errors
        A few points to draw: evenly spread over the rows.
    """

    metrics: dict[str, float]
    quantiles: Floats
    predictions: Floats
    errors: Floats


def regression_summary(truth: Floats, prediction: Floats) -> RegressionSummary:
    """Return how far predictions are off, (rows,) float64 each without NaN."""
    errors = prediction - truth
    rows = len(errors)
    if not rows:
        empty = np.empty(0)
        return RegressionSummary({}, np.full(len(QUANTILES), np.nan), empty, empty)
    spread = float(np.square(truth - truth.mean()).sum())
    total = float(np.square(errors).sum())
    metrics = {
        "mae": float(np.abs(errors).mean()),
        "rmse": math.sqrt(total / rows),
        "r2": 1 - total / spread if spread else math.nan,
        "median_ae": float(np.median(np.abs(errors))),
        "mean_error": float(errors.mean()),
    }
    some: npt.NDArray[np.int64] = np.unique(np.linspace(0, rows - 1, min(rows, MOST_POINTS)).astype(np.int64))
    return RegressionSummary(metrics, np.quantile(errors, QUANTILES), prediction[some], errors[some])
