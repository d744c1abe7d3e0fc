"""Events of Spark's transformers: learned once or not at all, applied to one or several data frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mistique_core.model.event import StageEvent, StageKind, TransformerEntity
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.callable_names import call_path
from mistique_core.modeldb.client.data_source import DataView
from mistique_core.modeldb.client.known_models import KnownModel
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.client.transform_events import FITS_OPEN, ONLY_INPUT, TRANSFORMER, free_name, name_of
from mistique_core.modeldb.spark.frames import new_source, take_over_items, view_of
from mistique_core.modeldb.spark.memory import SparkMemory
from mistique_core.modeldb.spark.model_facts import FitContext, model_facts
from mistique_core.modeldb.spark.models import model_of
from mistique_core.modeldb.spark.params import described, hyperparameters_of
from mistique_core.modeldb.spark.prediction_events import record_prediction
from mistique_core.modeldb.spark.stages import inputs_of, is_model, predicts
from mistique_core.modeldb.spark.vector_items import items_made, items_of_frame


def record_learned_transform(
    tracker: Tracker, call: TracedCall, data: DataView, overrides: Mapping[Any, Any], model: Any
) -> None:
    """Record ``fit`` of what does not predict; the data frames that it is applied to join the event."""
    estimator = call.target
    event = _event(call, estimator, data, overrides)
    tracker.memory(SparkMemory).specifications[estimator] = event
    if call.error is None:
        _learn(tracker, event, model, data, tracker.models.tag_of(estimator))
    tracker.buffer.add(event, open_for=FITS_OPEN if call.error is None else 0)


def _event(call: TracedCall, stage: Any, data: DataView, overrides: Mapping[Any, Any]) -> StageEvent:
    return StageEvent(
        StageKind.TRANSFORM,
        type(stage).__name__,
        call_path(type(stage), call.method),
        type(stage).__name__,
        params=described(stage, overrides),
        inputs={ONLY_INPUT: data.source.entity},
        hyperparameters=hyperparameters_of(stage, overrides),
        **call.times,
    )


def _learn(tracker: Tracker, event: StageEvent, model: Any, data: DataView, tag: str) -> None:
    entity = TransformerEntity(model_facts(model, FitContext(event.name, event.hyperparameters)), tag)
    event.fitted = {TRANSFORMER: entity}
    tracker.models.remember(model, KnownModel(entity, event, data))


def record_transform(tracker: Tracker, call: TracedCall) -> None:
    """Record ``transform``: a prediction, or one with the stage that learned as long as its event is open."""
    model, frame, overrides = call.target, call.argument(0, "dataset"), call.argument(1, "params")
    data = view_of(tracker, frame)
    if predicts(model):
        record_prediction(tracker, call, data)
        return
    known = tracker.models.find(model)
    if known is not None and call.error is None and not overrides and _joins(tracker, known, data, call):
        return
    # A transformer that learns nothing is made where it is first applied.
    is_first = known is None and not is_model(model)
    event = _event(call, model, data, overrides or {})
    if is_first and call.error is None:
        _learn(tracker, event, model, data, tracker.models.tag_of(model))
    elif not is_first:
        event.name = "transform"
        event.inputs = {TRANSFORMER: model_of(tracker, model), **event.inputs}
        event.hyperparameters = {}
    if call.error is None:
        _add_output(tracker, event, call, data, "")
    tracker.buffer.add(event, open_for=FITS_OPEN if is_first and call.error is None else 0)


def _joins(tracker: Tracker, known: KnownModel, data: DataView, call: TracedCall) -> bool:
    """Add a data frame to the event of a transformer, if that is open, and knew the data frame at that time."""
    event = known.event
    if event is None or event.kind is not StageKind.TRANSFORM or known.fitted_on is None:
        return False
    if not tracker.buffer.is_open(event) or not tracker.buffer.comes_before(data.source.event, event):
        return False
    if not event.frames and data.source is known.fitted_on.source:
        _add_output(tracker, event, call, data, "")
    elif any(entity is data.source.entity for entity in event.inputs.values()):
        return False
    else:
        if ONLY_INPUT in event.inputs and len(event.inputs) == 1:
            # An event with several inputs names its outputs after them.
            name = name_of(known.fitted_on.source)
            event.inputs = {name: event.inputs[ONLY_INPUT]}
            event.frames = {name: event.frames[""]} if event.frames else {}
        output = free_name(event, data.source)
        event.inputs = {**event.inputs, output: data.source.entity}
        _add_output(tracker, event, call, data, output)
    event.ended_at = call.ended_at
    return True


def _add_output(tracker: Tracker, event: StageEvent, call: TracedCall, data: DataView, output: str) -> None:
    model = call.target
    source = new_source(tracker, call.result, event=event, output=output or data.source.output, carries=data.source)
    event.frames = {**event.frames, output: source.entity}
    before, after = data.source.columns or {}, source.columns or {}
    taken = inputs_of(model) or tuple(before)
    event.facts = {"input_columns": list(taken), "output_columns": [name for name in after if name not in before]}
    given = tracker.memory(SparkMemory).items_of(data.source)
    given.update(items_of_frame(call.argument(0, "dataset"), given))
    items = take_over_items(tracker, source, data.source)
    items.update(items_made(model, before, given))
    items.update({name: known for name, known in items_of_frame(call.result, {}).items() if name not in given})
    tracker.views.adopt(call.result, source)
