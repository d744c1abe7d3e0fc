"""Which model versions hold intermediates, and what these are: to choose from before anything is read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.tables import (
    experiment_run,
    intermediate,
    layout,
    model,
    model_version,
    project,
    stage,
)
from mistique_core.modeldb.visibility import readable


@dataclass(frozen=True)
class StoredVersion:
    """A model version that holds intermediates.

    Attributes
    ----------
    id
        Its row.
    project, model, number
        Its key: ``project.model@number``.
    state
        Of its run.
    created_at
        Unix seconds.
    """

    id: int
    project: str
    model: str
    number: int
    state: str
    created_at: float

    @property
    def label(self) -> str:
        """``project.model@number``."""
        return f"{self.project}.{self.model}@{self.number}"


@dataclass(frozen=True)
class StoredIntermediate:
    """An intermediate of one model version: its newest attempt.

    Attributes
    ----------
    id, name
        Its row and name.
    stage, operator
        The stage that made it; ``None`` where it was logged by hand.
    task_id
        The Airflow task of the stage, if any.
    is_reused
        Whether it was taken over from an earlier run.
    rows, columns
        Its shape.
    logical_bytes, stored_bytes
        As logged, and what storing it added.
    scheme
        ``lossless`` or the lossy scheme.
    is_kept
        Whether all of it is stored.
    """

    id: int
    name: str
    stage: str | None
    operator: str | None
    task_id: str | None
    is_reused: bool
    rows: int
    columns: int
    logical_bytes: int
    stored_bytes: int
    scheme: str
    is_kept: bool


def stored_versions(
    connection: sa.Connection,
    *,
    readable_dags: Collection[str] | None = None,
    project_name: str | None = None,
    model_name: str | None = None,
    run: tuple[str, str] | None = None,
    limit: int = 1_000,
) -> list[StoredVersion]:
    """Return model versions that hold intermediates, the newest first.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    readable_dags
        DAGs whose runs may be shown; ``None`` means all.
    project_name, model_name
        Only those of this project, and this model.
    run
        Only those of the run with this (dag_id, run_id).
    limit
        Most to return.
    """
    query = (
        sa.select(
            model_version.c.id,
            project.c.name,
            model.c.name,
            model_version.c.number,
            experiment_run.c.state,
            model_version.c.created_at,
        )
        .select_from(project.join(model).join(model_version).join(experiment_run))
        .where(model_version.c.id.in_(sa.select(intermediate.c.model_version_id)), *readable(readable_dags))
        .order_by(model_version.c.id.desc())
        .limit(limit)
    )
    if project_name is not None:
        query = query.where(project.c.name == project_name)
    if model_name is not None:
        query = query.where(model.c.name == model_name)
    if run is not None:
        query = query.where(experiment_run.c.dag_id == run[0], experiment_run.c.run_id == run[1])
    return [StoredVersion(*row) for row in connection.execute(query)]


def stored_intermediates(connection: sa.Connection, version_id: int) -> list[StoredIntermediate]:
    """Return the intermediates of a model version in the order in which they were made, each name's newest attempt."""
    query = (
        sa.select(
            intermediate.c.id,
            intermediate.c.name,
            stage.c.name.label("stage"),
            stage.c.label.label("operator"),
            stage.c.task_id,
            stage.c.reused_from.is_not(None).label("reused"),
            intermediate.c.n_rows,
            layout.c.n_columns,
            intermediate.c.logical_bytes,
            intermediate.c.stored_bytes,
            intermediate.c.scheme,
            intermediate.c.unstored.is_(None).label("kept"),
        )
        .select_from(intermediate.outerjoin(stage, stage.c.id == intermediate.c.stage_id).outerjoin(layout))
        .where(intermediate.c.model_version_id == version_id)
        .order_by(intermediate.c.id)
    )
    newest: dict[str, StoredIntermediate] = {}
    for row in connection.execute(query):
        newest.pop(row.name, None)
        newest[row.name] = _intermediate(row)
    return list(newest.values())


def _intermediate(row: sa.Row[tuple[Any, ...]]) -> StoredIntermediate:
    return StoredIntermediate(
        int(row.id),
        row.name,
        row.stage,
        row.operator,
        row.task_id,
        bool(row.reused),
        int(row.n_rows),
        int(row.n_columns or 0),
        int(row.logical_bytes),
        int(row.stored_bytes),
        row.scheme,
        bool(row.kept),
    )
