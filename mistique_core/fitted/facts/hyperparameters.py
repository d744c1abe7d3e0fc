"""The hyperparameters of an estimator as JSON values."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any


def hyperparameters_of(estimator: Any) -> dict[str, Any]:
    """Return an estimator's parameters that are JSON values; others by their text."""
    return {name: as_json(value) for name, value in sorted(params_of(estimator).items())}


def params_of(estimator: Any) -> dict[str, Any]:
    """Return what ``get_params(deep=False)`` does; scikit-learn's own looks at a signature every time."""
    cls: Any = type(estimator)
    names = _names_of_params(cls)
    if names is None:
        params: dict[str, Any] = estimator.get_params(deep=False)
        return params
    return {name: getattr(estimator, name) for name in names}


@lru_cache(maxsize=1_000)
def _names_of_params(cls: Any) -> tuple[str, ...] | None:
    """Return the names of a class's parameters; ``None`` for one that has its own way to tell them."""
    base = sys.modules.get("sklearn.base")
    if base is None or getattr(cls, "get_params", None) is not base.BaseEstimator.get_params:
        return None
    return tuple(cls._get_param_names())


def as_json(value: Any) -> Any:
    """Return a value as JSON values; what JSON does not have, by its text or its import path."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if value == value and value not in (float("inf"), float("-inf")) else str(value)
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return as_json(value.item())
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return str(value)
