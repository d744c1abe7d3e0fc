"""Read the runs of a page with only the metrics and hyperparameters that were asked for. A fixed number of queries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import hyperparameter, metric, tag, value_name
from mistique_core.catalogue.tables import experiment, experiment_run, model, model_version, project, stage
from mistique_core.modeldb.records import VersionLabel
from mistique_core.modeldb.search_records import FoundRun


def found_runs(
    connection: sa.Connection,
    run_ids: Sequence[int],
    *,
    metrics: Collection[str] = (),
    hyperparameters: Collection[str] = (),
) -> tuple[FoundRun, ...]:
    """Return runs in the order of their ids.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    run_ids
        Rows of the runs; at most some hundred.
    metrics, hyperparameters
        Names of the values to read.
    """
    if not run_ids:
        return ()
    query = (
        sa.select(experiment_run, project.c.name.label("project"), experiment.c.name.label("experiment"))
        .select_from(
            experiment_run.outerjoin(experiment, experiment.c.id == experiment_run.c.experiment_id).outerjoin(
                project, project.c.id == experiment.c.project_id
            )
        )
        .where(experiment_run.c.id.in_(run_ids))
    )
    rows = {row.id: row for row in connection.execute(query)}
    versions = _versions(connection, run_ids)
    tags = _tags(connection, run_ids)
    measured = own_values(connection, metric, run_ids, metrics)
    chosen = own_values(connection, hyperparameter, run_ids, hyperparameters)
    return tuple(
        FoundRun(
            id=row.id,
            source=row.source,
            dag_id=row.dag_id,
            run_id=row.run_id,
            project=row.project or next((label.project for label, _ in versions[row.id]), None),
            experiment=row.experiment,
            versions=tuple(label for label, _ in versions[row.id]),
            life_stages=tuple(life for _, life in versions[row.id]),
            state=row.state,
            started_at=row.started_at,
            ended_at=row.ended_at,
            author=row.author,
            description=row.description,
            tags=tuple(sorted(tags[row.id])),
            metrics=measured[row.id],
            hyperparameters=chosen[row.id],
            run_type=row.run_type,
        )
        for row in (rows[run_id] for run_id in run_ids if run_id in rows)
    )


def _versions(connection: sa.Connection, run_ids: Sequence[int]) -> dict[int, list[tuple[VersionLabel, str | None]]]:
    query = (
        sa.select(
            model_version.c.run_id,
            project.c.name.label("project"),
            model.c.name.label("model"),
            model_version.c.number,
            model_version.c.life_stage,
        )
        .select_from(model_version.join(model).join(project))
        .where(model_version.c.run_id.in_(run_ids))
        .order_by(model_version.c.id)
    )
    found: dict[int, list[tuple[VersionLabel, str | None]]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.run_id].append((VersionLabel(row.project, row.model, row.number), row.life_stage))
    return found


def _tags(connection: sa.Connection, run_ids: Sequence[int]) -> dict[int, set[str]]:
    of_runs = sa.select(tag.c.entity_id, tag.c.name).where(tag.c.entity == "run", tag.c.entity_id.in_(run_ids))
    of_versions = (
        sa.select(model_version.c.run_id, tag.c.name)
        .join(tag, sa.and_(tag.c.entity == "version", tag.c.entity_id == model_version.c.id))
        .where(model_version.c.run_id.in_(run_ids))
    )
    found: dict[int, set[str]] = defaultdict(set)
    for query in (of_runs, of_versions):
        for run_id, name in connection.execute(query):
            found[run_id].add(name)
    return found


def own_values(
    connection: sa.Connection, table: sa.Table, run_ids: Sequence[int], names: Collection[str]
) -> dict[int, dict[str, Any]]:
    """Return run -> name -> the run's own value; a name that several stages of a run use is prefixed with the stage's.

    Parameters
    ----------
    connection
        A read connection.
    table
        ``metric`` or ``hyperparameter``.
    run_ids
        Rows of the runs.
    names
        Names to read.
    """
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    if not names:
        return found
    numbers = sa.select(value_name.c.id).where(value_name.c.name.in_(sorted(names)))
    query = (
        sa.select(table.c.run_id, value_name.c.name, stage.c.name.label("stage"), stage.c.map_index, table.c.value)
        .select_from(
            table.join(value_name, value_name.c.id == table.c.name_id).join(stage, stage.c.id == table.c.stage_id)
        )
        .where(table.c.run_id.in_(run_ids), table.c.name_id.in_(numbers), table.c.is_own)
        .order_by(table.c.run_id, table.c.stage_id)
    )
    rows = connection.execute(query).all()
    uses = Counter((row.run_id, row.name) for row in rows)
    for row in rows:
        is_alone = uses[row.run_id, row.name] == 1
        found[row.run_id][row.name if is_alone else prefixed(row.stage, row.map_index, row.name)] = row.value
    return found


def prefixed(stage_name: str, map_index: int, name: str) -> str:
    """Return the label of a value whose name several stages of a run use."""
    return f"{stage_name}.{name}" if map_index < 0 else f"{stage_name}[{map_index}].{name}"
