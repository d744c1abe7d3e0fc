"""How estimators and functions are named in records."""

from __future__ import annotations

import inspect
import sys
from functools import lru_cache
from typing import Any

from mistique_core.fitted.facts.hyperparameters import as_json, params_of
from mistique_core.lineage.code import library_versions
from mistique_core.model import Stage
from mistique_core.model.event import StageEvent


@lru_cache(maxsize=1_000)
def public_module(cls: Any) -> str:
    """Return the shortest module that a class or a function can be imported from, as its users do."""
    parts = cls.__module__.split(".")
    for length in range(1, len(parts) + 1):
        name = ".".join(parts[:length])
        found = getattr(sys.modules.get(name), cls.__name__, None)
        # A traced function stands in for what it wraps.
        if found is cls or (found is not None and getattr(found, "__wrapped__", None) is cls):
            return name
    return str(cls.__module__)


def class_path(cls: type) -> str:
    """Return a class's import path as the stages write it, such as ``sklearn.linear_model.LogisticRegression``."""
    return f"{public_module(cls)}.{cls.__qualname__}"


def call_path(target: Any, method: str = "") -> str:
    """Return the import path of a function or a method, such as ``sklearn.linear_model:Ridge.fit``."""
    return f"{public_module(target)}:{target.__qualname__}" + (f".{method}" if method else "")


def describe_as(event: StageEvent, stage: Stage) -> None:
    """Let an event say which stage of a workflow does the same."""
    event.operator, event.label, event.params = stage.import_path(), stage.label(), stage.params()
    event.libraries = versions(tuple(stage.packages()))


@lru_cache(maxsize=1_000)
def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of packages, as stages record them."""
    return library_versions((), packages)


def given_params(estimator: Any) -> dict[str, Any]:
    """Return the constructor arguments of an estimator that are not their defaults."""
    params = params_of(estimator)
    cls: Any = type(estimator)
    defaults = _defaults(cls)
    return {name: value for name, value in sorted(params.items()) if not _is_same(value, defaults.get(name, _UNKNOWN))}


_UNKNOWN = object()
_LARGE = 100
"""Numbers in an array that is data, not a parameter."""


@lru_cache(maxsize=1_000)
def _defaults(cls: Any) -> dict[str, Any]:
    try:
        return dict(cls().get_params(deep=False))
    except Exception:
        # A class that needs arguments has no defaults for those.
        items = inspect.signature(cls.__init__).parameters.values()
        return {item.name: item.default for item in items if item.default is not item.empty}


def _is_same(value: Any, default: Any) -> bool:
    if value is default:
        return True
    if type(value) is not type(default):
        return False
    try:
        return bool(value == default) or bool(value != value and default != default)
    except (TypeError, ValueError):
        return False


def is_json(value: Any) -> bool:
    """Return whether a value can be written as JSON and read as it was; a tuple counts, stages read it from a list."""
    if value is None or isinstance(value, (str, bool, int)):
        return True
    if isinstance(value, float):
        return value - value == 0
    if isinstance(value, (list, tuple)):
        return all(map(is_json, value))
    return isinstance(value, dict) and all(isinstance(key, str) and is_json(item) for key, item in value.items())


def described(value: Any) -> Any:
    """Return a parameter as JSON; an estimator as its path and arguments."""
    if hasattr(value, "get_params") and not isinstance(value, type):
        params = {name: described(item) for name, item in given_params(value).items() if name != "steps"}
        steps = getattr(value, "steps", None)
        extra = {} if steps is None else {"steps": [[name, described(step)] for name, step in steps]}
        return {"estimator": class_path(type(value)), "params": {**params, **extra}}
    if isinstance(value, (list, tuple)):
        return [described(item) for item in value]
    if isinstance(value, dict):
        return {str(key): described(item) for key, item in value.items()}
    if hasattr(value, "tolist") and getattr(value, "size", _LARGE) < _LARGE:
        return as_json(value.tolist())
    return _text(value)


def _text(value: Any) -> Any:
    """Return a value as JSON, data by its shape only."""
    shape = getattr(value, "shape", None)
    return as_json(value) if not shape else f"{type(value).__name__} {tuple(shape)}"
