"""Reconcile against Airflow's real database: what the listener missed is filled in, once."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.catalogue import RunKey
from mistique_core.catalogue.entities import TRIAL
from mistique_core.cli.main import main
from mistique_core.modeldb import RunReport, record_run
from mistique_core.modeldb.recorder import open_runs
from mistique_core.modeldb.runs import find_run
from mistique_core.workflows import FunctionStage
from operators.reconcile import reconcile_from_database

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]


@pytest.fixture
def dag_id(sync_dag: Callable[[Any], None]) -> str:
    """Return a DAG of stages that Airflow knows."""
    from airflow.sdk import DAG

    from operators import ReadCsvOperator

    with DAG(f"train_{uuid.uuid4().hex}", schedule=None, params={"a": 1}) as dag:
        ReadCsvOperator(task_id="read", path="homes.csv", project="homes", model="linear")
    sync_dag(dag)
    return str(dag.dag_id)


def save(dag_id: str, run_id: str, state: str) -> None:
    """Write a run into Airflow's database, or change its state by hand."""
    import sqlalchemy as sa
    from airflow.models.dagrun import DagRun
    from airflow.sdk import timezone
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        run = session.scalar(sa.select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        if run is None:
            run = DagRun(dag_id=dag_id, run_id=run_id, run_type="manual", conf={"a": 2})
            run.start_date = run.run_after = timezone.utcnow()
            session.add(run)
        run.state = state
        run.end_date = timezone.utcnow() if state in ("success", "failed") else None


def delete(dag_id: str, run_id: str) -> None:
    import sqlalchemy as sa
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        session.execute(sa.delete(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))


def recorded(store: Mistique, dag_id: str, run_id: str) -> Any:
    with store.catalogue.read() as connection:
        return find_run(connection, dag_id, run_id)


def settle(store: Mistique) -> None:
    """A second call changes nothing."""
    assert reconcile_from_database(store.catalogue) == 0


@pytest.mark.parametrize("state", ["success", "failed"])
def test_a_run_that_ended_unrecorded(store: Mistique, dag_id: str, state: str) -> None:
    save(dag_id, "r1", state)
    record_run(store.catalogue, RunReport(dag_id, "r1", "running"))
    assert reconcile_from_database(store.catalogue) == 1
    run = recorded(store, dag_id, "r1").run
    assert (run.state, run.project, run.run_type) == (state, "homes", "manual")
    assert (run.conf, run.params) == ({"a": 2}, {"a": 2})
    assert run.ended_at >= run.started_at
    assert run.error == ("failed" if state == "failed" else None)
    settle(store)
    assert recorded(store, dag_id, "r1").run == run


def test_a_run_of_a_known_dag_that_was_never_recorded(store: Mistique, dag_id: str) -> None:
    record_run(store.catalogue, RunReport(dag_id, "r1", "success"))
    save(dag_id, "r1", "success")
    save(dag_id, "r2", "running")
    assert reconcile_from_database(store.catalogue) == 1
    assert recorded(store, dag_id, "r2").run.state == "running"
    settle(store)


def test_a_run_that_was_deleted(store: Mistique, dag_id: str) -> None:
    save(dag_id, "r1", "running")
    save(dag_id, "r2", "success")
    for run_id in ("r1", "r2"):
        record_run(store.catalogue, RunReport(dag_id, run_id, "running"))
    reconcile_from_database(store.catalogue)
    for run_id in ("r1", "r2"):
        delete(dag_id, run_id)
    assert reconcile_from_database(store.catalogue) == 1
    run = recorded(store, dag_id, "r1").run
    assert (run.state, run.error) == ("failed", "the DAG run was deleted from Airflow before its end was recorded")
    assert recorded(store, dag_id, "r2").run.state == "success"
    settle(store)


def test_a_state_that_was_set_by_hand(store: Mistique, dag_id: str) -> None:
    for state, error in (("success", None), ("failed", "failed"), ("success", None), ("queued", None)):
        save(dag_id, "r1", state)
        record_run(store.catalogue, RunReport(dag_id, "r0", "success"))
        assert reconcile_from_database(store.catalogue) == 1
        run = recorded(store, dag_id, "r1").run
        assert run.state == ("running" if state == "queued" else state)
        assert run.error == error
        assert (run.ended_at is None) == (state == "queued")
        settle(store)


def killed(store: Mistique) -> pd.DataFrame:
    raise KeyboardInterrupt


def test_a_stage_that_was_left_running(store: Mistique, dag_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after SIGKILL: nobody was left to record its end."""
    run = store.run("homes", "linear", key=RunKey("airflow", dag_id, "r1"))
    monkeypatch.setattr("mistique_core.engine.stage_runner.record_failure", lambda *_: None)
    stage, inputs = FunctionStage.bind(killed, [None], {})
    with pytest.raises(KeyboardInterrupt):
        run.stage("source", stage, inputs)
    assert [item.state for item in recorded(store, dag_id, "r1").stages] == ["running"]
    save(dag_id, "r1", "failed")
    assert reconcile_from_database(store.catalogue) == 1
    detail = recorded(store, dag_id, "r1")
    assert (detail.run.state, [item.state for item in detail.stages]) == ("failed", ["failed"])
    assert detail.stages[0].error == "the task was killed or lost before it ended"
    settle(store)


def begin_trial(store: Mistique, dag_id: str, number: int) -> None:
    facts = {"run_type": TRIAL}
    store.run("homes", "linear_search", key=RunKey("airflow", dag_id, f"r1/trial-{number}"), facts=facts)


def test_trials_of_a_search_are_no_dag_runs_of_their_own(store: Mistique, dag_id: str) -> None:
    """Airflow does not know them: as long as the search runs they may too, and when it ends, so have they."""
    save(dag_id, "r1", "running")
    record_run(store.catalogue, RunReport(dag_id, "r1", "running"))
    begin_trial(store, dag_id, 1)
    assert reconcile_from_database(store.catalogue) == 0
    assert open_runs(store.catalogue) == [(dag_id, "r1")]
    assert recorded(store, dag_id, "r1/trial-1").run.state == "running"
    store.run("homes", "linear", key=RunKey("airflow", dag_id, "r1/other"))
    save(dag_id, "r1", "failed")
    reconcile_from_database(store.catalogue)
    trial = recorded(store, dag_id, "r1/trial-1").run
    assert (trial.state, trial.error) == ("failed", "the task was killed or lost before it ended")
    assert trial.ended_at is not None
    assert "killed" not in recorded(store, dag_id, "r1/other").run.error


def test_the_command_looks_at_every_dag_with_stages(
    store: Mistique, home: Path, dag_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save(dag_id, "r1", "success")
    assert reconcile_from_database(store.catalogue) == 0
    assert main(["--store", str(home), "reconcile"]) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1].endswith(" runs updated")
    assert recorded(store, dag_id, "r1").run.state == "success"
    settle(store)


def test_the_database_is_the_temporary_one() -> None:
    from airflow.configuration import conf

    assert os.environ["AIRFLOW_HOME"] in str(conf.get("database", "sql_alchemy_conn"))


def test_a_stale_running_does_not_reopen_a_run_that_has_ended(store: Mistique, dag_id: str) -> None:
    """The listener records the end of a run a moment before Airflow's database says so."""
    save(dag_id, "r1", "running")
    record_run(store.catalogue, RunReport(dag_id, "r1", "success", ended_at=time.time() + 60))
    assert reconcile_from_database(store.catalogue) == 0
    assert recorded(store, dag_id, "r1").run.state == "success"
