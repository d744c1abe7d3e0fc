"""The write side of ModelDB: what the scheduler's listener and the reconcile step report about runs.

Every call may be repeated, come late, or come before the tasks' own records. Nothing here touches
partitions or needs pandas, so it can run inside a scheduler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.entities import (
    PARTS_OF_SEARCH,
    TERMINAL_STATES,
    RunKey,
    save_run,
)
from mistique_core.catalogue.lost_runs import fail_lost_parts, fail_lost_stages
from mistique_core.catalogue.tables import experiment_run

AIRFLOW = "airflow"


@dataclass(frozen=True)
class RunReport:
    """What is known about a DAG run at one moment.

    Attributes
    ----------
    dag_id, run_id
        Which run.
    state
        ``running``, ``success`` or ``failed``.
    project
        Project of its stages; ``None`` when that is not known here.
    run_type, dag_version, conf, params
        As Airflow gives them; ``params`` are the effective ones.
    started_at, ended_at
        Unix seconds.
    error
        Why it failed, in one line.
    """

    dag_id: str
    run_id: str
    state: str
    project: str | None = None
    run_type: str | None = None
    dag_version: str | None = None
    conf: Mapping[str, Any] | None = None
    params: Mapping[str, Any] | None = None
    started_at: float | None = None
    ended_at: float | None = None
    error: str | None = None


def record_run(catalogue: Catalogue, report: RunReport, *, create: bool = True, is_late: bool = False) -> bool:
    """Record the state of a DAG run; when it has ended, also that of stages that were killed.

    Parameters
    ----------
    catalogue
        Where to record it.
    report
        The facts.
    create
        Whether a run that is not recorded yet is added.
    is_late
        Whether the report may be older than what is recorded; then it does not start a run again that has ended since.

    Returns
    -------
    bool
        Whether the run is recorded now.
    """
    key = RunKey(AIRFLOW, report.dag_id, report.run_id)
    with catalogue.write() as connection:
        if not create and _find(connection, key) is None:
            return False
        if is_late and _has_ended_since(connection, key, report):
            return True
        run_id = save_run(
            connection,
            key,
            project_name=report.project,
            overwrite=True,
            state=report.state,
            run_type=report.run_type,
            dag_version=report.dag_version,
            conf=None if report.conf is None else dict(report.conf),
            params=None if report.params is None else dict(report.params),
            started_at=report.started_at,
            ended_at=report.ended_at,
            error=report.error,
        )
        if report.state in TERMINAL_STATES:
            fail_lost_stages(connection, run_id)
            fail_lost_parts(connection, key)
    return True


def _find(connection: sa.Connection, key: RunKey) -> int | None:
    conditions = (experiment_run.c[name] == value for name, value in key.columns().items())
    return connection.scalar(sa.select(experiment_run.c.id).where(*conditions))


def _has_ended_since(connection: sa.Connection, key: RunKey, report: RunReport) -> bool:
    if report.state in TERMINAL_STATES or report.started_at is None:
        return False
    conditions = (experiment_run.c[name] == value for name, value in key.columns().items())
    ended_at = connection.scalar(
        sa.select(experiment_run.c.ended_at).where(*conditions, experiment_run.c.state.in_(TERMINAL_STATES))
    )
    return ended_at is not None and bool(ended_at >= report.started_at)


def open_runs(catalogue: Catalogue) -> list[tuple[str, str]]:
    """Return (dag_id, run_id) of DAG runs that are recorded as not ended."""
    with catalogue.read() as connection:
        rows = connection.execute(
            sa.select(experiment_run.c.dag_id, experiment_run.c.run_id).where(
                experiment_run.c.source == AIRFLOW,
                experiment_run.c.state.not_in(TERMINAL_STATES),
                sa.func.coalesce(experiment_run.c.run_type, "").not_in(PARTS_OF_SEARCH),
            )
        )
        return [(row.dag_id, row.run_id) for row in rows]


def recorded_runs(catalogue: Catalogue, dag_ids: Iterable[str]) -> dict[tuple[str, str], tuple[str, float | None]]:
    """Return (dag_id, run_id) -> (state, Unix seconds of the end) of the recorded Airflow runs of some DAGs."""
    with catalogue.read() as connection:
        rows = connection.execute(
            sa.select(experiment_run).where(
                experiment_run.c.source == AIRFLOW, experiment_run.c.dag_id.in_(sorted(dag_ids))
            )
        )
        return {(row.dag_id, row.run_id): (row.state, row.ended_at) for row in rows}


def recorded_dags(catalogue: Catalogue) -> list[str]:
    """Return the ids of DAGs that have recorded runs."""
    with catalogue.read() as connection:
        query = sa.select(experiment_run.c.dag_id).where(experiment_run.c.source == AIRFLOW).distinct()
        return list(connection.scalars(query))
