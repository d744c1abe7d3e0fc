"""End what was still running when that which it belongs to has ended: nobody is left to say so."""

from __future__ import annotations

import time

import sqlalchemy as sa

from mistique_core.catalogue.entities import FAILED, PARTS_OF_SEARCH, RUNNING, RunKey
from mistique_core.catalogue.tables import experiment_run, model_version, stage

LOST = "the task was killed or lost before it ended"


def fail_lost_stages(connection: sa.Connection, run_id: int) -> None:
    """Record that the stages of a run that are still running have failed."""
    versions = sa.select(model_version.c.id).where(model_version.c.run_id == run_id)
    connection.execute(
        sa.update(stage)
        .where(stage.c.model_version_id.in_(versions), stage.c.state == RUNNING)
        .values(state=FAILED, error=LOST, ended_at=time.time())
    )


def fail_lost_parts(connection: sa.Connection, key: RunKey) -> None:
    """Record that the runs which are still running as parts of a search, and their stages, have failed.

    Parameters
    ----------
    connection
        A write connection.
    key
        The run of the search.
    """
    running = (
        experiment_run.c.source == key.source,
        experiment_run.c.dag_id == key.dag_id,
        experiment_run.c.run_id.startswith(f"{key.run_id}/", autoescape=True),
        experiment_run.c.run_type.in_(PARTS_OF_SEARCH),
        experiment_run.c.state == RUNNING,
    )
    for run_id in connection.scalars(sa.select(experiment_run.c.id).where(*running)).all():
        values = {"state": FAILED, "error": LOST, "ended_at": time.time()}
        connection.execute(sa.update(experiment_run).where(experiment_run.c.id == run_id).values(**values))
        fail_lost_stages(connection, run_id)
