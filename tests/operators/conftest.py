"""A temporary Airflow home with a database of its own, and a fresh store for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mistique_core import Mistique
from operators.connection import DEFAULT_CONNECTION
from tests.airflow_home import create_airflow_database, prepare_airflow_home

prepare_airflow_home()

VARIABLE = f"AIRFLOW_CONN_{DEFAULT_CONNECTION.upper()}"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the person who runs the tests has set."""
    for name in (VARIABLE, "MISTIQUE_HOME", "MISTIQUE_CATALOGUE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(_no_settings: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder of the store that every hook of this test opens."""
    from operators.listener import listener

    monkeypatch.setenv("MISTIQUE_HOME", str(tmp_path / "store"))
    monkeypatch.setattr(listener, "_catalogue", None)
    return tmp_path / "store"


@pytest.fixture
def store(home: Path) -> Iterator[Mistique]:
    """Return that store."""
    with Mistique.open(home) as opened:
        yield opened


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Create Airflow's database."""
    create_airflow_database()


@pytest.fixture
def sync_dag(airflow_db: None) -> Callable[[Any], None]:
    """Return a function that makes a DAG known to Airflow's database."""

    def sync(dag: Any) -> None:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

        DagBundlesManager().sync_bundles_to_db()
        bag = DagBag(dag_folder=os.devnull)
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)

    return sync


@pytest.fixture
def run_dag(home: Path, sync_dag: Callable[[Any], None]) -> Callable[..., Any]:
    """Return a function that runs a DAG in this process and returns its DAG run."""

    def run(dag: Any, conf: dict[str, Any] | None = None) -> Any:
        sync_dag(dag)
        return dag.test(run_conf=conf)

    return run
