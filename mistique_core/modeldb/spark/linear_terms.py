"""The coefficients of a linear model of Spark."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.model.fit_facts import LinearFacts, LinearTerm
from mistique_core.modeldb.spark.training_summary import NO_STATISTICS, Statistics, fit_quality_of, statistics_of

_Floats = npt.NDArray[np.float64]


def is_linear(model: Any) -> bool:
    """Return whether a model has one coefficient a feature, or some a class."""
    cls = type(model)
    return hasattr(cls, "coefficientMatrix") or (hasattr(cls, "coefficients") and hasattr(cls, "intercept"))


def coefficients_of(model: Any) -> tuple[_Floats, _Floats]:
    """Return coefficients (n_targets, n_features) and intercepts (n_targets,) of a linear model."""
    if hasattr(type(model), "coefficientMatrix"):
        return np.atleast_2d(model.coefficientMatrix.toArray()), np.atleast_1d(model.interceptVector.toArray())
    return np.atleast_2d(model.coefficients.toArray()), np.atleast_1d(np.float64(model.intercept))


def linear_facts(
    model: Any,
    names: tuple[str, ...],
    coefficients: tuple[_Floats, _Floats],
    summary: Any,
    *,
    is_standardized: bool | None,
    may_compute: bool,
) -> LinearFacts:
    """Return the terms of a linear model, with statistics where Spark has them.

    Parameters
    ----------
    model
        The fitted model.
    names
        Its features.
    coefficients
        Those of :func:`coefficients_of`.
    summary
        Its training summary; ``None`` for none.
    is_standardized
        Whether its features had mean 0 and standard deviation 1.
    may_compute
        See :func:`statistics_of`.
    """
    matrix, intercepts = coefficients
    if matrix.shape[1] != len(names):
        return LinearFacts((), is_standardized=is_standardized)
    has_intercept = bool(model.getOrDefault("fitIntercept"))
    statistics = None if summary is None else statistics_of(model, summary, may_compute=may_compute)
    terms: list[LinearTerm] = []
    for number, values in enumerate(matrix):
        target = "" if len(matrix) == 1 else str(number)
        known = _by_index(statistics, len(names), has_intercept)
        rows = zip(("intercept", *names), (float(intercepts[number]), *values.tolist()), known, strict=True)
        terms += [
            LinearTerm(index, name, target, value, *more)
            for index, (name, value, more) in enumerate(rows)
            if index or has_intercept
        ]
    quality = None if summary is None else fit_quality_of(model, summary)
    if quality is None:
        return LinearFacts(tuple(terms), is_standardized=is_standardized)
    return LinearFacts(tuple(terms), quality.rmse, quality.explained_variance, quality.r2, is_standardized)


def _by_index(statistics: tuple[Statistics, ...] | None, features: int, has_intercept: bool) -> list[Statistics]:
    """Return the statistics of the intercept, which Spark has last, and of each feature."""
    if statistics is None or len(statistics) != features + has_intercept:
        return [NO_STATISTICS] * (features + 1)
    return [statistics[-1] if has_intercept else NO_STATISTICS, *statistics[:features]]
