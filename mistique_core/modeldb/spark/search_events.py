"""The cells and folds of a search of Spark as parts of its event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mistique_core.model.event import StageEvent, StageKind, TransformerEntity
from mistique_core.modeldb.client.callable_names import call_path
from mistique_core.modeldb.client.data_source import DataView
from mistique_core.modeldb.client.replaced import Replaced
from mistique_core.modeldb.client.search_events import fold_events
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.spark.memory import SparkMemory
from mistique_core.modeldb.spark.metric_names import metric_name
from mistique_core.modeldb.spark.params import described, names_of_map
from mistique_core.modeldb.spark.stages import is_search

_AVERAGES = "_gen_avg_and_std_metrics"
"""What Spark calls with the metric of each fold, of which the fitted cross-validator keeps mean and deviation only."""


def keep_folds(replaced: Replaced, tracker: Tracker, cross_validator: Any) -> None:
    """Keep what each fold of a cross-validation measured; without Spark's function there are means only."""
    own = getattr(cross_validator, _AVERAGES, None)
    if own is None:
        return

    def kept(metrics_all: list[list[float]]) -> Any:
        tracker.memory(SparkMemory).fold_metrics.last = [list(metrics) for metrics in metrics_all]
        return own(metrics_all)

    replaced.attribute(cross_validator, _AVERAGES, staticmethod(kept))


def forget_folds(tracker: Tracker) -> None:
    """Forget what the last cross-validation of this thread measured."""
    tracker.memory(SparkMemory).fold_metrics.last = None


def best_specification(estimator: Any, overrides: Mapping[Any, Any], model: Any) -> tuple[Any, dict[Any, Any]]:
    """Return what was fitted in the end, and its param map: of a search, the estimator and the best of its maps."""
    if not is_search(estimator):
        return estimator, dict(overrides)
    search = _effective(estimator, overrides)
    maps = search.getEstimatorParamMaps()
    return search.getEstimator(), {**overrides, **maps[_best_cell(search, _averages(model))]}


def _effective(search: Any, overrides: Mapping[Any, Any]) -> Any:
    return search.copy(dict(overrides)) if overrides else search


def _averages(model: Any) -> list[float]:
    values = model.avgMetrics if hasattr(model, "avgMetrics") else model.validationMetrics
    return [float(value) for value in values]


def _best_cell(search: Any, averages: Sequence[float]) -> int:
    return int(np.argmax(averages) if search.getEvaluator().isLargerBetter() else np.argmin(averages))


def add_search_parts(
    tracker: Tracker,
    event: StageEvent,
    estimator: Any,
    overrides: Mapping[Any, Any],
    model: Any,
    best: TransformerEntity,
    data: DataView,
) -> list[StageEvent]:
    """Return the events of a finished search: each cell with its folds, and the fit of the best one on all rows.

    Also completes the event itself: folds, seed, evaluator, and the best mean. A split into training and validation has
    one fold, the validation.
    """
    search = _effective(estimator, overrides)
    averages = _averages(model)
    name = metric_name(search.getEvaluator())
    folds = _folds(tracker, search, model, averages)
    event.facts = {
        **event.facts,
        "folds": int(search.getNumFolds()) if search.hasParam("numFolds") else 1,
        "seed": search.getSeed(),
        "evaluator": name,
        **({"train_ratio": search.getTrainRatio()} if search.hasParam("trainRatio") else {}),
    }
    event.metrics = {f"best_{name}": averages[_best_cell(search, averages)]}
    parts = []
    for number, cell in enumerate(search.getEstimatorParamMaps()):
        part = _cell(event, search.getEstimator(), cell, data)
        parts.append(part)
        if folds is not None:
            parts += fold_events(part, {name: [metrics[number] for metrics in folds]}, data)
        else:
            deviations = getattr(model, "stdMetrics", None) or ()
            part.metrics = {f"mean_{name}": averages[number]}
            part.metrics_on = data.source.entity
            if number < len(deviations):
                part.metrics = {**part.metrics, f"std_{name}": float(deviations[number])}
    parts.append(_best(event, *best_specification(estimator, overrides, model), best, data))
    return parts


def _folds(tracker: Tracker, search: Any, model: Any, averages: Sequence[float]) -> list[list[float]] | None:
    """Return the metric of each fold and cell; ``None`` where that was not seen."""
    if not search.hasParam("numFolds"):
        return [list(averages)]
    found: list[list[float]] | None = getattr(tracker.memory(SparkMemory).fold_metrics, "last", None)
    forget_folds(tracker)
    if found is None or not found or not all(len(metrics) == len(averages) for metrics in found):
        return None
    is_this = np.allclose(np.mean(found, axis=0), averages, equal_nan=True)
    return found if is_this else None


def _cell(parent: StageEvent, estimator: Any, cell: Mapping[Any, Any], data: DataView) -> StageEvent:
    values = names_of_map(cell)
    return StageEvent(
        StageKind.CROSS_VALIDATION,
        "cell",
        call_path(type(estimator), "fit"),
        type(estimator).__name__,
        params=values,
        inputs={"data": data.source.entity},
        hyperparameters=values,
        facts={name: value for name, value in parent.facts.items() if name != "input_columns"},
        parent=parent,
        started_at=parent.started_at,
        ended_at=parent.ended_at,
    )


def _best(
    parent: StageEvent, estimator: Any, cell: Mapping[Any, Any], entity: TransformerEntity, data: DataView
) -> StageEvent:
    return StageEvent(
        StageKind.FIT,
        "best",
        call_path(type(estimator), "fit"),
        type(estimator).__name__,
        params=described(estimator, cell),
        inputs={"data": data.source.entity},
        fitted={"model": entity},
        hyperparameters=entity.facts.hyperparameters,
        parent=parent,
        started_at=parent.started_at,
        ended_at=parent.ended_at,
    )
