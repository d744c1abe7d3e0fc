"""Events of metrics of Spark's predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mistique_core.model.event import StageEvent, StageKind
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.callable_names import call_path
from mistique_core.modeldb.client.data_source import DataSource
from mistique_core.modeldb.client.metric_events import NAME
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.spark.frames import view_of
from mistique_core.modeldb.spark.metric_names import metric_name
from mistique_core.modeldb.spark.models import model_of
from mistique_core.modeldb.spark.params import column_params, described, hyperparameters_of

MODEL = "model"
"""Under which the model that predicted is among what was looked at before the call."""


def record_evaluation(tracker: Tracker, call: TracedCall) -> None:
    """Record ``evaluate``: those about the same predictions are one event, while it is open."""
    evaluator, overrides = call.target, call.argument(1, "params") or {}
    label = next(iter(column_params(evaluator, ("labelCol",))), None)
    for param, value in overrides.items():
        label = value if param.parent == evaluator.uid and param.name == "labelCol" else label
    metrics = {} if call.error is not None else {metric_name(evaluator, overrides): float(call.result)}
    add_metrics(
        tracker,
        call,
        call.argument(0, "dataset"),
        metrics,
        {"label": label, "metrics": list(metrics), "evaluators": [_described(evaluator, overrides)]},
        (call_path(type(evaluator), call.method), type(evaluator).__name__),
    )


def _described(evaluator: Any, overrides: Mapping[Any, Any]) -> dict[str, Any]:
    name = hyperparameters_of(evaluator, overrides).get("metricName")
    found = described(evaluator, overrides)
    return {"evaluator": found["estimator"], "params": {**found["params"], **({"metricName": name} if name else {})}}


def add_metrics(
    tracker: Tracker,
    call: TracedCall,
    frame: Any,
    metrics: Mapping[str, float],
    params: Mapping[str, Any],
    operator: tuple[str, str],
) -> None:
    """Record metrics of predictions: with those of the same predictions and label, or as an event of its own.

    Parameters
    ----------
    tracker, call
        Who records it, and which call.
    frame
        The predictions.
    metrics
        Name -> value; none of a call that failed.
    params
        ``label``, ``metrics`` and ``evaluators``.
    operator
        Import path and label of what measured.
    """
    predictions = view_of(tracker, frame).source
    model = predictions.model
    if call.before.get(MODEL) is not None:
        model = model_of(tracker, call.before[MODEL])
    if call.error is None and _joins(tracker, predictions, metrics, params, model, call):
        return
    event = StageEvent(
        StageKind.METRIC,
        NAME,
        *operator,
        params=params,
        inputs={"data": predictions.entity},
        metrics=metrics,
        metrics_of=model,
        metrics_on=(predictions.predicted_on or predictions).entity,
        **call.times,
    )
    tracker.buffer.add(event, open_for=1 if call.error is None else 0)
    if call.error is None:
        tracker.forget_closed()
        tracker.evaluations[id(predictions)] = (predictions, event)


def _joins(
    tracker: Tracker,
    predictions: DataSource,
    metrics: Mapping[str, float],
    params: Mapping[str, Any],
    model: Any,
    call: TracedCall,
) -> bool:
    """Add metrics to the open event about the same predictions, if there is one."""
    known, event = tracker.evaluations.get(id(predictions), (None, None))
    if known is not predictions or event is None or not tracker.buffer.is_open(event) or event.metrics_of is not model:
        return False
    if event.params.get("label") != params["label"] or not event.metrics.keys().isdisjoint(metrics):
        return False
    event.params = {
        "label": params["label"],
        "metrics": [*event.params["metrics"], *params["metrics"]],
        "evaluators": [*event.params["evaluators"], *params["evaluators"]],
    }
    event.metrics = {**event.metrics, **metrics}
    event.ended_at = call.ended_at
    return True
