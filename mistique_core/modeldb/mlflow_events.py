"""A run of MLflow as a run of ModelDB: its parameters typed, its curves by step, its metrics by dataset."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from mistique_core.catalogue.entities import FAILED, RUNNING, SUCCESS
from mistique_core.model.event import FrameEntity, StageEvent, StageKind, TransformerEntity
from mistique_core.model.fit_facts import FitFacts
from mistique_core.modeldb.mlflow_run import MetricPoint, MlflowDataset, MlflowRun
from mistique_core.modeldb.whole_run import WholeRun, name_for_keys

MLFLOW = "mlflow"
"""Source and operator of what MLflow recorded."""
UNKNOWN_TYPE = "MLflow run"
"""Type of a model of which MLflow does not say what it is."""

_STATES = {"FINISHED": SUCCESS, "FAILED": FAILED, "KILLED": FAILED, "RUNNING": RUNNING, "SCHEDULED": RUNNING}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_MEASURED_ONLY = ("eval", "test", "valid")
_STEP_LIMIT = 2**31
_SYSTEM = ("mlflow.", "mistique.")
_LONGEST = 200


def typed(text: str) -> bool | int | float | str:
    """Return a parameter's text as what it was before it was logged, if it is plainly a truth value or a number."""
    if text in ("True", "true", "False", "false"):
        return text in ("True", "true")
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and not re.match(r"[-+]?0[0-9]", text):
        value = float(text)
        if math.isfinite(value) and not (value.is_integer() and text.isdigit()):
            return value
    return text


def whole_run(run: MlflowRun, project: str, *, model: str | None = None) -> WholeRun:
    """Return a run of ModelDB.

    Parameters
    ----------
    run
        As MLflow recorded it.
    project, model
        What it will belong to; the model is by default named after the experiment.
    """
    state = _STATES[run.status]
    error = None if state != FAILED else f"MLflow recorded the run as {run.status}"
    start = None if run.start_time is None else run.start_time / 1000
    end = None if run.end_time is None or state == RUNNING else run.end_time / 1000
    tags = {name: value for name, value in run.tags.items() if not name.startswith(_SYSTEM)}
    return WholeRun(
        MLFLOW,
        run.experiment,
        run.run_id,
        project,
        model or name_for_keys(run.experiment),
        _events(run, error),
        experiment=run.experiment[:_LONGEST] or None,
        state=state,
        started_at=start,
        ended_at=end,
        error=error,
        author=run.user[:_LONGEST] or None,
        description=run.tags.get("mlflow.note.content"),
        code_version=(run.tags.get("mlflow.source.git.commit") or "")[:_LONGEST] or None,
        metadata={"name": run.name, "tags": tags, "mlflow": _origin(run)},
    )


def _origin(run: MlflowRun) -> dict[str, Any]:
    """Return what only MLflow has a word for; `digest` tells whether the run has changed since."""
    found: dict[str, Any] = {
        "digest": run.digest(),
        "experiment_id": run.experiment_id,
        "status": run.status,
        "artifact_uri": run.artifact_uri,
        "tags": {name: value for name, value in run.tags.items() if name.startswith(_SYSTEM)},
    }
    parent = run.tags.get("mlflow.parentRunId")
    if parent:
        found["parent_run_id"] = parent
    if run.artifacts:
        found["artifacts"] = list(run.artifacts)
    return found


def _events(run: MlflowRun, error: str | None) -> list[StageEvent]:
    start = (run.start_time or 0) / 1000
    end = max(start, (run.end_time or 0) / 1000)
    frames = {(dataset.name, dataset.digest): _frame(dataset) for dataset in run.datasets}
    events = [
        StageEvent(StageKind.READ, name, MLFLOW, "dataset", frames={"": frame}, started_at=start, ended_at=start)
        for (name, _), frame in frames.items()
    ]
    if not (run.params or run.metrics or run.models):
        return events
    fit = _fit(run, frames, start, end, error)
    return [*events, fit, *_measurements(run, frames, fit.fitted["model"], end)]


