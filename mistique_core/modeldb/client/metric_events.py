"""Events of metrics."""

from __future__ import annotations

import numbers
from typing import Any

from mistique_core.model.event import StageEvent, StageKind
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.callable_names import call_path, describe_as, described
from mistique_core.modeldb.client.data_source import DataSource, DataView
from mistique_core.modeldb.client.prediction_events import PREDICTION, keep_column
from mistique_core.modeldb.client.search_events import evaluator_name, is_search
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.workflows.evaluate import CLASSIFICATION, REGRESSION, EvaluateStage

_OF_PROBABILITIES = ("log_loss", "roc_auc")
NAME = "evaluate"


def metric_name(function: Any) -> str:
    """Return how a function of ``sklearn.metrics`` is called in records, such as ``accuracy`` or ``r2``."""
    return str(function.__name__).removesuffix("_score")


def record_metric(tracker: Tracker, call: TracedCall) -> None:
    """Record a call of a function of ``sklearn.metrics`` that gives one number.

    Those about the same predictions, which a stage of a workflow could compute, are one event while it is open.
    """
    names = ("y_true", "labels_true"), ("y_pred", "y_score", "y_proba", "y_prob", "labels_pred")
    truth, guess = call.argument(0, *names[0]), call.argument(1, *names[1])
    if call.error is None and not _is_number(call.result):
        return
    truth_view = tracker.views.view(truth, call.before.get("label", "y_true"))
    guess_view = tracker.views.view(guess, call.before.get("prediction", "y_pred"))
    options = {name: value for name, value in call.kwargs.items() if name not in (*names[0], *names[1])}
    name = metric_name(call.function)
    has_options = bool(options) or len(call.args) > 2
    stage = None if has_options or call.error else _as_stage(tracker, name, truth_view, guess_view)
    predictions = guess_view.source
    if stage is not None and _joins(tracker, predictions, stage, name, call):
        return
    if isinstance(options.get("average"), str):
        name = f"{name}_{options['average']}"
    on = predictions.predicted_on or truth_view.source
    model = predictions.model
    if model is None and "model" in call.before:
        model, on = tracker.model_of(call.before["model"]), tracker.views.view(call.before["X"]).source
    event = StageEvent(
        StageKind.METRIC,
        NAME,
        call_path(call.function),
        call.method,
        params={key: described(value) for key, value in options.items()},
        inputs=_inputs(truth_view, predictions) if stage is None else {"data": predictions.entity},
        metrics={} if call.error else {name: float(call.result)},
        metrics_of=model,
        metrics_on=on.entity,
        **call.times,
    )
    if stage is not None:
        describe_as(event, stage)
    tracker.buffer.add(event, open_for=0 if stage is None else 1)
    if stage is not None:
        tracker.forget_closed()
        tracker.evaluations[id(predictions)] = (predictions, event)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _inputs(truth: DataView, predictions: DataSource) -> dict[str, Any]:
    return {"y_true": truth.source.entity, "y_pred": predictions.entity}


def _as_stage(tracker: Tracker, name: str, truth: DataView, guess: DataView) -> EvaluateStage | None:
    """Return the stage that computes a metric from predictions that keep the truth, or ``None``."""
    source = guess.source
    label = truth.columns[0] if truth.columns is not None and len(truth.columns) == 1 else None
    if name not in CLASSIFICATION + REGRESSION or label is None or source.predicted_on is None:
        return None
    column = _column(name, guess)
    if column is None or not source.predicted_on.has(label, truth.source):
        return None
    if not keep_column(tracker, source, label, (truth.source.columns or {}).get(label, "")):
        return None
    if name in _OF_PROBABILITIES:
        return EvaluateStage(label, [name], probability=column)
    return EvaluateStage(label, [name], prediction=column)


def _column(name: str, guess: DataView) -> str | None:
    columns = guess.columns or ()
    if name not in _OF_PROBABILITIES:
        return PREDICTION if columns == (PREDICTION,) else None
    if name == "log_loss" and len(columns) == 2:
        return columns[1]
    return columns[0] if len(columns) == 1 and columns[0] != PREDICTION else None


def _joins(tracker: Tracker, predictions: DataSource, stage: EvaluateStage, name: str, call: TracedCall) -> bool:
    """Add a metric to the open event about the same predictions, if there is one that can compute it, too."""
    known, event = tracker.evaluations.get(id(predictions), (None, None))
    if known is not predictions or event is None or not tracker.buffer.is_open(event) or name in event.metrics:
        return False
    before, now = event.params, stage.params()
    names = [*before["metrics"], name]
    scored = [item for item in before["metrics"] if item in _OF_PROBABILITIES]
    probability = now["probability"] if name in _OF_PROBABILITIES else before["probability"]
    if before["label"] != now["label"] or (scored and probability != before["probability"]):
        return False
    event.params = EvaluateStage(now["label"], names, probability=probability).params()
    event.metrics = {**event.metrics, name: float(call.result)}
    event.ended_at = call.ended_at
    return True


def record_score(tracker: Tracker, call: TracedCall) -> None:
    """Record ``score`` of a model."""
    data = tracker.views.view(call.argument(0, "X"))
    model = tracker.model_of(call.target)
    scoring = call.target.scoring if is_search(call.target) else None
    name = evaluator_name(scoring, call.target)
    event = StageEvent(
        StageKind.METRIC,
        "score",
        call_path(type(call.target), "score"),
        type(call.target).__name__,
        inputs={"model": model, "data": data.source.entity},
        metrics={} if call.error else {name: float(call.result)},
        metrics_of=model,
        metrics_on=data.source.entity,
        **call.times,
    )
    tracker.buffer.add(event)
