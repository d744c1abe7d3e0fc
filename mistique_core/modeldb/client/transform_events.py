"""Events of transformers: learned once, applied to one or several frames."""

from __future__ import annotations

from typing import Any

from mistique_core.fitted.facts import hyperparameters_of
from mistique_core.model.event import StageEvent, StageKind, TransformerEntity
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.callable_names import call_path, class_path, describe_as, described, is_json
from mistique_core.modeldb.client.data_source import DataSource, DataView, columns_of, label_name, rows_of
from mistique_core.modeldb.client.known_models import KnownModel
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.workflows.estimators import ALLOWED_PACKAGES
from mistique_core.workflows.transform import TransformStage

TRANSFORMER = "transformer"
ONLY_INPUT = "data"
FITS_OPEN = 2
"""The transformation of the test data belongs to the stage that learned on the training data, though a script often
calls it only after the fit of the model, or just before the prediction."""


def is_transformer(estimator: Any) -> bool:
    """Return whether an estimator only transforms; one that predicts, too, is a model."""
    return hasattr(estimator, "transform") and not hasattr(estimator, "predict") and not hasattr(estimator, "steps")


def record_learned_transform(tracker: Tracker, call: TracedCall, data: DataView, label: DataView | None) -> None:
    """Record ``fit`` or ``fit_transform`` of a transformer."""
    estimator, given = call.target, call.before.get("given", {})
    event = StageEvent(
        StageKind.TRANSFORM,
        type(estimator).__name__,
        call_path(type(estimator), call.method),
        type(estimator).__name__,
        inputs={ONLY_INPUT: data.source.entity},
        hyperparameters=hyperparameters_of(estimator),
        **call.times,
    )
    name = label_name(data, label)
    is_plain = call.error is None and not call.further("X", "y")
    is_stage = is_plain and _fits_stage(estimator, given, data, label, name, call.result)
    if is_stage:
        columns = None if data.is_whole else list(data.columns or ())
        stage = TransformStage(class_path(type(estimator)), given, columns, label=name)
        describe_as(event, stage)
    else:
        event.params = described(estimator)
        if label is not None:
            event.inputs = {**event.inputs, "y": label.source.entity}
    if call.error is None:
        names = data.columns if data.source.has_names else None
        facts = tracker.facts_of(estimator, call.argument(0, "X"), feature_names=names)
        entity = TransformerEntity(facts, tracker.models.tag_of(estimator))
        event.fitted = {TRANSFORMER: entity}
        tracker.models.remember(estimator, KnownModel(entity, event, data))
        if call.method == "fit_transform":
            _add_output(tracker, event, estimator, data, call.result, "")
    tracker.buffer.add(event, open_for=FITS_OPEN if is_stage else 0)


def _fits_stage(
    estimator: Any, given: dict[str, Any], data: DataView, label: DataView | None, name: str | None, result: Any
) -> bool:
    """Return whether a stage can do the same."""
    is_known = type(estimator).__module__.partition(".")[0] in ALLOWED_PACKAGES
    has_names = data.columns is not None and data.source.has_names
    return is_known and has_names and is_json(given) and (label is None or name is not None) and _is_dense(result)


def _is_dense(result: Any) -> bool:
    return not hasattr(result, "toarray")


def record_transform(tracker: Tracker, call: TracedCall) -> None:
    """Record ``transform``: with the stage that learned, as long as its event is open, or as an event of its own."""
    estimator = call.target
    data = tracker.views.view(call.argument(0, "X", "raw_documents"))
    known = tracker.models.find(estimator)
    if call.error is None and known is not None and _joins(tracker, known, data, call):
        return
    event = StageEvent(
        StageKind.TRANSFORM,
        "transform",
        call_path(type(estimator), call.method),
        type(estimator).__name__,
        params={},
        inputs={TRANSFORMER: tracker.model_of(estimator), ONLY_INPUT: data.source.entity},
        **call.times,
    )
    if call.error is None:
        _add_output(tracker, event, estimator, data, call.result, "")
    tracker.buffer.add(event)


