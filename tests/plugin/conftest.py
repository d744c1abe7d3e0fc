"""A temporary Airflow home, set before anything imports Airflow, and stores for the pages to show.

Where another conftest of this process has made a temporary home already (it then has a JWT secret), that one is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.catalogue.entities import RunKey
from tests.airflow_home import prepare_airflow_home

prepare_airflow_home()


def airflow_key(dag_id: str, run_id: str) -> RunKey:
    return RunKey("airflow", dag_id, run_id)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Mistique]:
    with Mistique.open(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def houses() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rooms": [1, 2, 3, 4, 5, 6, 7, 8],
            "area": [10.5, 20.0, 31.0, 39.5, 52.0, 60.0, 71.0, 80.0],
            "price": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        },
        index=pd.RangeIndex(8, name="row_id"),
    )


@pytest.fixture
def csv(tmp_path: Path, houses: pd.DataFrame) -> Path:
    path = tmp_path / "houses.csv"
    houses.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def auth_manager() -> Any:
    """Airflow's simple auth manager over a database that knows the DAGs ``train`` and ``ask``, but not ``secret``."""
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session

    initdb()
    create_app()
    with create_session(scoped=False) as session:
        if session.get(DagBundleModel, "dags-folder") is None:
            session.add(DagBundleModel(name="dags-folder"))
            session.flush()
        for dag_id in ("train", "ask"):
            if session.get(DagModel, dag_id) is None:
                session.add(
                    DagModel(dag_id=dag_id, bundle_name="dags-folder", fileloc="", max_consecutive_failed_dag_runs=0)
                )
    return get_auth_manager()


def make_client(
    auth_manager: Any, catalogue: Any, location: Path, *, login: bool = True, role: str = "viewer", **options: Any
) -> Any:
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from mistique_ui.access import AirflowAccess
    from mistique_ui.app import make_app

    def store() -> Any:
        return Mistique.open(location)

    app = make_app(catalogue, store=store, location=lambda: str(location), access=AirflowAccess(), **options)
    root = FastAPI()
    root.mount("/mistique", app)
    client = TestClient(root, base_url="http://testserver", follow_redirects=False)
    client.pages = app
    if login:
        token = auth_manager.generate_jwt(SimpleAuthManagerUser(username="vera", role=role))
        client.headers["Authorization"] = f"Bearer {token}"
    return client
