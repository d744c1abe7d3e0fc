"""Parameters of Spark's estimators, transformers and evaluators as JSON values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from mistique_core.fitted.facts.hyperparameters import as_json
from mistique_core.modeldb.client.callable_names import class_path

_LARGE = 100
"""Numbers in a vector that is data, not a parameter."""


def hyperparameters_of(stage: Any, overrides: Mapping[Any, Any] | None = None) -> dict[str, Any]:
    """Return all parameters that have a value, their default values included.

    Parameters
    ----------
    stage
        An estimator, a transformer or a model.
    overrides
        A param map that it was fitted with; parameters of others are left out.
    """
    values = {param.name: value for param, value in stage.extractParamMap().items()}
    values.update({param.name: value for param, value in (overrides or {}).items() if param.parent == stage.uid})
    return {name: plain(value) for name, value in sorted(values.items())}


def given_params(stage: Any, overrides: Mapping[Any, Any] | None = None) -> dict[str, Any]:
    """Return the parameters that were set, and not left at their defaults."""
    values = {param.name: stage.getOrDefault(param) for param in stage.params if stage.isSet(param)}
    values.update({param.name: value for param, value in (overrides or {}).items() if param.parent == stage.uid})
    return dict(sorted(values.items()))


def described(stage: Any, overrides: Mapping[Any, Any] | None = None) -> dict[str, Any]:
    """Return a stage as its path and the parameters that were set; a pipeline with its stages."""
    params = {
        name: [described(item, overrides) for item in value] if name == "stages" else plain(value)
        for name, value in given_params(stage, overrides).items()
    }
    return {"estimator": class_path(type(stage)), "params": params}


def plain(value: Any) -> Any:
    """Return a value as JSON; a stage by its class, a large vector by its size."""
    if hasattr(value, "extractParamMap"):
        return type(value).__name__
    if hasattr(value, "toArray"):
        numbers = value.toArray()
        return as_json(numbers.tolist()) if numbers.size < _LARGE else f"{type(value).__name__} {numbers.shape}"
    if hasattr(value, "simpleString"):
        return value.simpleString()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return names_of_map(value)
    return as_json(value)


def names_of_map(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a param map by names: those that several stages have with the class before them."""
    counts = Counter(getattr(param, "name", param) for param in values)
    found = {}
    for param, value in values.items():
        name = str(getattr(param, "name", param))
        owner = str(getattr(param, "parent", "")).rpartition("_")[0]
        found[f"{owner}.{name}" if counts[name] > 1 and owner else name] = plain(value)
    return found


def column_params(stage: Any, names: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that parameters of a stage name, such as ``inputCols``, in order and once each."""
    found: list[str] = []
    for name in names:
        if stage.hasParam(name) and stage.isDefined(name):
            value = stage.getOrDefault(name)
            found += [value] if isinstance(value, str) else [item for item in value or () if isinstance(item, str)]
    return tuple(dict.fromkeys(column for column in found if column))
