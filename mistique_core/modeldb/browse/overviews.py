"""All projects at a glance. A fixed number of SQL queries, which count in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import metric, tag, transformer, value_name
from mistique_core.catalogue.tables import experiment, experiment_run, model, model_version, project
from mistique_core.modeldb.browse.records import MetricSummary, ProjectOverview
from mistique_core.modeldb.visibility import readable


def project_overviews(
    connection: sa.Connection, readable_dags: Collection[str] | None = None
) -> tuple[ProjectOverview, ...]:
    """Return every project, by name."""
    runs = _runs(readable_dags)
    per_project: dict[int, tuple[int, float | None]] = {}
    last = sa.func.max(sa.func.coalesce(experiment_run.c.ended_at, experiment_run.c.started_at))
    counted = (
        sa.select(runs.c.project_id, sa.func.count().label("runs"), last.label("last"))
        .select_from(runs.join(experiment_run, experiment_run.c.id == runs.c.run_id))
        .group_by(runs.c.project_id)
    )
    for row in connection.execute(counted):
        per_project[row.project_id] = (int(row.runs), row.last)
    types: dict[int, dict[str, int]] = defaultdict(dict)
    by_type = (
        sa.select(runs.c.project_id, transformer.c.type_name, sa.func.count().label("models"))
        .select_from(runs.join(transformer, transformer.c.run_id == runs.c.run_id))
        .group_by(runs.c.project_id, transformer.c.type_name)
        .order_by(sa.desc("models"), transformer.c.type_name)
    )
    for row in connection.execute(by_type):
        types[row.project_id][row.type_name] = int(row.models)
    metrics = _metrics(connection, runs)
    tags: dict[int, list[str]] = defaultdict(list)
    tagged = sa.select(tag.c.entity_id, tag.c.name).where(tag.c.entity == "project").order_by(tag.c.name)
    for row in connection.execute(tagged):
        tags[row.entity_id].append(row.name)
    return tuple(
        ProjectOverview(
            row.id,
            row.name,
            row.author,
            row.description,
            row.created_at,
            row.metadata or {},
            tuple(tags[row.id]),
            sum(types[row.id].values()),
            types[row.id],
            *per_project.get(row.id, (0, None)),
            metrics[row.id],
        )
        for row in connection.execute(sa.select(project).order_by(project.c.name))
    )


def _runs(readable_dags: Collection[str] | None) -> sa.Subquery:
    """Return (project_id, run_id) of the runs that may be shown: by their experiments, and by their model versions."""
    conditions = readable(readable_dags)
    by_experiment = (
        sa.select(experiment.c.project_id, experiment_run.c.id.label("run_id"))
        .join(experiment_run, experiment_run.c.experiment_id == experiment.c.id)
        .where(*conditions)
    )
    by_version = (
        sa.select(model.c.project_id, model_version.c.run_id)
        .join(model_version, model_version.c.model_id == model.c.id)
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .where(*conditions)
    )
    return sa.union(by_experiment, by_version).subquery("runs")


def _metrics(connection: sa.Connection, runs: sa.Subquery) -> dict[int, dict[str, MetricSummary]]:
    query = (
        sa.select(
            runs.c.project_id,
            value_name.c.name,
            sa.func.count().label("count"),
            sa.func.min(metric.c.value).label("minimum"),
            sa.func.avg(metric.c.value).label("mean"),
            sa.func.max(metric.c.value).label("maximum"),
        )
        .select_from(
            runs.join(metric, metric.c.run_id == runs.c.run_id).join(value_name, value_name.c.id == metric.c.name_id)
        )
        .where(metric.c.is_own)
        .group_by(runs.c.project_id, value_name.c.name)
        .order_by(value_name.c.name)
    )
    found: dict[int, dict[str, MetricSummary]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row.project_id][row.name] = MetricSummary(int(row[2]), row.minimum, row.mean, row.maximum)
    return found
