"""Events of fits with Spark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mistique_core.model.event import StageEvent, StageKind, TransformerEntity
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.callable_names import call_path
from mistique_core.modeldb.client.data_source import DataView
from mistique_core.modeldb.client.known_models import KnownModel
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.spark.frames import view_of
from mistique_core.modeldb.spark.memory import SparkMemory
from mistique_core.modeldb.spark.model_facts import FitContext, model_facts
from mistique_core.modeldb.spark.models import remember_model
from mistique_core.modeldb.spark.params import described, hyperparameters_of
from mistique_core.modeldb.spark.pipeline_events import FittedPipeline
from mistique_core.modeldb.spark.search_events import add_search_parts, best_specification, forget_folds
from mistique_core.modeldb.spark.stages import inputs_of, is_pipeline, is_search, label_of, predicts
from mistique_core.modeldb.spark.transform_events import record_learned_transform
from mistique_core.modeldb.spark.vector_items import items_of_frame
from mistique_core.workflows.fit import MODEL


def prepare_fit(tracker: Tracker, call: TracedCall) -> None:
    """Forget what the last cross-validation of this thread measured."""
    forget_folds(tracker)


def record_fit(tracker: Tracker, call: TracedCall) -> None:
    """Record ``fit``: of a list of param maps, one event each."""
    frame, maps = call.argument(0, "dataset"), call.argument(1, "params")
    data = view_of(tracker, frame)
    if not isinstance(maps, (list, tuple)):
        _record_one(tracker, call, data, maps if isinstance(maps, Mapping) else {}, call.result)
        return
    models = call.result if call.error is None else [None] * len(maps)
    for overrides, model in zip(maps, models, strict=True):
        _record_one(tracker, call, data, overrides, model)


def _record_one(tracker: Tracker, call: TracedCall, data: DataView, overrides: Mapping[Any, Any], model: Any) -> None:
    estimator = call.target
    if not is_pipeline(estimator) and not predicts(estimator):
        record_learned_transform(tracker, call, data, overrides, model)
        return
    event = StageEvent(
        StageKind.FIT,
        type(estimator).__name__,
        call_path(type(estimator), call.method),
        type(estimator).__name__,
        inputs={"data": data.source.entity},
        hyperparameters=hyperparameters_of(estimator, overrides),
        **call.times,
    )
    if is_search(estimator):
        event.kind = StageKind.GRID_SEARCH
    elif is_pipeline(estimator):
        event.kind = StageKind.PIPELINE
    tracker.memory(SparkMemory).specifications[estimator] = event
    if call.error is not None:
        event.params = described(estimator, overrides)
        tracker.buffer.add(event, begins_fit=True)
        return
    fit = _FitOf(tracker, call.argument(0, "dataset"), data, estimator, overrides, model)
    entity = TransformerEntity(fit.facts, tracker.models.tag_of(estimator))
    event.params = {**described(estimator, overrides), "features": fit.features, "label": fit.label}
    event.hyperparameters = entity.facts.hyperparameters
    remember_model(tracker, model, KnownModel(entity, event, data))
    if fit.pipeline is None:
        event.facts = {"input_columns": list(inputs_of(fit.specification))}
    parts = []
    if is_search(estimator):
        parts = add_search_parts(tracker, event, estimator, overrides, model, entity, data)
    else:
        event.fitted = {MODEL: entity}
        if fit.pipeline is not None:
            parts = fit.pipeline.parts(tracker, event, data)
    tracker.buffer.add(event, *parts, begins_fit=True)


class _FitOf:
    """What is learned from a fit: facts, features and label.

    Parameters
    ----------
    tracker
        Who records it.
    frame, data
        What was fitted on.
    estimator, overrides, model
        What was fitted, and what it has become.
    """

    def __init__(
        self,
        tracker: Tracker,
        frame: Any,
        data: DataView,
        estimator: Any,
        overrides: Mapping[Any, Any],
        model: Any,
    ) -> None:
        memory = tracker.memory(SparkMemory)
        items = memory.items_of(data.source)
        items.update(items_of_frame(frame, items))
        specification, overrides = best_specification(estimator, overrides, model)
        fitted = getattr(model, "bestModel", model)
        self.pipeline: FittedPipeline | None = None
        self.specification = specification
        columns: list[str] | None = None
        if is_pipeline(specification):
            self.pipeline = FittedPipeline(specification, overrides, fitted, frame, items)
            specification, items = self.pipeline.last, self.pipeline.items
            columns = self.pipeline.features
        self.label = (
            label_of(specification, data.source.columns or {}) if self.pipeline is None else self.pipeline.label
        )
        context = FitContext(
            type(specification).__name__,
            hyperparameters_of(specification, overrides),
            items,
            columns,
            self.label,
            memory.counts_rows,
        )
        self.facts = model_facts(fitted, context)
        self.features = [feature.name for feature in self.facts.features]
