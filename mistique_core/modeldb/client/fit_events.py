"""Events of fits and of learned transformations."""

from __future__ import annotations

from typing import Any

from mistique_core.fitted.facts import hyperparameters_of
from mistique_core.model.event import StageEvent, StageKind, TransformerEntity
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.callable_names import (
    call_path,
    class_path,
    describe_as,
    described,
    given_params,
    is_json,
)
from mistique_core.modeldb.client.data_source import DataView, label_name
from mistique_core.modeldb.client.known_models import KnownModel
from mistique_core.modeldb.client.pipeline_events import add_pipeline_parts, is_pipeline
from mistique_core.modeldb.client.search_events import add_search_parts, is_search
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.client.transform_events import (
    is_transformer,
    made_columns,
    output_source,
    record_learned_transform,
)
from mistique_core.workflows.estimators import ALLOWED_PACKAGES
from mistique_core.workflows.fit import MODEL, FitStage
from mistique_core.workflows.scale import SCALERS


def prepare_fit(tracker: Tracker, call: TracedCall) -> None:
    """Look at an estimator before it is fitted: XGBoost changes its own parameters."""
    if not is_search(call.target):
        call.before["given"] = given_params(call.target)


def record_fit(tracker: Tracker, call: TracedCall) -> None:
    """Record ``fit``, ``fit_transform`` or ``fit_predict``."""
    estimator = call.target
    X, y = call.argument(0, "X", "raw_documents"), call.argument(1, "y", "Y")
    data = tracker.views.view(X)
    label = None if y is None else tracker.views.view(y, "y")
    if is_transformer(estimator):
        record_learned_transform(tracker, call, data, label)
        return
    event = StageEvent(
        StageKind.FIT,
        type(estimator).__name__,
        call_path(type(estimator), call.method),
        type(estimator).__name__,
        inputs={"data": data.source.entity, **_apart(data, label)},
        **call.times,
    )
    if is_search(estimator):
        event.kind = StageKind.GRID_SEARCH
    elif is_pipeline(estimator):
        event.kind = StageKind.PIPELINE
    _describe(event, call, data, label)
    if call.error is not None:
        event.hyperparameters = hyperparameters_of(estimator)
        tracker.buffer.add(event, begins_fit=True)
        return
    entity = _learned(tracker, call, event, data, label, X, y)
    event.hyperparameters = entity.facts.hyperparameters
    parts = []
    if is_search(estimator):
        parts = add_search_parts(tracker, event, estimator, entity, data)
    else:
        event.fitted = {MODEL: entity}
        if is_pipeline(estimator):
            parts = add_pipeline_parts(tracker, event, estimator, data)
    tracker.buffer.add(event, *parts, begins_fit=True)
    if call.method == "fit_transform":
        source = output_source(made_columns(estimator, call.result, data), call.result, data, carries=False)
        source.event = event
        event.frames = {"": source.entity}
        tracker.views.adopt(call.result, source)


def _learned(
    tracker: Tracker, call: TracedCall, event: StageEvent, data: DataView, label: DataView | None, X: Any, y: Any
) -> TransformerEntity:
    estimator = call.target
    is_weighted = call.argument(2, "sample_weight") is not None
    names = data.columns if data.columns is not None and data.source.has_names else None
    labels = label.columns if label is not None and label.source.has_names else None
    facts = tracker.facts_of(estimator, X, y, is_weighted=is_weighted, feature_names=names, label_names=labels)
    entity = TransformerEntity(facts, tracker.models.tag_of(estimator))
    model = KnownModel(entity, event, data)
    tracker.models.remember(estimator, model)
    best = getattr(estimator, "best_estimator_", None) if is_search(estimator) else None
    if best is not None:
        tracker.models.remember(best, model)
    return entity


def _apart(data: DataView, label: DataView | None) -> dict[str, Any]:
    """Return the label as an input of its own, unless it is a column of the data."""
    if label is None or label_name(data, label) is not None:
        return {}
    return {"y": label.source.entity}


def _describe(event: StageEvent, call: TracedCall, data: DataView, label: DataView | None) -> None:
    """Say which stage does the same in a workflow, or which method was called with what."""
    estimator, further = call.target, call.further("X", "Y" if "Y" in call.kwargs else "y")
    model, params, normalize = _as_fit_stage(estimator, call.before.get("given", {}))
    name = label_name(data, label)
    can_make = not further and type(model).__module__.partition(".")[0] in ALLOWED_PACKAGES and is_json(params)
    if is_search(estimator) or is_pipeline(model) or name is None or not can_make or not data.source.has_names:
        event.params = {**described(estimator), "features": list(data.columns or ()), "label": name}
        if further:
            event.params = {**event.params, "fit": described(further)}
        return
    others = tuple(column for column in data.source.columns or () if column != name)
    is_all = data.columns == others and not data.source.is_partial
    features = None if is_all else list(data.columns or ())
    stage = FitStage(class_path(type(model)), name, params, features, normalize)
    describe_as(event, stage)


def _as_fit_stage(estimator: Any, given: dict[str, Any]) -> tuple[Any, dict[str, Any], str | None]:
    """Return the model, its arguments and how it is normalized; a scaler and a model are what the stage can do."""
    if not is_pipeline(estimator) or len(estimator.steps) != 2:
        return estimator, given, None
    scaler, model = (step for _, step in estimator.steps)
    known = {path: method for method, path in SCALERS.items()}
    if isinstance(scaler, str) or scaler is None or isinstance(model, str) or model is None:
        return estimator, given, None
    method = known.get(class_path(type(scaler)))
    if method is None or given_params(scaler) or is_pipeline(model) or is_search(model):
        return estimator, given, None
    return model, given_params(model), method
