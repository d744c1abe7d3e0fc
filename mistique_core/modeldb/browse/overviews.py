"""All projects at a glance. A fixed number of SQL queries, which count in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import fit_facts, metric, tag, transformer, value_name
from mistique_core.catalogue.tables import experiment, experiment_run, model, model_version, project
from mistique_core.modeldb.browse.records import MetricSummary, ProjectOverview
from mistique_core.modeldb.entities import select_batches
from mistique_core.modeldb.filter.main_type import PLAIN_STATE, predicts
from mistique_core.modeldb.visibility import readable

_NEWEST_RUNS = 20


def project_overviews(
    connection: sa.Connection, readable_dags: Collection[str] | None = None, most_metrics: int = 20
) -> tuple[ProjectOverview, ...]:
    """Return projects, by name, with so many metrics of their newest runs; those with hidden runs only are left out."""
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
    hidden: set[int] = set()
    if readable_dags is not None:
        hidden = {*connection.scalars(sa.select(_runs(None).c.project_id).distinct())} - per_project.keys()
    types = _types(connection, runs)
    metrics = _metrics(connection, runs, most_metrics)
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
        if row.id not in hidden
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


def _types(connection: sa.Connection, runs: sa.Subquery) -> dict[int, dict[str, int]]:
    """Return project -> class -> how many: what predicts first, then transformers; plain state is no model."""
    does = predicts()
    made = runs.join(transformer, transformer.c.run_id == runs.c.run_id)
    query = (
        sa.select(runs.c.project_id, transformer.c.type_name, sa.func.count().label("models"))
        .select_from(made.outerjoin(fit_facts, fit_facts.c.id == transformer.c.facts_id))
        .where(transformer.c.type_name.not_in(PLAIN_STATE))
        .group_by(runs.c.project_id, transformer.c.type_name)
        .order_by(sa.func.max(sa.case((does, 1), else_=0)).desc(), sa.desc("models"), transformer.c.type_name)
    )
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row.project_id][row.type_name] = int(row.models)
    return found


def _metrics(connection: sa.Connection, runs: sa.Subquery, most: int) -> dict[int, dict[str, MetricSummary]]:
    """Return project -> metric -> summary, of the first `most` metrics by name of each project's newest runs.

    Thousands of metrics of thousands of runs are millions of rows; those of a few names are found by their index.
    """
    names = _newest_names(connection, runs, most)
    wanted = sorted({number for chosen in names.values() for number in chosen})
    query = (
        sa.select(
            runs.c.project_id,
            metric.c.name_id,
            sa.func.count().label("values"),
            sa.func.min(metric.c.value).label("minimum"),
            sa.func.avg(metric.c.value).label("mean"),
            sa.func.max(metric.c.value).label("maximum"),
        )
        .select_from(runs.join(metric, metric.c.run_id == runs.c.run_id))
        .where(metric.c.is_own, metric.c.name_id.in_(wanted))
        .group_by(runs.c.project_id, metric.c.name_id)
    )
    found: dict[int, dict[int, MetricSummary]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row.project_id][row.name_id] = MetricSummary(int(row[2]), row.minimum, row.mean, row.maximum)
    return defaultdict(
        dict,
        {
            project_id: {name: found[project_id][number] for number, name in chosen.items()}
            for project_id, chosen in names.items()
        },
    )


def _newest_names(connection: sa.Connection, runs: sa.Subquery, most: int) -> dict[int, dict[int, str]]:
    """Return project -> number -> name of metrics of its newest runs, sorted by name."""
    newest = sa.func.row_number().over(partition_by=runs.c.project_id, order_by=runs.c.run_id.desc())
    numbered = sa.select(runs.c.project_id, runs.c.run_id, newest.label("number")).subquery("numbered")
    projects: dict[int, list[int]] = defaultdict(list)
    query = sa.select(numbered.c.project_id, numbered.c.run_id).where(numbered.c.number <= _NEWEST_RUNS)
    for project_id, run_id in connection.execute(query):
        projects[run_id].append(project_id)
    # A statement of its own: in one with the above PostgreSQL would read the metrics of all runs.
    measured = (
        sa.select(metric.c.run_id, value_name.c.id, value_name.c.name)
        .distinct()
        .join(value_name, value_name.c.id == metric.c.name_id)
        .where(metric.c.is_own)
    )
    found: dict[int, set[tuple[str, int]]] = defaultdict(set)
    for row in select_batches(connection, measured, metric.c.run_id, projects):
        for project_id in projects[row.run_id]:
            found[project_id].add((row.name, row.id))
    return {project_id: {number: name for name, number in sorted(names)[:most]} for project_id, names in found.items()}
