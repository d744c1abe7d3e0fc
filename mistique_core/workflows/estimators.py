"""Estimators by import path, from packages that are known to hold estimators only."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from mistique_core.errors import InvalidInputError, did_you_mean

ALLOWED_PACKAGES = ("lightgbm", "sklearn", "xgboost")


def make_estimator(path: str, params: Mapping[str, Any]) -> Any:
    """Return a new estimator or transformer.

    Parameters
    ----------
    path
        Import path such as ``sklearn.preprocessing.StandardScaler``.
    params
        Arguments of its constructor.

    Raises
    ------
    InvalidInputError
        If the path is not on the allow-list, does not exist, or rejects a parameter.
    """
    module_name, _, name = path.rpartition(".")
    if module_name.partition(".")[0] not in ALLOWED_PACKAGES:
        raise InvalidInputError(
            f"estimator {path!r} is not in an allowed package ({', '.join(ALLOWED_PACKAGES)}); "
            "use a function stage for your own classes"
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InvalidInputError(f"estimator {path!r} cannot be imported: {error}") from error
    cls = getattr(module, name, None)
    if not (isinstance(cls, type) and hasattr(cls, "get_params")):
        known = [item for item in dir(module) if isinstance(getattr(module, item), type)]
        raise InvalidInputError(f"{module_name} has no estimator {name!r}; {did_you_mean(name, known)}")
    try:
        estimator = cls()
    except TypeError as error:
        raise InvalidInputError(f"{name} cannot be made from JSON ({error}); use a function stage") from error
    own = estimator.get_params(deep=False)
    taken = own.keys() | _further_params(module_name)
    for param in params:
        if param not in taken:
            raise InvalidInputError(f"{name} has no parameter {param!r}; {did_you_mean(param, taken)}")
    return estimator.set_params(**{param: _like(value, own.get(param)) for param, value in params.items()})


def _further_params(module_name: str) -> set[str]:
    """Return the parameters that estimators of a package take besides those that they list."""
    if module_name.partition(".")[0] != "lightgbm":
        return set()
    from lightgbm.basic import _ConfigAliases

    aliases: dict[str, list[str]] = _ConfigAliases._get_all_param_aliases()
    return {*aliases, *(alias for names in aliases.values() for alias in names)}


def _like(value: Any, default: Any) -> Any:
    """JSON has no tuples: a list stands for one where the estimator's default is a tuple."""
    return tuple(value) if isinstance(value, list) and isinstance(default, tuple) else value


def is_seeded(estimator: Any) -> bool:
    """Return whether the estimator draws no random numbers, or draws them from a given seed."""
    params = estimator.get_params(deep=False)
    return "random_state" not in params or isinstance(params["random_state"], int)


def is_fitted_object(value: Any) -> bool:
    """Return whether `value` follows the scikit-learn estimator interface."""
    return hasattr(value, "get_params") and hasattr(value, "fit") and not isinstance(value, type)
