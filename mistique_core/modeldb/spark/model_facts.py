"""What is known about a fitted model or a transformer of Spark, as plain values (thesis 4.4)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.fitted.facts.fit_facts import NODE_LIMIT
from mistique_core.model.fit_facts import Feature, FitFacts
from mistique_core.modeldb.spark.linear_terms import coefficients_of, is_linear, linear_facts
from mistique_core.modeldb.spark.memory import VectorItems
from mistique_core.modeldb.spark.params import column_params, hyperparameters_of
from mistique_core.modeldb.spark.stages import (
    inner_model,
    inputs_of,
    predictions_of,
    predicts,
    problem_type_of,
    specification_name,
)
from mistique_core.modeldb.spark.training_summary import history_of, summary_of
from mistique_core.modeldb.spark.tree_structure import tree_facts
from mistique_core.modeldb.spark.vector_items import ITEM_LIMIT

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitContext:
    """What is known about a fit beside the model.

    Attributes
    ----------
    type_name
        Name of the specification's class; ``None`` for what the model's tells.
    hyperparameters
        Of the specification; ``None`` for those of the model.
    items
        Vector column -> its items.
    features
        Columns of the data that it was fitted on; ``None`` for the items of the features' column.
    label
        What it learned to predict.
    may_compute
        Whether Spark may run jobs for more facts.
    """

    type_name: str | None = None
    hyperparameters: Mapping[str, Any] | None = None
    items: Mapping[str, VectorItems] | None = None
    features: Sequence[str] | None = None
    label: str | None = None
    may_compute: bool = False


NOTHING_KNOWN = FitContext()


def model_facts(model: Any, context: FitContext = NOTHING_KNOWN) -> FitFacts:
    """Return the facts of a model or a transformer; those of a pipeline or a search are those of what predicts in it.

    Only what the model holds is read, through the JVM; no data is looked at.

    Parameters
    ----------
    model
        The model.
    context
        What else is known about the fit.
    """
    inner = inner_model(model)
    hyperparameters = hyperparameters_of(inner) if context.hyperparameters is None else context.hyperparameters
    name = context.type_name or specification_name(inner)
    try:
        return _facts(inner, name, hyperparameters, context)
    except Exception as error:
        log.warning("ModelDB: nothing is known about the inside of a %s: %s", type(inner).__name__, error)
        return FitFacts(name, hyperparameters=hyperparameters)


def _facts(model: Any, name: str, hyperparameters: Mapping[str, Any], context: FitContext) -> FitFacts:
    if not predicts(model):
        features = inputs_of(model) if context.features is None else context.features
        return FitFacts(name, hyperparameters=hyperparameters, features=tuple(map(Feature, features)))
    summary = summary_of(model)
    names, is_standardized = _items(model, context)
    coefficients = coefficients_of(model) if is_linear(model) and names is not None else None
    linear = None
    if coefficients is not None and names is not None:
        linear = linear_facts(
            model, names, coefficients, summary, is_standardized=is_standardized, may_compute=context.may_compute
        )
    return FitFacts(
        name,
        problem_type_of(model),
        hyperparameters,
        _features(model, names, context, coefficients),
        () if context.label is None else (context.label,),
        predictions_of(model),
        linear,
        tree_facts(model, NODE_LIMIT),
        {} if summary is None else history_of(summary),
    )


def _items(model: Any, context: FitContext) -> tuple[tuple[str, ...] | None, bool | None]:
    """Return the names of a model's features, by number where they have none; ``None`` for no or too many features."""
    columns = column_params(model, ("featuresCol",))
    if not columns:
        return None, None
    known = (context.items or {}).get(columns[0])
    count = int(model.numFeatures) if hasattr(type(model), "numFeatures") else -1
    if count > ITEM_LIMIT:
        return None, None
    if known is not None and count in (-1, len(known.names)):
        return known.names, known.is_standardized
    return (None if count < 0 else tuple(f"{columns[0]}_{number}" for number in range(count))), None


def _features(
    model: Any,
    names: tuple[str, ...] | None,
    context: FitContext,
    coefficients: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None,
) -> tuple[Feature, ...]:
    """Return the features with their importances: as trees give them, or absolute coefficients."""
    columns = context.features
    if columns is None:
        columns = names if names is not None else inputs_of(model)
    importances = None
    if names is not None and tuple(columns) == names:
        if hasattr(type(model), "featureImportances"):
            importances = model.featureImportances.toArray()
        elif coefficients is not None:
            importances = np.abs(coefficients[0]).mean(axis=0)
    if importances is None or importances.shape != (len(columns),):
        return tuple(map(Feature, columns))
    return tuple(map(Feature, columns, importances.tolist()))
