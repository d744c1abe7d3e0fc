"""Look at models, runs, experiments and projects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.fit_facts import read_facts
from mistique_core.catalogue.modeldb_tables import (
    data_frame,
    history,
    hyperparameter,
    metric,
    stage_input,
    transformer,
    value_name,
)
from mistique_core.catalogue.tables import experiment, experiment_run, project
from mistique_core.model import StageKind
from mistique_core.model.fit_facts import FitFacts
from mistique_core.modeldb.browse.overviews import project_overviews
from mistique_core.modeldb.browse.records import ExperimentSummary, ModelDetail, ProjectOverview, RunContents
from mistique_core.modeldb.edit.annotation_rows import annotations_about, annotations_of_runs
from mistique_core.modeldb.entities import (
    check_run,
    not_found,
    one_frame,
    one_model,
    read_events,
    read_frames,
    read_models,
    read_specs,
)
from mistique_core.modeldb.entity_records import FrameRecord, ModelRecord
from mistique_core.modeldb.found_runs import found_runs
from mistique_core.modeldb.search_records import FoundRun
from mistique_core.modeldb.visibility import readable


class Browser:
    """Look at what is recorded. Every call raises NotFoundError for an id that does not exist.

    Parameters
    ----------
    catalogue
        Where it is recorded.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def model(self, model_id: int) -> ModelDetail:
        """Return a model with its metrics, annotations and metadata."""
        with self._catalogue.read() as connection:
            found = one_model(connection, model_id)
            facts = FitFacts(found.type_name)
            if found.facts_id is not None:
                facts = read_facts(connection, found.facts_id, found.type_name)
            spec = None
            frames: tuple[FrameRecord, ...] = ()
            curves: dict[str, tuple[float, ...]] = {}
            if found.stage_id is not None:
                spec = read_specs(connection, [found.stage_id]).get(found.stage_id)
                frames = _inputs(connection, found.stage_id)
                curves = _curves(connection, found.stage_id)
            if spec is not None:
                facts = replace(facts, hyperparameters=spec.hyperparameters, history=curves)
            return ModelDetail(
                found,
                found_runs(connection, [found.run_id])[0],
                facts,
                spec,
                frames,
                _metrics(connection, model_id),
                annotations_about(connection, "model", model_id),
            )

    def frame(self, frame_id: int) -> FrameRecord:
        """Return a data frame."""
        with self._catalogue.read() as connection:
            return one_frame(connection, frame_id)

    def model_path(self, model_id: int) -> str:
        """Return where a model is saved outside the store; "" if nowhere."""
        with self._catalogue.read() as connection:
            return one_model(connection, model_id).filepath

    def run(self, run_id: int) -> RunContents:
        """Return a run with its events, data frames, models and annotations."""
        with self._catalogue.read() as connection:
            check_run(connection, run_id)
            row = connection.execute(sa.select(experiment_run).where(experiment_run.c.id == run_id)).one()
            names = {}
            for table in (metric, hyperparameter):
                own = sa.select(table.c.name_id).where(table.c.run_id == run_id, table.c.is_own)
                query = sa.select(value_name.c.name).where(value_name.c.id.in_(own))
                names[table.name] = list(connection.scalars(query))
            head = found_runs(connection, [run_id], metrics=names["metric"], hyperparameters=names["hyperparameter"])[0]
            events = read_events(connection, [run_id])
            specified = [event.id for event in events if event.fitted or event.kind in _SPECIFIED]
            specs = read_specs(connection, specified)
            return RunContents(
                head,
                row.code_version,
                row.error,
                row.metadata or {},
                row.environment or {},
                row.params or {},
                tuple(events),
                tuple(specs[event.id] for event in events if event.id in specs),
                tuple(read_frames(connection, data_frame.c.run_id, [run_id])),
                tuple(read_models(connection, transformer.c.run_id, [run_id])),
                annotations_of_runs(connection, [run_id]),
            )

    def experiment(self, experiment_id: int, *, readable_dags: Collection[str] | None = None) -> ExperimentSummary:
        """Return an experiment with the ids of its runs."""
        with self._catalogue.read() as connection:
            found = _experiments(connection, experiment.c.id == experiment_id, readable_dags)
        if not found:
            raise not_found("experiment", experiment_id)
        return found[0]

    def runs_in_experiment(
        self, experiment_id: int, *, readable_dags: Collection[str] | None = None
    ) -> tuple[FoundRun, ...]:
        """Return the runs of an experiment, by id."""
        found = self.experiment(experiment_id, readable_dags=readable_dags)
        with self._catalogue.read() as connection:
            return _runs(connection, found.run_ids)

    def runs_and_experiments(
        self, project_id: int, *, readable_dags: Collection[str] | None = None
    ) -> tuple[ExperimentSummary, ...]:
        """Return the experiments of a project, by id, with the ids of their runs."""
        with self._catalogue.read() as connection:
            if connection.scalar(sa.select(project.c.id).where(project.c.id == project_id)) is None:
                raise not_found("project", project_id)
            return _experiments(connection, experiment.c.project_id == project_id, readable_dags)

    def projects(
        self, *, readable_dags: Collection[str] | None = None, most_metrics: int = 20
    ) -> tuple[ProjectOverview, ...]:
        """Return all projects at a glance, by name.

        Parameters
        ----------
        readable_dags
            DAGs whose runs count; runs of scripts always do. ``None`` means all. Projects of which no run counts are
            left out, those without any run are not.
        most_metrics
            Most metrics to summarise of each project: the first by name of those that its twenty newest runs measured.
        """
        with self._catalogue.read() as connection:
            return project_overviews(connection, readable_dags, most_metrics)

    def models(self, run_id: int) -> tuple[ModelRecord, ...]:
        """Return the models and transformers of a run, by id."""
        with self._catalogue.read() as connection:
            check_run(connection, run_id)
            return tuple(read_models(connection, transformer.c.run_id, [run_id]))


