"""The scheduler's listener: it never raises, never opens Airflow's session, and may be called in any order."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mistique_core.catalogue import Catalogue
from mistique_core.modeldb.runs import find_run
from operators.listener import RunListener
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
    with caplog.at_level(logging.ERROR, "operators.listener"):
        listener.on_starting(component=SimpleNamespace(job_type="SchedulerJob"))
        for state in ("running", "success", "failed"):
            listener._pause_until = 0.0
            record(listener, state, dag_run())
        for state in ("running", "success", "failed"):  # for a while the scheduler is not kept waiting again
            record(listener, state, dag_run())
    messages = [entry.getMessage() for entry in caplog.records if entry.name == "operators.listener"]
    assert messages[0].startswith("MISTIQUE could not prepare its catalogue")
    assert messages[1:] == ["MISTIQUE could not record run r1 of train; reconcile will"] * 3
