"""Events of predictions."""

from __future__ import annotations

from typing import Any

from mistique_core.model.event import StageEvent, StageKind, TransformerEntity
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.callable_names import call_path, describe_as, described
from mistique_core.modeldb.client.data_source import DataSource, DataView, columns_of, rows_of
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.workflows.predict import PredictStage

MODEL_INPUT, DATA_INPUT = "model", "data"
PREDICTION = "prediction"


def record_prediction(tracker: Tracker, call: TracedCall) -> None:
    """Record ``predict`` or ``predict_proba``; both about the same data are one event, as long as it is open."""
    data = tracker.views.view(call.argument(0, "X"))
    add_prediction(tracker, call, data, tracker.model_of(call.target))


def add_prediction(tracker: Tracker, call: TracedCall, data: DataView, model: TransformerEntity) -> None:
    """Record predictions for known data by a known model; see :func:`record_prediction`."""
    columns = None if call.error is not None else _columns(call)
    is_plain = call.method == "fit_predict" or not call.further("X")
    if columns is not None and is_plain:
        source = _open_predictions(tracker, model, data, columns)
        if source is not None and source.event is not None:
            kept = source.event.params.get("keep", ())
            made = {name: kind for name, kind in (source.columns or {}).items() if name not in kept}
            source.set_columns({**made, **columns, **(source.columns or {})})
            source.event.ended_at = call.ended_at
            tracker.views.adopt(call.result, source, tuple(columns))
            return
    is_stage = is_plain and (call.error is not None or columns is not None)
    event = StageEvent(
        StageKind.PREDICT,
        "predict",
        call_path(type(call.target), call.method),
        type(call.target).__name__,
        inputs={MODEL_INPUT: model, DATA_INPUT: data.source.entity},
        **call.times,
    )
    if not is_plain:
        event.params = described(call.further("X"))
    if is_stage and data.source.has_names and data.columns is not None:
        describe_as(event, PredictStage())
    if call.error is None:
        known = columns if columns is not None else columns_of(call.result, PREDICTION)[0]
        source = DataSource(
            rows_of(call.result),
            known,
            carries=data.source,
            event=event,
            model=model,
            predicted_on=data.source,
            has_names=columns is not None,
        )
        event.frames = {"": source.entity}
        tracker.views.adopt(call.result, source)
        tracker.forget_closed()
        if is_plain:
            tracker.predictions[id(model), id(data.source)] = (source, data)
    tracker.buffer.add(event, open_for=1)


def _columns(call: TracedCall) -> dict[str, str] | None:
    """Return the columns of a prediction as :class:`PredictStage` calls them, or ``None`` for one of another shape."""
    shape, dtype = getattr(call.result, "shape", ()), str(getattr(call.result, "dtype", ""))
    if call.method in ("predict", "fit_predict"):
        return {PREDICTION: dtype} if len(shape) == 1 else None
    classes = getattr(call.target, "classes_", None)
    if call.method != "predict_proba" or classes is None or isinstance(classes, list) or shape[1:] != (len(classes),):
        return None
    return {f"probability_{label}": dtype for label in classes}


def _open_predictions(
    tracker: Tracker, model: TransformerEntity, data: DataView, columns: dict[str, str]
) -> DataSource | None:
    source, given = tracker.predictions.get((id(model), id(data.source)), (None, None))
    if source is None or source.event is None or given is None or given.columns != data.columns:
        return None
    # Addresses come again: what is remembered must be of this model and this data.
    if source.model is not model or source.predicted_on is not data.source or not tracker.buffer.is_open(source.event):
        return None
    has_them = all(name in (source.columns or {}) for name in columns)
    return None if has_them else source


def keep_column(tracker: Tracker, source: DataSource, name: str, kind: Any) -> bool:
    """Let predictions keep a column of the data, such as the label; return whether they do.

    They do if they keep it already, or if their event is open.
    """
    event = source.event
    if event is None or event.operator != PredictStage.import_path():
        return False
    kept = list(event.params["keep"])
    if name in kept:
        return True
    if not tracker.buffer.is_open(event) or name in (source.columns or {}):
        return False
    event.params = PredictStage([*kept, name]).params()
    source.set_columns({**(source.columns or {}), name: kind})
    return True