def _fit(
    run: MlflowRun, frames: Mapping[tuple[str, str], FrameEntity], start: float, end: float, error: str | None
) -> StageEvent:
    params = {name: typed(value) for name, value in run.params.items()}
    curves, renumbered = _curves(run)
    facts: dict[str, Any] = {}
    if renumbered:
        facts["renumbered_steps"] = renumbered
    lost = sorted(name for name in run.metrics if math.isnan(run.last(name).value))
    if lost:
        facts["not_a_number"] = lost
    saved = run.models[0] if run.models else None
    type_name = _type_name(run)
    fitted = TransformerEntity(
        FitFacts(type_name, hyperparameters=params, history=curves),
        tag=run.name[:_LONGEST],
        filepath=run.tags.get("mistique.model_path", "") if saved is None else saved.path,
        metadata={"models": [{"name": m.name, "path": m.path, "flavors": list(m.flavors)} for m in run.models]}
        if run.models
        else {},
    )
    taken = [
        (dataset.context or "data", frames[dataset.name, dataset.digest])
        for dataset in run.datasets
        if not dataset.context.lower().startswith(_MEASURED_ONLY)
    ]
    return StageEvent(
        StageKind.FIT,
        "fit",
        MLFLOW,
        type_name,
        inputs=_named(taken),
        fitted={"model": fitted},
        hyperparameters=params,
        facts=facts,
        started_at=start,
        ended_at=end,
        error=error,
    )


def _named(items: list[tuple[str, FrameEntity]]) -> dict[str, FrameEntity]:
    """Return entities by name; a name that comes again gets a number."""
    made: dict[str, FrameEntity] = {}
    for name, entity in items:
        number, free = 1, name
        while free in made:
            number += 1
            free = f"{name}_{number}"
        made[free] = entity
    return made


def _measurements(
    run: MlflowRun, frames: Mapping[tuple[str, str], FrameEntity], model: TransformerEntity, end: float
) -> list[StageEvent]:
    """Return the last value of each metric, one event a dataset, those without a dataset first."""
    groups: dict[tuple[str, str] | None, dict[str, float]] = {}
    for name in run.metrics:
        point = run.last(name)
        key = point.dataset if point.dataset in frames else None
        groups.setdefault(key, {})[name] = point.value
    events = []
    for key in sorted(groups, key=lambda item: item or ("", "")):
        frame = None if key is None else frames[key]
        events.append(
            StageEvent(
                StageKind.METRIC,
                "evaluate" if key is None else f"evaluate_{key[0]}",
                MLFLOW,
                "metrics",
                inputs={"model": model} if frame is None else {"model": model, "data": frame},
                metrics=groups[key],
                metrics_of=model,
                metrics_on=frame,
                started_at=end,
                ended_at=end,
            )
        )
    return events


def _curves(run: MlflowRun) -> tuple[dict[str, Mapping[int, float]], list[str]]:
    """Return the curves of metrics, and names of those whose steps do not fit, which are counted from 0 instead.

    A single value at step 0 is no curve. Of several values of a step the last one counts.
    """
    curves: dict[str, Mapping[int, float]] = {}
    renumbered = []
    for name, points in run.metrics.items():
        last: dict[int, MetricPoint] = {}
        for point in sorted(points, key=lambda item: (item.step, item.timestamp, item.value)):
            last[point.step] = point
        if set(last) == {0}:
            continue
        if any(not -_STEP_LIMIT <= step < _STEP_LIMIT for step in last):
            renumbered.append(name)
            curves[name] = {position: point.value for position, point in enumerate(last.values())}
        else:
            curves[name] = {step: point.value for step, point in last.items()}
    return curves, sorted(renumbered)


def _type_name(run: MlflowRun) -> str:
    """Return the class of the model if autologging told it, else what saved it, else that it is not known."""
    told = run.tags.get("estimator_name") or run.tags.get("estimator_class", "").rpartition(".")[2]
    flavors = [flavor for model in run.models for flavor in model.flavors if flavor != "python_function"]
    return (told or next(iter(flavors), "") or ("python_function" if run.models else UNKNOWN_TYPE))[:250]


def _frame(dataset: MlflowDataset) -> FrameEntity:
    profile, schema, source = (_json(text) for text in (dataset.profile, dataset.schema, dataset.source))
    rows = profile.get("num_rows")
    metadata: dict[str, Any] = {"name": dataset.name, "digest": dataset.digest}
    for key in ("source_type", "source", "schema", "profile"):
        if getattr(dataset, key):
            metadata[key] = getattr(dataset, key)
    if dataset.tags:
        metadata["tags"] = dict(dataset.tags)
    place = next((source[key] for key in ("uri", "url", "path") if isinstance(source.get(key), str)), dataset.source)
    return FrameEntity(
        rows=rows if isinstance(rows, int) and not isinstance(rows, bool) else None,
        columns=_columns(schema.get("mlflow_colspec")),
        tag=(dataset.context or dataset.name)[:_LONGEST],
        filepath=place,
        metadata=metadata,
    )


def _json(text: str) -> dict[str, Any]:
    """Return a JSON object; nothing where a text is something else, which MLflow allows."""
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _columns(spec: Any) -> tuple[tuple[str, str], ...] | None:
    if not isinstance(spec, list) or not all(isinstance(item, dict) and "name" in item for item in spec):
        return None
    return tuple((str(item["name"]), str(item.get("type", ""))) for item in spec)