def _joins(tracker: Tracker, known: KnownModel, data: DataView, call: TracedCall) -> bool:
    """Add a frame to the event of the transformer that learned, if that is open, and knew the frame at that time."""
    event = known.event
    if event is None or not tracker.buffer.is_open(event) or known.fitted_on is None or not _is_dense(call.result):
        return False
    if data.columns != known.fitted_on.columns or not tracker.buffer.comes_before(data.source.event, event):
        return False
    if not event.frames and data.source is known.fitted_on.source:
        _add_output(tracker, event, call.target, data, call.result, "")
    elif any(entity is data.source.entity for entity in event.inputs.values()):
        return False
    else:
        _name_inputs(event, known.fitted_on.source)
        output = free_name(event, data.source)
        event.inputs = {**event.inputs, output: data.source.entity}
        _add_output(tracker, event, call.target, data, call.result, output)
    event.ended_at = call.ended_at
    return True


def _name_inputs(event: StageEvent, source: DataSource) -> None:
    """Give the only input, and its output, a name: a stage with several inputs names its outputs after them."""
    if ONLY_INPUT not in event.inputs or len(event.inputs) > 1:
        return
    name = name_of(source)
    event.inputs = {name: event.inputs[ONLY_INPUT]}
    event.frames = {name: event.frames[""]} if event.frames else {}
    event.params = {**event.params, "fit_on": None if name == "train" else name}


def free_name(event: StageEvent, source: DataSource) -> str:
    """Return a name for a further input of an event, that of a data frame, with a number where it is taken."""
    name, number = name_of(source), 1
    while (free := name if number == 1 else f"{name}_{number}") in event.inputs:
        number += 1
    return free


def name_of(source: DataSource) -> str:
    """Return what a data frame is called as an input: the output of a split that it comes from, or what made it."""
    if source.output:
        return source.output
    return ONLY_INPUT if source.event is None else source.event.name


def _add_output(tracker: Tracker, event: StageEvent, estimator: Any, data: DataView, result: Any, output: str) -> None:
    is_stage = event.operator == TransformStage.import_path()
    made = made_columns(estimator, result, data)
    source = output_source(made, result, data, carries=is_stage)
    # Of the split, not of this stage: a further transformer gets its inputs under the same names.
    source.event, source.output = event, output or data.source.output
    event.frames = {**event.frames, output: source.entity}
    event.facts = {"input_columns": list(data.columns or ()), "output_columns": list(made or ())}
    tracker.views.adopt(result, source, None if made is None else tuple(made))


def output_source(columns: dict[str, str] | None, result: Any, data: DataView, *, carries: bool) -> DataSource:
    """Return the data that a transformation made.

    Parameters
    ----------
    columns
        Those of :func:`made_columns`.
    result
        What it returned.
    data
        What it was given.
    carries
        Whether the other columns of the data come along, as in a stage of a workflow.
    """
    if columns is None or not carries:
        return DataSource(rows_of(result), columns, has_names=data.source.has_names)
    taken = set(data.columns or ())
    others = {name: kind for name, kind in (data.source.columns or {}).items() if name not in taken}
    return DataSource(
        rows_of(result),
        {**columns, **others},
        carries=data.source,
        has_names=data.source.has_names,
        is_partial=data.source.is_partial,
    )


def made_columns(estimator: Any, result: Any, data: DataView) -> dict[str, str] | None:
    """Return name -> type of the columns that a transformer made."""
    columns, has_names = columns_of(result)
    if columns is None or has_names:
        return columns
    try:
        given = None if data.columns is None or hasattr(estimator, "feature_names_in_") else list(data.columns)
        names = [str(name) for name in estimator.get_feature_names_out(given)]
    except (AttributeError, TypeError, ValueError):
        return columns  # not every transformer names what it makes
    return dict(zip(names, columns.values(), strict=True)) if len(names) == len(columns) else columns
