"""The record of a run as one JSON document without ids and times, so that equal workflows have equal documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.data_frames import read_schema
from mistique_core.catalogue.fit_facts import read_facts
from mistique_core.catalogue.intermediates import columns_of
from mistique_core.catalogue.modeldb_tables import (
    data_frame,
    frame_schema,
    history,
    metric,
    stage_input,
    transformer,
    value_name,
)
from mistique_core.catalogue.tables import stage
from mistique_core.frames import LogicalType
from mistique_core.modeldb.reproduce.recorded_workflow import RecordedInput, RecordedStage, recorded_workflow


def record_document(connection: sa.Connection, version_id: int) -> dict[str, Any]:
    """Return what ModelDB holds of a model version.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    version_id
        Row of the model version.

    Returns
    -------
    dict
        ``project``, ``model``, and ``stages``: name -> ``kind``, ``type``, ``operator``, ``params``, ``facts``,
        ``inputs`` (name -> ``stage.output``, or the facts of a frame that no stage made), ``frames`` (output ->
        ``rows`` and ``columns``, pairs of name and type), ``models`` (output -> what is known), ``hyperparameters``,
        ``metrics``, ``measured`` (``data`` and ``model`` that the metrics are about), ``history`` and ``part_of``. Of a
        stage that was tried again the last success counts. It was the same workflow on the same data if two documents
        are equal, whichever client recorded them.

    Raises
    ------
    NotFoundError
        If there is no such version.
    """
    workflow = recorded_workflow(connection, version_id)
    titles = {item.id: item.title for item in workflow.stages}
    frames, sources = _frames(connection, workflow.run_id)
    models = _models(connection, workflow.run_id)
    measured = _measured(connection, workflow.run_id, titles)
    curves = _history(connection, version_id)
    return {
        "project": workflow.project,
        "model": workflow.model,
        "stages": {
            item.title: {
                "kind": item.kind,
                "type": item.label,
                "operator": item.operator,
                "params": item.params,
                "facts": item.facts,
                "inputs": {name: _input(given, titles, sources, item, name) for name, given in item.inputs.items()},
                "frames": frames[item.id],
                "models": models[item.id],
                "hyperparameters": dict(item.hyperparameters),
                "metrics": dict(item.metrics),
                "measured": measured.get(item.id, {}),
                "history": curves[item.id],
                "part_of": None if item.parent_id is None else titles[item.parent_id],
            }
            for item in sorted(workflow.stages, key=lambda item: item.title)
        },
    }


def _name(stage_title: str, output: str) -> str:
    return f"{stage_title}.{output}" if output else stage_title


def _input(
    given: RecordedInput,
    titles: Mapping[int, str],
    sources: Mapping[tuple[int, str], Any],
    item: RecordedStage,
    name: str,
) -> Any:
    if given.stage_id is not None and given.stage_id in titles:
        return _name(titles[given.stage_id], given.output)
    return sources.get((item.id, name), {"kind": given.kind, "address": given.address})


def _frames(
    connection: sa.Connection, run_id: int
) -> tuple[dict[int, dict[str, Any]], dict[tuple[int, str], dict[str, Any]]]:
    """Return stage -> output -> facts of what it made; and (stage, input) -> facts of what no stage made."""
    query = (
        sa.select(data_frame, frame_schema.c.document)
        .outerjoin(frame_schema, frame_schema.c.id == data_frame.c.schema_id)
        .where(data_frame.c.run_id == run_id)
        .order_by(data_frame.c.id)
    )
    made: dict[int, dict[str, Any]] = defaultdict(dict)
    unmade: dict[int, dict[str, Any]] = {}
    for row in connection.execute(query).all():
        facts: dict[str, Any] = {"rows": row.rows, "columns": _columns(connection, row)}
        if row.stage_id is not None:
            made[row.stage_id][row.output] = facts
        else:
            unmade[row.id] = {**facts, "tag": row.tag or "", "filepath": row.filepath or ""}
    taken = sa.select(stage_input).where(stage_input.c.data_frame_id.in_(sorted(unmade)))
    sources = {
        (row.stage_id, row.name): unmade[row.data_frame_id] for row in (connection.execute(taken) if unmade else ())
    }
    return made, sources


def _columns(connection: sa.Connection, row: sa.Row[Any]) -> list[list[str]] | None:
    if row.intermediate_id is not None:
        return [
            [column.name, LogicalType.from_json(column.logical_type).label]
            for column in columns_of(connection, row.intermediate_id)
        ]
    return None if row.document is None else [list(column) for column in read_schema(bytes(row.document))]


def _models(connection: sa.Connection, run_id: int) -> dict[int, dict[str, Any]]:
    query = sa.select(transformer).where(transformer.c.run_id == run_id, transformer.c.stage_id.is_not(None))
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for row in connection.execute(query.order_by(transformer.c.id)).all():
        if row.facts_id is None:
            found[row.stage_id][row.output] = {"type": row.type_name}
            continue
        facts = read_facts(connection, row.facts_id, row.type_name)
        found[row.stage_id][row.output] = {
            "type": row.type_name,
            "problem": facts.problem_type.value,
            "features": [[item.name, item.importance] for item in facts.features],
            "labels": list(facts.label_columns),
            "predictions": list(facts.prediction_columns),
            "linear": None if facts.linear is None else asdict(facts.linear),
            "trees": None
            if facts.trees is None
            else {
                "type": facts.trees.model_type,
                "weights": list(facts.trees.weights),
                "sizes": list(facts.trees.sizes),
            },
        }
    return found


def _measured(connection: sa.Connection, run_id: int, titles: Mapping[int, str]) -> dict[int, dict[str, str]]:
    maker = transformer.alias("maker")
    query = (
        sa.select(
            metric.c.stage_id,
            data_frame.c.stage_id.label("data_stage"),
            data_frame.c.output.label("data_output"),
            maker.c.stage_id.label("model_stage"),
            maker.c.output.label("model_output"),
        )
        .select_from(
            metric.outerjoin(data_frame, data_frame.c.id == metric.c.data_frame_id).outerjoin(
                maker, maker.c.id == metric.c.transformer_id
            )
        )
        .where(metric.c.run_id == run_id)
        .distinct()
    )
    found: dict[int, dict[str, str]] = {}
    for row in connection.execute(query):
        about = {"data": (row.data_stage, row.data_output), "model": (row.model_stage, row.model_output)}
        found[row.stage_id] = {
            key: _name(titles[stage_id], output) for key, (stage_id, output) in about.items() if stage_id in titles
        }
    return found


def _history(connection: sa.Connection, version_id: int) -> dict[int, dict[str, list[list[float]]]]:
    query = (
        sa.select(history.c.stage_id, value_name.c.name, history.c.step, history.c.value)
        .join(value_name, value_name.c.id == history.c.name_id)
        .join(stage, stage.c.id == history.c.stage_id)
        .where(stage.c.model_version_id == version_id)
        .order_by(history.c.stage_id, value_name.c.name, history.c.step)
    )
    found: dict[int, dict[str, list[list[float]]]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row.stage_id].setdefault(row.name, []).append([row.step, row.value])
    return found
