"""The coefficients of a linear model."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.fitted.facts.numeric_data import NumericData
from mistique_core.fitted.facts.standard_errors import Errors, least_squares_errors, logistic_errors
from mistique_core.model.fit_facts import LinearFacts, LinearTerm

_Floats = npt.NDArray[np.float64]

_QUALITY_SHARE = 100


def linear_facts(
    model: Any,
    names: tuple[str, ...],
    X: Any,
    y: Any,
    term_limit: int,
    work_limit: int,
    is_weighted: bool,
    standardized: bool | None = None,
) -> LinearFacts | None:
    """Return the coefficients of a linear model; ``None`` for any other.

    Parameters
    ----------
    model
        The fitted estimator.
    names
        Its input columns.
    X, y
        What it was fitted on; ``None`` where that is not known.
    term_limit
        Most coefficients; a model with more has no terms here.
    work_limit
        Most multiplications for standard errors; a hundredth of them for how well another regression fits.
    is_weighted
        Whether the rows had weights.
    standardized
        Whether the columns were standardized before; ``None`` to look at `X`.
    """
    if not _is_linear(model):
        return None
    coefficients, intercepts, targets = _coefficients(model)
    if coefficients.size > term_limit or coefficients.shape[1] != len(names):
        return LinearFacts(())
    data = NumericData.of(X, y)
    errors = fit = None
    if data is not None and not is_weighted:
        if data.rows * (len(names) + 1) ** 2 <= work_limit:
            errors = least_squares_errors(model, data) or logistic_errors(model, data)
            fit = None if errors is None else errors.fit
        if fit is None and data.rows * len(names) <= work_limit // _QUALITY_SHARE and _is_regressor(model):
            fit = data.fit_quality(coefficients, intercepts)
    if standardized is None and data is not None:
        standardized = data.is_standardized
    terms = _terms(coefficients, intercepts, targets, names, _has_intercept(model), errors)
    if fit is None:
        return LinearFacts(terms, is_standardized=standardized)
    return LinearFacts(terms, fit.rmse, fit.explained_variance, fit.r2, standardized)


def _is_linear(model: Any) -> bool:
    module = type(model).__module__
    is_known = module.startswith(("sklearn.linear_model", "sklearn.discriminant_analysis"))
    is_known = is_known or type(model).__name__ in ("LinearSVC", "LinearSVR")
    return is_known and hasattr(model, "coef_")


def _is_regressor(model: Any) -> bool:
    from sklearn.base import is_regressor

    # A generalized linear model's prediction is not its linear part.
    return bool(is_regressor(model)) and "_glm" not in type(model).__module__


def _has_intercept(model: Any) -> bool:
    return bool(getattr(model, "fit_intercept", hasattr(model, "intercept_")))


def _coefficients(model: Any) -> tuple[_Floats, _Floats, tuple[str, ...]]:
    """Return coefficients (n_targets, n_features), intercepts (n_targets,) and the targets' names."""
    values = model.coef_.toarray() if hasattr(model.coef_, "toarray") else model.coef_
    coefficients = np.atleast_2d(np.asarray(values, dtype=np.float64))
    count = len(coefficients)
    intercepts = np.broadcast_to(np.asarray(getattr(model, "intercept_", 0.0), dtype=np.float64).reshape(-1), count)
    classes = getattr(model, "classes_", None)
    if count == 1:
        return coefficients, intercepts, ("",)
    if classes is not None and len(classes) == count:
        return coefficients, intercepts, tuple(map(str, classes))
    return coefficients, intercepts, tuple(map(str, range(count)))


def _terms(
    coefficients: _Floats,
    intercepts: _Floats,
    targets: tuple[str, ...],
    names: tuple[str, ...],
    has_intercept: bool,
    errors: Errors | None,
) -> tuple[LinearTerm, ...]:
    terms = []
    for number, target in enumerate(targets):
        values = [float(intercepts[number]), *coefficients[number].tolist()]
        statistics = [(None, None, None)] * len(values) if errors is None else errors.of_target(number)
        rows = zip(range(len(values)), ("intercept", *names), values, statistics, strict=True)
        terms += [
            LinearTerm(index, name, target, value, *more) for index, name, value, more in rows if index or has_intercept
        ]
    return tuple(terms)
