"""Which model versions belong to runs that have ended: only these are let go of."""

from __future__ import annotations

import sqlalchemy as sa

from mistique_core.catalogue.entities import RUNNING
from mistique_core.catalogue.tables import experiment_run, model_version, stage


def ended_versions(connection: sa.Connection) -> list[int]:
    """Return the ids of the model versions whose run has succeeded or failed, in order of creation."""
    query = (
        sa.select(model_version.c.id)
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .where(experiment_run.c.state != RUNNING)
        .order_by(model_version.c.id)
    )
    return [int(item) for item in connection.scalars(query)]


def is_running(connection: sa.Connection, model_version_id: int) -> bool:
    """Whether the run of a model version is recorded as not ended."""
    query = (
        sa.select(experiment_run.c.state)
        .join(model_version, experiment_run.c.id == model_version.c.run_id)
        .where(model_version.c.id == model_version_id)
    )
    return str(connection.execute(query).scalar_one()) == RUNNING


def running_stages(connection: sa.Connection, model_version_id: int) -> list[str]:
    """Return the names of the stages of a model version whose last try is in progress."""
    query = (
        sa.select(stage.c.name, stage.c.map_index, stage.c.state)
        .where(stage.c.model_version_id == model_version_id)
        .order_by(stage.c.id)
    )
    last = {(str(row.name), row.map_index): str(row.state) for row in connection.execute(query)}
    return [name for (name, _), state in last.items() if state == RUNNING]
