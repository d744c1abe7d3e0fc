"""The hyperparameters of an estimator as JSON values."""

from __future__ import annotations

from typing import Any


def hyperparameters_of(estimator: Any) -> dict[str, Any]:
    """Return an estimator's parameters that are JSON values; others by their text."""
    return {name: as_json(value) for name, value in sorted(estimator.get_params(deep=False).items())}


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
