"""A recorded run as runs of MLflow: the run, and one for each cell of a grid search and each fold."""

from __future__ import annotations

import json
import logging
import math
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from blake3 import blake3

from mistique_core.catalogue.data_frames import read_schema
from mistique_core.catalogue.entities import FAILED, SKIPPED, SUCCESS
from mistique_core.catalogue.modeldb_tables import (
    data_frame,
    frame_schema,
    history,
    metric,
    stage_input,
    transformer,
    value_name,
)
from mistique_core.catalogue.tables import experiment_run, intermediate, model_version, stage
from mistique_core.model.event import StageKind
from mistique_core.modeldb.mlflow_events import MLFLOW, UNKNOWN_TYPE
from mistique_core.modeldb.mlflow_run import MetricPoint, MlflowDataset, MlflowRun
from mistique_core.modeldb.records import RunDetail, StageRecord

_WHOLES = (StageKind.CROSS_VALIDATION.value, StageKind.GRID_SEARCH.value)
_STATUSES = {SUCCESS: "FINISHED", FAILED: "FAILED", SKIPPED: "KILLED"}
_OF_OTHER_RUNS = ("mlflow.parentRunId", "mlflow.log-model.history", "mlflow.runName")
_LONGEST_NAME = 250
_LONGEST_TAG = 8_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MlflowTree:
    """A run of MLflow with the runs that are parts of it."""

    run: MlflowRun
    children: tuple[MlflowTree, ...] = field(default=())


def mlflow_tree(connection: sa.Connection, detail: RunDetail) -> MlflowTree:
    """Return a recorded run as MLflow would have it.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    detail
        What :func:`mistique_core.modeldb.runs.find_run` returns.
    """
    head = connection.execute(sa.select(experiment_run).where(experiment_run.c.id == detail.run.id)).one()
    stages = [item for item in detail.stages if item.is_last_try]
    parts: dict[int, list[StageRecord]] = defaultdict(list)
    for item in stages:
        if item.parent_id is not None:
            parts[item.parent_id].append(item)
    own = [item for item in stages if item.parent_id is None]
    curves = _curves(connection, [item.id for item in stages])
    frames = _datasets(connection, detail.run.id)
    measured_on = _measured_on(connection, detail.run.id, frames)
    metadata = head.metadata or {}
    tags = _tags(connection, detail, head, metadata)
    known = metadata.get(MLFLOW, {}).get("status") if head.source == MLFLOW else None
    run = MlflowRun(
        run_id=detail.run.run_id,
        experiment_id="",
        experiment=(head.dag_id if head.source == MLFLOW else detail.run.experiment)
        or detail.run.project
        or head.dag_id,
        name=str(metadata.get("name") or "") if head.source == MLFLOW else detail.run.label,
        user=head.author or "",
        status=known or _STATUSES.get(detail.run.state, "RUNNING"),
        start_time=_milliseconds(detail.run.started_at),
        end_time=_milliseconds(detail.run.ended_at),
        params=_params(own),
        tags=tags,
        metrics=_metrics(own, curves, measured_on),
        datasets=tuple(frames.values()),
    )
    wholes = [item for item in own if item.kind in _WHOLES]
    return MlflowTree(run, tuple(_child(run, part, parts, curves) for item in wholes for part in parts[item.id]))


def _child(
    run: MlflowRun,
    item: StageRecord,
    parts: Mapping[int, Sequence[StageRecord]],
    curves: Mapping[int, Mapping[str, Mapping[int, float]]],
) -> MlflowTree:
    made = replace(
        run,
        run_id="",
        name=item.name,
        status=_STATUSES.get(item.state, "RUNNING"),
        start_time=_milliseconds(item.started_at),
        end_time=_milliseconds(item.ended_at),
        params=_params([item]),
        tags={"mistique.stage": item.name, "mistique.kind": item.kind or ""},
        metrics=_metrics([item], curves, {}),
        datasets=(),
    )
    return MlflowTree(made, tuple(_child(run, part, parts, curves) for part in parts.get(item.id, ())))


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _params(stages: Sequence[StageRecord]) -> dict[str, str]:
    labels = _labels((item, name) for item in stages for name in item.hyperparameters)
    return {
        label: _as_text(item.hyperparameters[name])
        for label, (item, name) in zip(_usable(labels), labels.values(), strict=True)
    }


