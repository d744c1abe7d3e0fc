"""The scheduler's listener: it never raises, never opens Airflow's session, and may be called in any order."""

from __future__ import annotations

import itertools
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mistique_core.catalogue import Catalogue
from mistique_core.modeldb import RunReport
from mistique_core.modeldb.runs import find_run
from operators.late_reports import LateReport, LateReports
from operators.listener import BUSY_SECONDS, RunListener
from operators.run_report import run_report
from tests.operators.conftest import VARIABLE

pytestmark = pytest.mark.airflow

START = datetime(2026, 1, 2, tzinfo=UTC)
STAGE = SimpleNamespace(template_fields=("project", "model", "intermediate", "inputs"), project="homes")
DAG = SimpleNamespace(tasks=[SimpleNamespace(template_fields=("path",)), STAGE], params={"a": 1, "b": 2})
PLAIN = SimpleNamespace(tasks=[SimpleNamespace(template_fields=("sql",), project="homes")], params={})


def dag_run(dag: Any = DAG, run_id: str = "r1") -> Any:
    """Return a run that belongs to no session, as ``dag.test()`` hands it over."""
    from airflow.models.dagrun import DagRun

    run = DagRun(dag_id="train", run_id=run_id, run_type="manual", conf={"b": 3})
    run.start_date, run.end_date = START, START + timedelta(seconds=5)
    run.dag = dag
    return run


def record(listener: RunListener, state: str, run: Any) -> None:
    getattr(listener, f"on_dag_run_{state}")(dag_run=run, msg="task_failure")


@pytest.fixture
def listener(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunListener]:
    """A listener of a store; whoever opens Airflow's session ends the test."""
    from airflow import settings
    from airflow.utils import session

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the listener opened Airflow's session, which kills the scheduler")

    monkeypatch.setattr(settings, "Session", refuse)
    monkeypatch.setattr(settings, "NonScopedSession", refuse)
    monkeypatch.setattr(session, "create_session", refuse)
    made = RunListener()
    yield made
    if made._catalogue is not None:
        made._catalogue.close()


@pytest.fixture
def found(home: Path) -> Callable[..., Any]:
    """Return a function that gives the recorded run."""

    def find(run_id: str = "r1") -> Any:
        catalogue = Catalogue(f"sqlite:///{home / 'catalogue.db'}")
        try:
            with catalogue.read() as connection:
                detail = find_run(connection, "train", run_id)
            return None if detail is None else detail.run
        finally:
            catalogue.close()

    return find


@pytest.mark.parametrize("end", ["success", "failed"])
def test_a_run_from_start_to_end(listener: RunListener, found: Callable[..., Any], end: str) -> None:
    for _ in range(2):
        record(listener, "running", dag_run())
        run = found()
        assert (run.state, run.started_at, run.ended_at, run.project) == ("running", START.timestamp(), None, "homes")
    for _ in range(2):
        record(listener, end, dag_run())
        run = found()
        assert (run.state, run.ended_at) == (end, START.timestamp() + 5)
        assert run.error == ("task_failure" if end == "failed" else None)
    assert (run.run_type, run.conf, run.params) == ("manual", {"b": 3}, {"a": 1, "b": 3})


@pytest.mark.parametrize("order", list(itertools.permutations(["running", "success", "failed"])))
def test_the_last_report_counts(listener: RunListener, found: Callable[..., Any], order: tuple[str, ...]) -> None:
    for state in order:
        record(listener, state, dag_run())
    run = found()
    assert run.state == order[-1]
    assert (run.ended_at is None) == (order[-1] == "running")
    assert run.error == ("task_failure" if order[-1] == "failed" else None)


def test_a_dag_without_stages_is_not_recorded(listener: RunListener, found: Callable[..., Any], home: Path) -> None:
    for state in ("running", "success", "failed"):
        record(listener, state, dag_run(PLAIN))
    assert not home.exists()
    record(listener, "running", dag_run())
    record(listener, "failed", dag_run(PLAIN))
    assert found().state == "running"


def test_a_run_without_its_dag_is_updated_but_not_added(listener: RunListener, found: Callable[..., Any]) -> None:
    record(listener, "success", dag_run(None))
    assert found() is None
    record(listener, "running", dag_run())
    record(listener, "success", dag_run(None))
    run = found()
    assert (run.state, run.project, run.params) == ("success", "homes", {"a": 1, "b": 3})


