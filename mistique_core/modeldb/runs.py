"""Read ExperimentRuns: a page of them, or one by its key. A fixed number of SQL queries each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import hyperparameter, metric
from mistique_core.catalogue.tables import (
    experiment,
    experiment_run,
    intermediate,
    model,
    model_version,
    project,
    stage,
)
from mistique_core.catalogue.values import values_of_runs
from mistique_core.modeldb.records import RunDetail, RunPage, RunSummary, VersionLabel
from mistique_core.modeldb.stage_records import logged_frames, stage_records

AIRFLOW = "airflow"

_RUNS = sa.select(experiment_run, project.c.name.label("project"), experiment.c.name.label("experiment")).select_from(
    experiment_run.outerjoin(experiment, experiment.c.id == experiment_run.c.experiment_id).outerjoin(
        project, project.c.id == experiment.c.project_id
    )
)


def list_runs(
    connection: sa.Connection,
    *,
    project: str | None = None,
    model: str | None = None,
    dag_id: str | None = None,
    state: str | None = None,
    readable_dags: Collection[str] | None = None,
    limit: int = 50,
    offset: int = 0,
) -> RunPage:
    """Return a page of runs, newest first.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    project, model, dag_id, state
        Exact values to restrict the list to; ``None`` means all.
    readable_dags
        DAGs whose runs may be shown; runs of scripts always are. ``None`` means all.
    limit, offset
        Rows in the page, and rows before it.
    """
    conditions = _conditions(project, model, dag_id, state, readable_dags)
    total = connection.execute(
        _RUNS.with_only_columns(sa.func.count(), maintain_column_froms=True).where(*conditions)
    ).scalar_one()
    newest = (experiment_run.c.started_at.desc().nulls_first(), experiment_run.c.id.desc())
    rows = connection.execute(_RUNS.where(*conditions).order_by(*newest).limit(limit).offset(offset)).all()
    return RunPage(tuple(_summaries(connection, rows)), int(total), limit, offset)


def find_run(connection: sa.Connection, dag_id: str, run_id: str) -> RunDetail | None:
    """Return one run with its stages; ``None`` when it is not recorded.

    Of an Airflow run and a script's run with the same ids, the Airflow run is returned.
    """
    row = connection.execute(
        _RUNS.where(experiment_run.c.dag_id == dag_id, experiment_run.c.run_id == run_id)
        .order_by((experiment_run.c.source == AIRFLOW).desc(), experiment_run.c.id)
        .limit(1)
    ).first()
    if row is None:
        return None
    return RunDetail(
        _summaries(connection, [row])[0], stage_records(connection, row.id), logged_frames(connection, row.id)
    )


def list_models(connection: sa.Connection, readable_dags: Collection[str] | None = None) -> list[tuple[str, str]]:
    """Return (project, model) of the models that have a version made by a readable run, by name."""
    query = (
        sa.select(project.c.name, model.c.name)
        .select_from(project.join(model).join(model_version).join(experiment_run))
        .where(*_readable(readable_dags))
        .distinct()
        .order_by(project.c.name, model.c.name)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def _conditions(
    project_name: str | None,
    model_name: str | None,
    dag_id: str | None,
    state: str | None,
    readable_dags: Collection[str] | None,
) -> list[sa.ColumnElement[bool]]:
    conditions = _readable(readable_dags)
    if dag_id is not None:
        conditions.append(experiment_run.c.dag_id == dag_id)
    if state is not None:
        conditions.append(experiment_run.c.state == state)
    versions = sa.select(model_version.c.run_id).select_from(model_version.join(model).join(project))
    if model_name is not None:
        versions = versions.where(model.c.name == model_name)
        if project_name is not None:
            versions = versions.where(project.c.name == project_name)
        conditions.append(experiment_run.c.id.in_(versions))
    elif project_name is not None:
        made = experiment_run.c.id.in_(versions.where(project.c.name == project_name))
        conditions.append(sa.or_(project.c.name == project_name, made))
    return conditions


def _readable(readable_dags: Collection[str] | None) -> list[sa.ColumnElement[bool]]:
    if readable_dags is None:
        return []
    return [sa.or_(experiment_run.c.source != AIRFLOW, experiment_run.c.dag_id.in_(sorted(readable_dags)))]


def _summaries(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[RunSummary]:
    ids = [row.id for row in rows]
    versions = _versions(connection, ids)
    stages = _last_tries(connection, ids)
    names = {found.id: found.name for tries in stages.values() for found in tries}
    metrics = _by_run(stages, names, _values(connection, metric, ids))
    hyperparameters = _by_run(stages, names, _values(connection, hyperparameter, ids))
    sizes = _sizes(connection, ids)
    return [
        RunSummary(
            id=row.id,
            source=row.source,
            dag_id=row.dag_id,
            run_id=row.run_id,
            project=row.project or next((label.project for label in versions[row.id]), None),
            experiment=row.experiment,
            versions=tuple(versions[row.id]),
            run_type=row.run_type,
            dag_version=row.dag_version,
            state=row.state,
            started_at=row.started_at,
            ended_at=row.ended_at,
            error=row.error,
            conf=row.conf,
            params=row.params,
            metrics={name: float(value) for name, value in metrics[row.id].items()},
            hyperparameters=hyperparameters[row.id],
            stages=len(stages[row.id]),
            reused=sum(found.reused_from is not None for found in stages[row.id]),
            logical_bytes=sizes[row.id][0],
            stored_bytes=sizes[row.id][1],
        )
        for row in rows
    ]


def _versions(connection: sa.Connection, run_ids: list[int]) -> dict[int, list[VersionLabel]]:
    query = (
        sa.select(model_version.c.run_id, project.c.name, model.c.name, model_version.c.number)
        .select_from(model_version.join(model).join(project))
        .where(model_version.c.run_id.in_(run_ids))
        .order_by(model_version.c.id)
    )
    found: dict[int, list[VersionLabel]] = defaultdict(list)
    for run_id, *label in connection.execute(query):
        found[run_id].append(VersionLabel(*label))
    return found


def _last_tries(connection: sa.Connection, run_ids: list[int]) -> dict[int, list[sa.Row[Any]]]:
    columns = (stage.c.id, stage.c.model_version_id, stage.c.name, stage.c.map_index, stage.c.reused_from)
    query: sa.Select[Any] = (
        sa.select(model_version.c.run_id, *columns)
        .join(model_version, model_version.c.id == stage.c.model_version_id)
        .where(model_version.c.run_id.in_(run_ids), stage.c.parent_id.is_(None))
        .order_by(stage.c.started_at, stage.c.id)
    )
    last: dict[tuple[int, str, int], sa.Row[Any]] = {}
    for row in connection.execute(query):
        last[(row.model_version_id, row.name, row.map_index)] = row
    found: dict[int, list[sa.Row[Any]]] = defaultdict(list)
    for row in last.values():
        found[row.run_id].append(row)
    return found


def _values(connection: sa.Connection, table: sa.Table, run_ids: list[int]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for _, stage_id, name, value in values_of_runs(connection, table, run_ids):
        found[stage_id][name] = value
    return found


def _by_run(
    stages: dict[int, list[sa.Row[Any]]], names: dict[int, str], values: dict[int, dict[str, Any]]
) -> dict[int, dict[str, Any]]:
    """Merge the values of each run's stages; a name that several of them use is prefixed with the stage's."""
    merged: dict[int, dict[str, Any]] = defaultdict(dict)
    for run_id, tries in stages.items():
        uses = Counter(name for found in tries for name in values.get(found.id, ()))
        for found in tries:
            for name, value in values.get(found.id, {}).items():
                label = name if uses[name] == 1 else _prefixed(names[found.id], found.map_index, name)
                merged[run_id][label] = value
    return merged


def _prefixed(stage_name: str, map_index: int, name: str) -> str:
    return f"{stage_name}.{name}" if map_index < 0 else f"{stage_name}[{map_index}].{name}"


def _sizes(connection: sa.Connection, run_ids: Iterable[int]) -> dict[int, tuple[int, int]]:
    query = (
        sa.select(
            model_version.c.run_id, sa.func.sum(intermediate.c.logical_bytes), sa.func.sum(intermediate.c.stored_bytes)
        )
        .join(model_version, model_version.c.id == intermediate.c.model_version_id)
        .where(model_version.c.run_id.in_(list(run_ids)))
        .group_by(model_version.c.run_id)
    )
    found: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    found.update({row[0]: (int(row[1]), int(row[2])) for row in connection.execute(query)})
    return found