def _as_text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _labels(names: Iterable[tuple[StageRecord, str]]) -> dict[str, tuple[StageRecord, str]]:
    """Return label -> (stage, name); a name that several stages use is prefixed with the stage's."""
    found = list(names)
    uses = Counter(name for _, name in found)
    made: dict[str, tuple[StageRecord, str]] = {}
    for item, name in found:
        mapped = "" if item.map_index < 0 else f"[{item.map_index}]"
        made[name if uses[name] == 1 else f"{item.name}{mapped}.{name}"] = (item, name)
    return made


def _usable(names: Collection[str]) -> list[str]:
    """Return names as MLflow takes them: word characters, ``. - / :`` and blanks, no path that leads elsewhere."""
    made: list[str] = []
    for name in names:
        text = re.sub(r"[^\w.\-/ :]", "_", name)[:_LONGEST_NAME]
        if posixpath.normpath(text) != text or text.startswith(("/", ".")):
            text = text.replace("/", "_").lstrip(".") or "_"
        free, number = text, 1
        while free in made:
            number += 1
            free = f"{text[: _LONGEST_NAME - 8]}_{number}"
        made.append(free)
    return made


def _metrics(
    stages: Sequence[StageRecord],
    curves: Mapping[int, Mapping[str, Mapping[int, float]]],
    measured_on: Mapping[tuple[int, str], MlflowDataset],
) -> dict[str, tuple[MetricPoint, ...]]:
    """Return metrics with their curves: the curve of that name ends with the metric's value, or is another one."""
    points: dict[str, tuple[MetricPoint, ...]] = {}
    lost = {name: item for item in stages for name in item.facts.get("not_a_number", ())}
    for label, (item, name) in _labels((made, name) for made in stages for name in made.metrics).items():
        data = measured_on.get((item.id, name))
        bound = None if data is None or re.search(r"\s", data.name + data.digest) else (data.name, data.digest)
        points[label] = (MetricPoint(_end(item), item.metrics[name], 0, bound),)
    found = _labels((made, name) for made in stages for name in curves.get(made.id, ()))
    for label, (item, name) in found.items():
        curve = curves[item.id][name]
        steps = sorted(curve)
        is_same = label in points and points[label][0].value == curve[steps[-1]]
        free = label if is_same or label not in points else f"{item.name}.{name} by step"
        points[free] = tuple(MetricPoint(_end(item), curve[step], step) for step in steps)
    for name, item in lost.items():
        points.setdefault(name, (MetricPoint(_end(item), math.nan),))
    return dict(zip(_usable(points), points.values(), strict=True))


def _end(item: StageRecord) -> int:
    return _milliseconds(item.ended_at if item.ended_at is not None else item.started_at) or 0


