"""Events of predictions with Spark."""

from __future__ import annotations

from mistique_core.model.event import StageEvent, StageKind
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.callable_names import call_path
from mistique_core.modeldb.client.data_source import DataView
from mistique_core.modeldb.client.prediction_events import DATA_INPUT, MODEL_INPUT
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.spark.frames import new_source, take_over_items
from mistique_core.modeldb.spark.models import model_of
from mistique_core.modeldb.spark.params import names_of_map
from mistique_core.modeldb.spark.stages import inner_model, inputs_of, specification_name

NAME = "predict"


def record_prediction(tracker: Tracker, call: TracedCall, data: DataView) -> None:
    """Record ``transform`` of a model: its predictions stand beside the columns of the data."""
    model = model_of(tracker, call.target)
    event = StageEvent(
        StageKind.PREDICT,
        NAME,
        call_path(type(call.target), call.method),
        specification_name(call.target),
        params=names_of_map(call.argument(1, "params") or {}),
        inputs={MODEL_INPUT: model, DATA_INPUT: data.source.entity},
        **call.times,
    )
    if call.error is None:
        source = new_source(
            tracker, call.result, event=event, model=model, predicted_on=data.source, carries=data.source
        )
        take_over_items(tracker, source, data.source)
        event.frames = {"": source.entity}
        known = data.source.columns or {}
        taken = inputs_of(inner_model(call.target))
        if all(name in known for name in taken):
            made = [name for name in source.columns or {} if name not in known]
            event.facts = {"input_columns": list(taken or known), "output_columns": made}
        tracker.views.adopt(call.result, source)
    tracker.buffer.add(event)
