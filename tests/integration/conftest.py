"""One real Airflow for all tests of this folder: scheduler, DAG processor, API server, task processes.

It takes a third of a core also when nothing runs, so that it is stopped before the tests of other folders."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from operators.demo.airflow_process import running_airflow
from operators.demo.airflow_settings import USER
from operators.demo.client import AirflowClient
from operators.demo.environment import DemoEnvironment
from tests.integration.airflow_site import PIPELINES, ROOT, Site
from tests.integration.example_dags import CANCER, RUNS, WORKFLOWS

TOGETHER = 12
"""DAG runs that are under way at the same time."""


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    state = tmp_path_factory.mktemp("site")
    dags = state / "dags"
    shutil.copytree(ROOT / "dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (Path(__file__).parent / "broken_dags").glob("*.py"):
        shutil.copy(file, dags)
    nowhere = {
        "conn_type": "mistique",
        "host": str(state / "store"),
        "extra": {"catalogue_url": "postgresql://127.0.0.1:1/x"},
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    extra = (
        ("AIRFLOW_CONN_UNREACHABLE", json.dumps(nowhere)),
        # Nothing here changes a file, but fifty DAGs of one file take a minute on a busy machine.
        ("AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL", "120"),
    )
    environment = DemoEnvironment(ROOT, state, port, dags, extra)
    environment.create_folders()
    with running_airflow(environment, print):
        client = AirflowClient(environment.url, USER, environment.password())
        # The fifty of one file are written at once, and nothing else is written to Airflow's database meanwhile.
        client.wait_for_dags([*PIPELINES, "mistique_query", "broken_raises", "zillow_p1_v1"], seconds=240)
        yield Site(environment, client)
        client.close()


@pytest.fixture(scope="package")
def pipelines(site: Site) -> Site:
    """The site after each of the three cancer pipelines has run once, one after the other."""
    for dag_id in PIPELINES:
        before = site.partition_bytes()
        assert site.run({dag_id: {}}) == {dag_id: "success"}
        site.first_bytes[dag_id] = site.partition_bytes() - before
    return site


@pytest.fixture(scope="package")
def ended(pipelines: Site) -> Site:
    """The site after each example DAG has run once: first one of a kind, which the others take stages over from."""
    wanted = {dag_id: conf for dag_id, conf in RUNS.items() if dag_id not in CANCER}
    pipelines.client.wait_for_dags(list(wanted), seconds=180)
    names = list(wanted)
    first = next(iter(WORKFLOWS))
    names.remove(first)
    for group in ([first], *(names[start : start + TOGETHER] for start in range(0, len(names), TOGETHER))):
        states = pipelines.run({dag_id: wanted[dag_id] for dag_id in group})
        assert states == dict.fromkeys(group, "success")
    return pipelines
