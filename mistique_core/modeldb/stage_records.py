"""Read the stages of one run with what they took, made and measured."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.data_frames import read_schema
from mistique_core.catalogue.modeldb_tables import (
    data_frame,
    frame_schema,
    hyperparameter,
    metric,
    stage_input,
    transformer,
)
from mistique_core.catalogue.tables import (
    experiment_run,
    fitted,
    intermediate,
    layout,
    model,
    model_version,
    project,
    stage,
)
from mistique_core.catalogue.values import values_of_runs
from mistique_core.modeldb.records import (
    FittedSummary,
    FrameSummary,
    IntermediateSummary,
    ReuseOrigin,
    StageInput,
    StageRecord,
    VersionLabel,
)


def stage_records(connection: sa.Connection, run_id: int) -> tuple[StageRecord, ...]:
    """Return every try of every stage of an ExperimentRun, in the order in which they started.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    run_id
        Id of the ExperimentRun's row.
    """
    query = (
        sa.select(stage, project.c.name.label("project"), model.c.name.label("model"), model_version.c.number)
        .select_from(stage.join(model_version).join(model).join(project))
        .where(model_version.c.run_id == run_id)
        .order_by(stage.c.started_at, stage.c.id)
    )
    rows = connection.execute(query).all()
    last = {(row.model_version_id, row.name, row.map_index): row.id for row in rows}
    origins = _origins(connection, run_id)
    inputs = _inputs(connection, run_id)
    for stage_id, taken in _unstored_inputs(connection, run_id):
        inputs[stage_id].append(taken)
    frames = _frames(connection, run_id)
    outputs = _intermediates(connection, run_id)
    learned = _fitted(connection, run_id)
    metrics = _values(connection, metric, run_id)
    hyperparameters = _values(connection, hyperparameter, run_id)
    return tuple(
        StageRecord(
            id=row.id,
            version=VersionLabel(row.project, row.model, row.number),
            name=row.name,
            task_id=row.task_id,
            map_index=row.map_index,
            try_number=row.try_number,
            is_last_try=last[(row.model_version_id, row.name, row.map_index)] == row.id,
            label=row.label,
            operator=row.operator,
            params=row.params,
            code_hash=row.code_hash,
            state=row.state,
            is_reused=row.reused_from is not None,
            origin=origins.get(row.id),
            started_at=row.started_at,
            ended_at=row.ended_at,
            load_seconds=row.load_seconds,
            transformer_seconds=row.transformer_seconds,
            exec_seconds=row.exec_seconds,
            store_seconds=row.store_seconds,
            error=row.error,
            inputs=tuple(inputs[row.id]),
            outputs=tuple(outputs[row.id]),
            fitted=tuple(learned[row.id]),
            frames=tuple(frames[row.id]),
            kind=row.kind,
            parent_id=row.parent_id,
            facts=row.facts or {},
            tag=row.tag or "",
            metrics=metrics[row.id],
            hyperparameters=hyperparameters[row.id],
        )
        for row in rows
    )


def logged_frames(connection: sa.Connection, run_id: int) -> tuple[IntermediateSummary, ...]:
    """Return the intermediates that a run logged without a stage, in order."""
    return tuple(_intermediates(connection, run_id)[None])


def _origins(connection: sa.Connection, run_id: int) -> dict[int, ReuseOrigin]:
    origin = stage.alias("origin")
    maker = model_version.alias("maker")
    query = (
        sa.select(
            stage.c.id,
            project.c.name.label("project"),
            model.c.name.label("model"),
            maker.c.number,
            origin.c.name,
            experiment_run.c.source,
            experiment_run.c.dag_id,
            experiment_run.c.run_id,
        )
        .select_from(
            stage.join(model_version, model_version.c.id == stage.c.model_version_id)
            .join(origin, origin.c.id == stage.c.reused_from)
            .join(maker, maker.c.id == origin.c.model_version_id)
            .join(model, model.c.id == maker.c.model_id)
            .join(project, project.c.id == model.c.project_id)
            .join(experiment_run, experiment_run.c.id == maker.c.run_id)
        )
        .where(model_version.c.run_id == run_id)
    )
    return {
        row.id: ReuseOrigin(f"{row.project}.{row.model}@{row.number}.{row.name}", row.source, row.dag_id, row.run_id)
        for row in connection.execute(query)
    }


def _inputs(connection: sa.Connection, run_id: int) -> dict[int, list[StageInput]]:
    maker, learner = model_version.alias("maker"), stage.alias("learner")
    query = (
        sa.select(
            stage_input.c.stage_id,
            stage_input.c.name.label("input"),
            stage_input.c.fitted_id,
            project.c.name.label("project"),
            model.c.name.label("model"),
            maker.c.number,
            sa.func.coalesce(intermediate.c.name, fitted.c.output).label("taken"),
            learner.c.name.label("learner"),
        )
        .select_from(
            stage_input.join(stage, stage.c.id == stage_input.c.stage_id)
            .join(model_version, model_version.c.id == stage.c.model_version_id)
            .outerjoin(intermediate, intermediate.c.id == stage_input.c.intermediate_id)
            .outerjoin(fitted, fitted.c.id == stage_input.c.fitted_id)
            .outerjoin(learner, learner.c.id == fitted.c.stage_id)
            .join(maker, maker.c.id == sa.func.coalesce(intermediate.c.model_version_id, fitted.c.model_version_id))
            .join(model, model.c.id == maker.c.model_id)
            .join(project, project.c.id == model.c.project_id)
        )
        .where(model_version.c.run_id == run_id)
        .order_by(stage_input.c.stage_id, stage_input.c.name)
    )
    found: dict[int, list[StageInput]] = defaultdict(list)
    for row in connection.execute(query):
        kind = "intermediate" if row.fitted_id is None else "fitted"
        taken = row.taken if row.learner is None else f"{row.learner}.{row.taken}"
        label = f"{row.project}.{row.model}@{row.number}.{taken}"
        found[row.stage_id].append(StageInput(row.input, kind, label))
    return found


def _intermediates(connection: sa.Connection, run_id: int) -> dict[int | None, list[IntermediateSummary]]:
    query = (
        sa.select(
            intermediate,
            layout.c.n_columns,
            project.c.name.label("project"),
            model.c.name.label("model"),
            model_version.c.number,
        )
        .select_from(
            intermediate.join(model_version, model_version.c.id == intermediate.c.model_version_id)
            .join(model, model.c.id == model_version.c.model_id)
            .join(project, project.c.id == model.c.project_id)
            .join(layout, layout.c.id == intermediate.c.layout_id)
        )
        .where(model_version.c.run_id == run_id)
        .order_by(intermediate.c.id)
    )
    found: dict[int | None, list[IntermediateSummary]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.stage_id].append(
            IntermediateSummary(
                row.name,
                row.attempt,
                f"{row.project}.{row.model}@{row.number}.{row.name}",
                row.n_rows,
                row.n_columns,
                row.logical_bytes,
                row.stored_bytes,
            )
        )
    return found


def _fitted(connection: sa.Connection, run_id: int) -> dict[int, list[FittedSummary]]:
    stored = (
        sa.select(fitted.c.stage_id, fitted.c.output, fitted.c.type_name, fitted.c.bytes)
        .join(model_version, model_version.c.id == fitted.c.model_version_id)
        .where(model_version.c.run_id == run_id)
        .order_by(fitted.c.id)
    )
    known = (
        sa.select(transformer.c.stage_id, transformer.c.output, transformer.c.type_name, sa.null())
        .where(transformer.c.run_id == run_id, transformer.c.fitted_id.is_(None), transformer.c.stage_id.is_not(None))
        .order_by(transformer.c.id)
    )
    found: dict[int, list[FittedSummary]] = defaultdict(list)
    for query in (stored, known):
        for stage_id, *values in connection.execute(query):
            found[stage_id].append(FittedSummary(*values))
    return found


def _frames(connection: sa.Connection, run_id: int) -> dict[int, list[FrameSummary]]:
    """Return stage -> the data frames that it made and that the store does not hold."""
    query = (
        sa.select(data_frame, frame_schema.c.document)
        .outerjoin(frame_schema, frame_schema.c.id == data_frame.c.schema_id)
        .where(data_frame.c.run_id == run_id, data_frame.c.intermediate_id.is_(None))
        .order_by(data_frame.c.id)
    )
    found: dict[int, list[FrameSummary]] = defaultdict(list)
    for row in connection.execute(query):
        columns = None if row.document is None else len(read_schema(bytes(row.document)))
        summary = FrameSummary(row.id, row.output, row.tag or "", row.filepath or "", row.rows, columns)
        found[row.stage_id].append(summary)
    return found


def _unstored_inputs(connection: sa.Connection, run_id: int) -> list[tuple[int, StageInput]]:
    """Return (stage, input) of what stages took that the store does not hold."""
    maker = stage.alias("maker")
    made_by = sa.func.coalesce(data_frame.c.stage_id, transformer.c.stage_id)
    query = (
        sa.select(
            stage_input.c.stage_id,
            stage_input.c.name,
            stage_input.c.transformer_id,
            sa.func.coalesce(data_frame.c.output, transformer.c.output).label("output"),
            sa.func.coalesce(data_frame.c.tag, transformer.c.tag).label("tag"),
            maker.c.name.label("maker"),
        )
        .select_from(
            stage_input.join(stage, stage.c.id == stage_input.c.stage_id)
            .join(model_version, model_version.c.id == stage.c.model_version_id)
            .outerjoin(data_frame, data_frame.c.id == stage_input.c.data_frame_id)
            .outerjoin(transformer, transformer.c.id == stage_input.c.transformer_id)
            .outerjoin(maker, maker.c.id == made_by)
        )
        .where(
            model_version.c.run_id == run_id,
            stage_input.c.intermediate_id.is_(None),
            stage_input.c.fitted_id.is_(None),
        )
        .order_by(stage_input.c.stage_id, stage_input.c.name)
    )
    found = []
    for row in connection.execute(query):
        if row.maker is None:
            label = row.tag or "an unknown source"
        else:
            label = f"{row.maker}.{row.output}" if row.output else row.maker
        kind = "data frame" if row.transformer_id is None else "transformer"
        found.append((row.stage_id, StageInput(row.name, kind, label)))
    return found


def _values(connection: sa.Connection, table: sa.Table, run_id: int) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for _, stage_id, name, value in values_of_runs(connection, table, [run_id]):
        found[stage_id][name] = value
    return found
