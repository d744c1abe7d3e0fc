"""Fill in what the listener could not write: compare Airflow's own records with ModelDB's.

Where Airflow's database may be read (the API server before it shows a page, ``mistique reconcile``)
all runs are compared; inside a task, which may not, the runs that are recorded as not ended are
asked for one by one. May be repeated at any time.
"""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any

from mistique_core.catalogue import FAILED, RUNNING, SUCCESS, Catalogue, ensure_schema
from mistique_core.modeldb import RunReport, record_run
from mistique_core.modeldb.recorder import open_runs, recorded_dags, recorded_runs

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

MOST_RUNS = 500
MOST_ASKED = 50
_STATES = {"success": SUCCESS, "failed": FAILED, "running": RUNNING, "queued": RUNNING}
_GONE = "the DAG run was deleted from Airflow before its end was recorded"


def reconcile_from_database(catalogue: Catalogue, *, every_dag: bool = False) -> int:
    """Bring the recorded runs up to what Airflow's database says; return how many changed.

    Looked at are runs that are recorded as not ended, and the newest 500 runs of the DAGs that have
    recorded runs.

    Parameters
    ----------
    catalogue
        ModelDB's catalogue.
    every_dag
        Also look at DAGs that contain stages but have no recorded run yet: thorough, but it loads
        every DAG's serialized form.
    """
    from airflow.utils.session import create_session

    ensure_schema(catalogue)
    with create_session(scoped=False) as session:
        return _reconcile(catalogue, session, every_dag)


def reconcile_from_task(catalogue: Catalogue) -> int:
    """Ask Airflow, from within a task, for the end of runs that are recorded as not ended.

    Returns
    -------
    int
        How many runs were found to have ended.
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    ended = 0
    for dag_id, run_id in open_runs(catalogue)[:MOST_ASKED]:
        try:
            state = _state(RuntimeTaskInstance.get_dagrun_state(dag_id, run_id))
        except Exception as error:  # not all of the task SDK's errors have a common base
            log.warning("Airflow does not tell the state of run %s of %s: %s", run_id, dag_id, error)
            continue
        if state in (SUCCESS, FAILED):
            record_run(catalogue, RunReport(dag_id, run_id, state, error="failed" if state == FAILED else None))
            ended += 1
    return ended


def _reconcile(catalogue: Catalogue, session: Session, every_dag: bool) -> int:
    import sqlalchemy as sa
    from airflow.models.dagrun import DagRun

    dags = {*recorded_dags(catalogue), *(_dags_with_stages(session) if every_dag else ())}
    known = recorded_runs(catalogue, dags)
    newest = sa.select(DagRun).where(DagRun.dag_id.in_(sorted(dags))).order_by(DagRun.id.desc()).limit(MOST_RUNS)
    seen: dict[tuple[str, str], Any] = {(run.dag_id, run.run_id): run for run in session.scalars(newest)}
    changed = 0
    unfinished = [key for key in open_runs(catalogue) if key not in seen]
    for dag_id, run_id in unfinished:
        run = session.scalar(sa.select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        if run is not None:
            seen[(dag_id, run_id)] = run
        else:
            record_run(catalogue, RunReport(dag_id, run_id, FAILED, error=_GONE))
            changed += 1
    for key, run in seen.items():
        state = _state(run.state)
        if state is not None and _is_news(state, run, known.get(key)):
            record_run(catalogue, _report(session, run, state))
            changed += 1
    return changed


def _is_news(state: str, run: Any, recorded: tuple[str, float | None] | None) -> bool:
    """Return whether Airflow's state is newer than the recorded one.

    The listener records the end of a run before the scheduler commits it, so Airflow's database may
    still say "running" for a moment; only a run that is queued or has started again since is running again.
    """
    if recorded is None or recorded[0] == state:
        return recorded is None
    if state != RUNNING or recorded[1] is None or str(getattr(run.state, "value", run.state)) == "queued":
        return True
    return run.start_date is not None and bool(run.start_date.timestamp() > recorded[1])


def _state(value: object) -> str | None:
    """Return ModelDB's word for a state of Airflow (a string or an enum of strings), if it has one."""
    return _STATES.get(str(getattr(value, "value", value)))


def _report(session: Session, run: Any, state: str) -> RunReport:
    from operators.run_report import run_report

    error = "failed" if state == FAILED else None
    return run_report(run, _serialized_dag(session, run.dag_id), state, error)


def _serialized_dag(session: Session, dag_id: str) -> Any | None:
    from airflow.models.serialized_dag import SerializedDagModel

    return SerializedDagModel.get_dag(dag_id, session=session)


def _dags_with_stages(session: Session) -> list[str]:
    """Return the DAGs that contain stages, read from their serialized form."""
    import sqlalchemy as sa
    from airflow.models.dag import DagModel

    from operators.run_report import has_stages

    found = []
    for dag_id in session.scalars(sa.select(DagModel.dag_id).where(DagModel.is_stale.is_(False))):
        dag = _serialized_dag(session, dag_id)
        if dag is not None and has_stages(dag):
            found.append(dag_id)
    return found


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``mistique reconcile``."""
    parser = subparsers.add_parser(
        "reconcile", help="fill in run states from Airflow", description="Fill in run states from Airflow's database."
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from mistique_core.cli.context import existing_store

    catalogue = Catalogue(existing_store(args).catalogue_url)
    print(f"{reconcile_from_database(catalogue, every_dag=True)} runs updated")  # noqa: T201 (a command)