_BATCH = 1000
_SPECIFIED = (StageKind.FIT, StageKind.CROSS_VALIDATION)
"""Kinds of events that are about a specification, also where no model of theirs is recorded."""


def _runs(connection: sa.Connection, run_ids: Sequence[int]) -> tuple[FoundRun, ...]:
    starts = range(0, len(run_ids), _BATCH)
    return tuple(run for start in starts for run in found_runs(connection, run_ids[start : start + _BATCH]))


def _experiments(
    connection: sa.Connection, condition: sa.ColumnElement[bool], readable_dags: Collection[str] | None
) -> tuple[ExperimentSummary, ...]:
    rows = connection.execute(sa.select(experiment).where(condition).order_by(experiment.c.id)).all()
    runs: dict[int, list[int]] = defaultdict(list)
    query = (
        sa.select(experiment_run.c.experiment_id, experiment_run.c.id)
        .join(experiment, experiment.c.id == experiment_run.c.experiment_id)
        .where(condition, *readable(readable_dags))
        .order_by(experiment_run.c.id)
    )
    for experiment_id, run_id in connection.execute(query):
        runs[experiment_id].append(run_id)
    return tuple(
        ExperimentSummary(
            row.id,
            row.project_id,
            row.name,
            row.description or "",
            row.created_at,
            row.metadata or {},
            tuple(runs[row.id]),
        )
        for row in rows
    )


def _inputs(connection: sa.Connection, stage_id: int) -> tuple[FrameRecord, ...]:
    query = sa.select(stage_input.c.data_frame_id).where(
        stage_input.c.stage_id == stage_id, stage_input.c.data_frame_id.is_not(None)
    )
    return tuple(read_frames(connection, data_frame.c.id, list(connection.scalars(query))))


def _curves(connection: sa.Connection, stage_id: int) -> dict[str, tuple[float, ...]]:
    query = (
        sa.select(value_name.c.name, history.c.value)
        .join(history, history.c.name_id == value_name.c.id)
        .where(history.c.stage_id == stage_id)
        .order_by(value_name.c.name, history.c.step)
    )
    found: dict[str, list[float]] = defaultdict(list)
    for name, value in connection.execute(query):
        found[name].append(value)
    return {name: tuple(values) for name, values in found.items()}


def _metrics(connection: sa.Connection, model_id: int) -> dict[str, dict[int | None, float]]:
    query = (
        sa.select(value_name.c.name, metric.c.data_frame_id, metric.c.value)
        .join(value_name, value_name.c.id == metric.c.name_id)
        .where(metric.c.transformer_id == model_id)
        .order_by(value_name.c.name, metric.c.stage_id)
    )
    found: dict[str, dict[int | None, float]] = defaultdict(dict)
    for name, frame, value in connection.execute(query):
        found[name][frame] = value
    return dict(found)
