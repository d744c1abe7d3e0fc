"""The input columns of an estimator, and how much each counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.model.fit_facts import Feature


def names_of_features(estimator: Any, X: Any = None) -> tuple[str, ...]:
    """Return the names of an estimator's input columns: its own, then those of `X`, then ``x0``, ``x1``..."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        names = getattr(X, "columns", None)
    if names is not None:
        return tuple(map(str, names))
    count = getattr(estimator, "n_features_in_", None)
    if count is None:
        shape: tuple[int, ...] = getattr(X, "shape", ())
        count = shape[1] if len(shape) > 1 else 0
    return tuple(f"x{number}" for number in range(count))


def features_of(estimator: Any, names: tuple[str, ...], *, are_inputs: bool = True) -> tuple[Feature, ...]:
    """Return input columns with their importance.

    Parameters
    ----------
    estimator
        The fitted model.
    names
        The columns, in order.
    are_inputs
        Whether the model sees these columns, and not what other steps of a pipeline made of them: only then its
        importances are theirs.
    """
    importances = _importances(estimator) if are_inputs else None
    if importances is None or importances.shape != (len(names),):
        return tuple(map(Feature, names))
    return tuple(map(Feature, names, importances.tolist()))


def _importances(estimator: Any) -> npt.NDArray[np.float64] | None:
    try:
        values = getattr(estimator, "feature_importances_", None)
        coefficients = getattr(estimator, "coef_", None) if values is None else None
    except (AttributeError, ValueError, KeyError):
        # XGBoost's linear booster has no importances of some types.
        return None
    if values is not None:
        return np.asarray(values, dtype=np.float64)
    if coefficients is None:
        return None
    found = np.asarray(coefficients.toarray() if hasattr(coefficients, "toarray") else coefficients)
    if found.dtype.kind not in "fiu" or found.ndim not in (1, 2):
        return None
    size = np.abs(found.astype(np.float64))
    return size if size.ndim == 1 else size.mean(axis=0)
