"""Read the graph that led to data frames and models: a few SQL queries for each run that it crosses into."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import data_frame, stage_input, transformer
from mistique_core.catalogue.tables import experiment, experiment_run, intermediate, model, model_version, stage
from mistique_core.modeldb.entities import read_events, read_frames, read_models, select_batches
from mistique_core.modeldb.entity_records import EventRecord, FrameRecord, ModelRecord
from mistique_core.modeldb.lineage.graph import LineageGraph


def load_graph(connection: sa.Connection, run_ids: Collection[int]) -> LineageGraph:
    """Return the graph of some runs, and of the runs that they took something from."""
    frames: dict[int, FrameRecord] = {}
    models: dict[int, ModelRecord] = {}
    events: dict[int, EventRecord] = {}
    loaded: set[int] = set()
    waiting = set(run_ids)
    while waiting:
        new = read_events(connection, waiting)
        events.update((event.id, event) for event in new)
        frames.update((frame.id, frame) for frame in read_frames(connection, data_frame.c.run_id, waiting))
        models.update((found.id, found) for found in read_models(connection, transformer.c.run_id, waiting))
        loaded |= waiting
        taken_frames = {frame for event in new for _, frame in event.frame_inputs} - frames.keys()
        taken_models = {found for event in new for _, found in event.model_inputs} - models.keys()
        waiting = _runs_of(connection, data_frame, taken_frames) | _runs_of(connection, transformer, taken_models)
        waiting -= loaded
    return LineageGraph(frames, models, events)


def _runs_of(connection: sa.Connection, table: sa.Table, rows: Collection[int]) -> set[int]:
    query = sa.select(table.c.run_id)
    return {int(row.run_id) for row in select_batches(connection, query, table.c.id, rows)}


def project_of(connection: sa.Connection, run_id: int) -> int | None:
    """Return the project of a run: that of its experiment, or else of its model versions; ``None`` for none."""
    of_experiment = (
        sa.select(experiment.c.project_id)
        .join(experiment_run, experiment_run.c.experiment_id == experiment.c.id)
        .where(experiment_run.c.id == run_id)
    )
    of_versions = (
        sa.select(model.c.project_id)
        .join(model_version, model_version.c.model_id == model.c.id)
        .where(model_version.c.run_id == run_id)
        .limit(1)
    )
    found = connection.scalar(of_experiment)
    return connection.scalar(of_versions) if found is None else found


def in_project(project_id: int, run_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Return the condition that a run is of a project."""
    of_experiments = (
        sa.select(experiment_run.c.id)
        .join(experiment, experiment.c.id == experiment_run.c.experiment_id)
        .where(experiment.c.project_id == project_id)
    )
    of_versions = (
        sa.select(model_version.c.run_id)
        .join(model, model.c.id == model_version.c.model_id)
        .where(model.c.project_id == project_id)
    )
    return sa.or_(run_id.in_(of_experiments), run_id.in_(of_versions))


def fitted_on_descendants(connection: sa.Connection, frame: FrameRecord, project_id: int) -> list[int]:
    """Return the models of a project that were fitted on a data frame, or on what was made of it, by id.

    Data frames of the project with the same content count as the same. Tries that were tried again are left out.
    """
    is_start = data_frame.c.id == frame.id
    if frame.address is not None:
        same = (
            sa.select(data_frame.c.id)
            .join(intermediate, intermediate.c.id == data_frame.c.intermediate_id)
            .where(intermediate.c.address == bytes.fromhex(frame.address))
        )
        is_start = sa.or_(is_start, data_frame.c.id.in_(same))
    found = sa.select(data_frame.c.id).where(is_start, in_project(project_id, data_frame.c.run_id)).cte(recursive=True)
    made = data_frame.alias("made")
    found = found.union(
        sa.select(made.c.id)
        .select_from(
            found.join(stage_input, stage_input.c.data_frame_id == found.c.id).join(
                made, made.c.stage_id == stage_input.c.stage_id
            )
        )
        .where(in_project(project_id, made.c.run_id))
    )
    later = stage.alias("later")
    is_superseded = sa.exists().where(
        later.c.model_version_id == stage.c.model_version_id,
        later.c.name == stage.c.name,
        later.c.map_index == stage.c.map_index,
        later.c.try_number > stage.c.try_number,
    )
    query = (
        sa.select(transformer.c.id)
        .distinct()
        .select_from(
            transformer.join(stage, stage.c.id == transformer.c.stage_id).join(
                stage_input, stage_input.c.stage_id == stage.c.id
            )
        )
        .where(
            stage_input.c.data_frame_id.in_(sa.select(found.c.id)),
            in_project(project_id, transformer.c.run_id),
            sa.not_(is_superseded),
        )
        .order_by(transformer.c.id)
    )
    return list(connection.scalars(query))