def _curves(connection: sa.Connection, stages: Sequence[int]) -> dict[int, dict[str, dict[int, float]]]:
    query = sa.select(history.c.stage_id, value_name.c.name, history.c.step, history.c.value).join(
        value_name, value_name.c.id == history.c.name_id
    )
    found: dict[int, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for start in range(0, len(stages), 500):
        for row in connection.execute(query.where(history.c.stage_id.in_(stages[start : start + 500]))):
            found[row.stage_id][row.name][row.step] = row.value
    return found


def _datasets(connection: sa.Connection, run: int) -> dict[int, MlflowDataset]:
    """Return data frame -> dataset: those that were read, that a model was fitted on, or that one was measured on."""
    fitted_on = (
        sa.select(stage_input.c.data_frame_id)
        .join(stage, stage.c.id == stage_input.c.stage_id)
        .join(model_version, model_version.c.id == stage.c.model_version_id)
        .where(model_version.c.run_id == run, stage.c.kind == StageKind.FIT.value)
    )
    trained = set(connection.scalars(fitted_on))
    measured = set(connection.scalars(sa.select(metric.c.data_frame_id).where(metric.c.run_id == run)))
    query = (
        sa.select(data_frame, frame_schema.c.document, stage.c.kind, stage.c.name, intermediate.c.name.label("stored"))
        .outerjoin(frame_schema, frame_schema.c.id == data_frame.c.schema_id)
        .outerjoin(stage, stage.c.id == data_frame.c.stage_id)
        .outerjoin(intermediate, intermediate.c.id == data_frame.c.intermediate_id)
        .where(data_frame.c.run_id == run)
        .order_by(data_frame.c.id)
    )
    found: dict[int, MlflowDataset] = {}
    for row in connection.execute(query):
        if row.kind == StageKind.READ.value or row.id in trained or row.id in measured:
            context = "training" if row.id in trained else "evaluation" if row.id in measured else ""
            found[row.id] = _dataset(row, context)
    return found


def _dataset(row: Any, context: str) -> MlflowDataset:
    known = row.metadata or {}
    if isinstance(known.get("name"), str) and isinstance(known.get("digest"), str):  # MLflow's own
        texts = {
            key: str(known.get(key) or "") for key in ("name", "digest", "source_type", "source", "schema", "profile")
        }
        return MlflowDataset(**texts, tags=known.get("tags") or {})
    name = row.tag or row.stored or row.name or "data"
    columns = None if row.document is None else read_schema(bytes(row.document))
    source = row.filepath or row.stored or name
    content = json.dumps([name, source, row.rows, columns])
    return MlflowDataset(
        name,
        blake3(b"dataset\0" + content.encode()).hexdigest()[:8],
        "local",
        json.dumps({"uri": source}),
        json.dumps({"mlflow_colspec": [{"name": n, "type": kind} for n, kind in columns]})
        if columns is not None
        else "",
        json.dumps({"num_rows": row.rows}) if row.rows is not None else "",
        {"mlflow.data.context": context} if context else {},
    )


def _measured_on(
    connection: sa.Connection, run: int, frames: Mapping[int, MlflowDataset]
) -> dict[tuple[int, str], MlflowDataset]:
    query = (
        sa.select(metric.c.stage_id, value_name.c.name, metric.c.data_frame_id)
        .join(value_name, value_name.c.id == metric.c.name_id)
        .where(metric.c.run_id == run, metric.c.data_frame_id.is_not(None))
    )
    return {(row.stage_id, row.name): frames[row.data_frame_id] for row in connection.execute(query)}


def _tags(connection: sa.Connection, detail: RunDetail, head: Any, metadata: Mapping[str, Any]) -> dict[str, str]:
    made: dict[str, str] = {}
    if head.source == MLFLOW:
        made |= {name: str(value) for name, value in metadata.get("tags", {}).items()}
        system = metadata.get(MLFLOW, {}).get("tags", {})
        made |= {name: str(value) for name, value in system.items() if name not in _OF_OTHER_RUNS}
    else:
        made["mlflow.source.name"] = head.dag_id
        if metadata:
            made["mistique.metadata"] = json.dumps(metadata)
    for name, value in (
        ("mlflow.user", head.author),
        ("mlflow.note.content", head.description),
        ("mlflow.source.git.commit", head.code_version),
    ):
        if value:
            made[name] = value
    made["mistique.run"] = f"{head.dag_id}/{head.run_id}"
    made["mistique.version"] = detail.run.label
    query = (
        sa.select(transformer.c.type_name, transformer.c.filepath)
        .join(stage, stage.c.id == transformer.c.stage_id)
        .where(transformer.c.run_id == detail.run.id, stage.c.parent_id.is_(None), stage.c.kind == StageKind.FIT.value)
        .order_by(transformer.c.id.desc())
    )
    last = connection.execute(query).first()
    if last is not None:
        if last.type_name != UNKNOWN_TYPE:
            made["estimator_name"] = last.type_name
        if last.filepath:
            made["mistique.model_path"] = last.filepath
    for name in [name for name, value in made.items() if len(value) > _LONGEST_TAG]:
        log.warning(
            "tag %s of run %s has %d characters, more than MLflow takes; it is left out",
            name,
            head.run_id,
            len(made.pop(name)),
        )
    return made