def test_without_any_setting_no_store_is_created(listener: RunListener, monkeypatch: pytest.MonkeyPatch) -> None:
    from operators.connection import default_location

    monkeypatch.delenv("MISTIQUE_HOME")
    record(listener, "running", dag_run())
    assert not Path(default_location()).exists()


def test_only_the_scheduler_prepares_the_catalogue(listener: RunListener, home: Path) -> None:
    for component in (SimpleNamespace(job_type="TriggererJob"), object()):
        listener.on_starting(component=component)
    assert not home.exists()
    listener.on_starting(component=SimpleNamespace(job_type="SchedulerJob"))
    assert (home / "catalogue.db").is_file()


@pytest.mark.parametrize("kind", ["file", "no folder", "postgresql", "wrong setting", "wrong url"])
def test_an_unreachable_catalogue_is_logged_only(
    listener: RunListener,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "damaged.db").write_bytes(b"this is no database" * 100)
    extra = {
        "file": {"catalogue_url": f"sqlite:///{tmp_path}/damaged.db"},
        "no folder": {"catalogue_url": f"sqlite:///{tmp_path}/file/catalogue.db"},
        "postgresql": {"catalogue_url": "postgresql://127.0.0.1:1/x"},
        "wrong setting": {"no_such": 1},
        "wrong url": {"catalogue_url": "nonsense"},
    }[kind]
    connection = {"conn_type": "mistique", "host": str(tmp_path), "extra": extra}
    monkeypatch.setenv(VARIABLE, json.dumps(connection))
    with caplog.at_level(logging.WARNING, "operators"):
        listener.on_starting(component=SimpleNamespace(job_type="SchedulerJob"))
        for state in ("running", "success", "failed"):
            record(listener, state, dag_run())
        listener.before_stopping(component=SimpleNamespace(job_type="SchedulerJob"))
    said = [entry.getMessage() for entry in caplog.records if entry.name.startswith("operators.")]
    assert said[0].startswith("MISTIQUE could not prepare its catalogue")
    if kind in ("wrong setting", "wrong url"):  # which no waiting mends
        assert said[1:] == ["MISTIQUE could not record run r1 of train; reconcile will"] * 3
    else:
        assert said[1].startswith("MISTIQUE could not record run r1 of train yet, and tries again: ")
        assert said[-1] == "MISTIQUE could not record 3 states of DAG runs; reconcile will"


def test_what_a_busy_catalogue_could_not_take_is_recorded_later(
    listener: RunListener, found: Callable[..., Any], home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record(listener, "running", dag_run())
    with closing(sqlite3.connect(home / "catalogue.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        record(listener, "failed", dag_run())
        for number in range(20):  # the scheduler waits for the first of them only
            record(listener, "running", dag_run(run_id=f"next_{number}"))
            record(listener, "success", dag_run(run_id=f"next_{number}"))
        assert time.monotonic() - began < 10 * BUSY_SECONDS
        assert found().state == "running"
        other.execute("ROLLBACK")
    listener.before_stopping(component=SimpleNamespace(job_type="SchedulerJob"))
    assert found().state == "failed"
    assert {found(f"next_{number}").state for number in range(20)} == {"success"}
    assert caplog.text.count("could not record run r1 of train yet") == 1


def test_a_late_start_does_not_undo_an_end(listener: RunListener, found: Callable[..., Any]) -> None:
    """Another scheduler recorded the end while this one still kept the start."""
    late = LateReports(listener._write_late)
    record(listener, "success", dag_run())
    late.add(LateReport(run_report(dag_run(), DAG, "running", None), create=True))
    late.stop()
    assert found().state == "success"
    again = dag_run()
    again.start_date = START + timedelta(seconds=60)  # the run was cleared
    late = LateReports(listener._write_late)
    late.add(LateReport(run_report(again, DAG, "running", None), create=True))
    late.stop()
    assert found().state == "running"
    assert found().ended_at is None


def test_a_report_that_cannot_be_written_does_not_stop_those_behind_it(caplog: pytest.LogCaptureFixture) -> None:
    written: list[str] = []

    def write(late: LateReport) -> None:
        if late.report.run_id == "r0":
            raise ValueError("no such thing")
        written.append(late.report.run_id)

    late = LateReports(write)
    for number in range(3):
        late.add(LateReport(RunReport("train", f"r{number}", "success"), create=True))
    late.stop()
    assert written == ["r1", "r2"]
    assert not late
    assert "could not record run r0 of train; reconcile will" in caplog.text
