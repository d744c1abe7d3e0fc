"""What a fitted model of Spark keeps about its training; what Spark would have to compute is left alone."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

Statistics = tuple[float | None, float | None, float | None]
NO_STATISTICS: Statistics = (None, None, None)
_NORMAL_ONLY = ("LinearRegressionModel",)
_WITHOUT_JOBS = ("binomial", "poisson")
"""Families whose dispersion is 1: that of others is computed from the residuals of all rows."""


@dataclass(frozen=True)
class FitQuality:
    """How well a least squares fit fits the rows that it was fitted on; as scikit-learn defines them."""

    rmse: float
    explained_variance: float | None
    r2: float


def summary_of(model: Any) -> Any:
    """Return the training summary of a model; ``None`` for one that has none, such as a loaded one."""
    if not hasattr(type(model), "hasSummary") or not model.hasSummary:
        return None
    return model.summary


def statistics_of(model: Any, summary: Any, *, may_compute: bool) -> tuple[Statistics, ...] | None:
    """Return (standard error, statistic, p-value) of each coefficient, then of the intercept.

    Parameters
    ----------
    model
        The fitted model.
    summary
        Its summary.
    may_compute
        Whether Spark may look at all rows once more for them.

    Returns
    -------
    tuple or None
        ``None`` where Spark has none, or would have to compute them.
    """
    kind = type(model).__name__
    if kind == "GeneralizedLinearRegressionModel":
        if not may_compute and model.getOrDefault("family").lower() not in _WITHOUT_JOBS:
            return None
    elif kind not in _NORMAL_ONLY:
        return None
    columns = _quietly(summary, "coefficientStandardErrors", "tValues", "pValues")
    if columns is None:
        return None
    return tuple(_finite(*values) for values in zip(*columns, strict=True))


def _quietly(summary: Any, *names: str) -> list[list[float]] | None:
    """Return lists of a summary; ``None`` where the solver that was used does not give them."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        return [[float(value) for value in getattr(summary, name)] for name in names]
    except (Py4JError, PySparkException) as error:
        log.debug("ModelDB: a training summary has no %s: %s", " and ".join(names), error)
        return None


def _finite(error: float, statistic: float, p_value: float) -> Statistics:
    return (error, statistic, p_value) if math.isfinite(error) and math.isfinite(statistic) else NO_STATISTICS


def fit_quality_of(model: Any, summary: Any) -> FitQuality | None:
    """Return how well a linear regression fits; ``None`` for any other model."""
    if type(model).__name__ != "LinearRegressionModel":
        return None
    r2 = float(summary.r2)
    # With an intercept, and without a penalty, the residuals of least squares have mean 0.
    is_plain = model.getOrDefault("fitIntercept") and not model.getOrDefault("regParam")
    is_plain = is_plain and model.getOrDefault("loss") == "squaredError"
    return FitQuality(float(summary.rootMeanSquaredError), r2 if is_plain else None, r2)


def history_of(summary: Any) -> dict[str, tuple[float, ...]]:
    """Return ``objective`` -> one value an iteration, where the solver was an iterative one."""
    if not hasattr(type(summary), "objectiveHistory"):
        return {}
    values = tuple(float(value) for value in summary.objectiveHistory)
    return {"objective": values} if len(values) > 1 else {}
