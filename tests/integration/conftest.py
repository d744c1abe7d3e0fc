"""One real Airflow for all tests of this folder: scheduler, DAG processor, API server, task processes.

It takes a third of a core also when nothing runs, so that it is stopped before the tests of other folders. With the
environment variable ``MISTIQUE_ON_A_CLUSTER=true`` it is a cluster: PostgreSQL, S3, and two Celery workers."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from operators.cluster.cluster import delete_databases, running_cluster
from operators.cluster.layout import ClusterLayout
from operators.demo.airflow_process import running_airflow
from operators.demo.airflow_settings import HOST, USER
from operators.demo.client import AirflowClient
from operators.demo.environment import DemoEnvironment
from operators.demo.ports import free_ports
from tests.cluster.store_environment import store_environment
from tests.integration.airflow_site import PIPELINES, ROOT, Site
from tests.integration.example_dags import CANCER, RUNS, WORKFLOWS
from tests.integration.statsd_socket import Metrics, statsd_socket

Extra = tuple[tuple[str, str], ...]
IS_ON_A_CLUSTER = os.environ.get("MISTIQUE_ON_A_CLUSTER") == "true"
TOGETHER = 12
"""DAG runs that are under way at the same time."""


@pytest.fixture(scope="package")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    state = tmp_path_factory.mktemp("site")
    dags = state / "dags"
    # Fifty DAGs of one file take a minute to be read, which only the tests of all examples need.
    has_all = any("ended" in getattr(item, "fixturenames", ()) for item in request.session.items)
    left_out = ["__pycache__", *([] if has_all else ["zillow*", "cifar10.py"])]
    shutil.copytree(ROOT / "dags", dags, ignore=shutil.ignore_patterns(*left_out))
    for file in (Path(__file__).parent / "broken_dags").glob("*.py"):
        shutil.copy(file, dags)
    nowhere = {
        "conn_type": "mistique",
        "host": str(state / "store"),
        "extra": {"catalogue_url": "postgresql://127.0.0.1:1/x"},
    }
    (port,) = free_ports(1)
    with statsd_socket() as metrics:
        yield from started(state, dags, port, nowhere, metrics)


def started(state: Path, dags: Path, port: int, nowhere: dict[str, Any], metrics: Metrics) -> Iterator[Site]:
    extra = (
        ("AIRFLOW_CONN_UNREACHABLE", json.dumps(nowhere)),
        # Nothing here changes a file, but fifty DAGs of one file take a minute on a busy machine.
        ("AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL", "120"),
        ("AIRFLOW__METRICS__STATSD_ON", "True"),
        ("AIRFLOW__METRICS__STATSD_HOST", HOST),
        ("AIRFLOW__METRICS__STATSD_PORT", str(metrics.port)),
    )
    start = on_a_cluster if IS_ON_A_CLUSTER else with_the_demo
    with start(state, dags, port, extra, metrics) as found:
        found.client.wait_for_dags([*PIPELINES, "mistique_query", "broken_raises"], seconds=240)
        yield found
        found.client.close()


@contextmanager
def with_the_demo(state: Path, dags: Path, port: int, extra: Extra, metrics: Metrics) -> Iterator[Site]:
    """Run what ``make demo`` runs: SQLite, tasks as children of the scheduler, a store in a folder."""
    environment = DemoEnvironment(ROOT, state, port, dags, extra)
    environment.create_folders()
    with running_airflow(environment, print):
        client = AirflowClient(environment.url, USER, environment.password())
        yield Site(environment, client, str(environment.store), None, environment.store / "partitions", metrics)


@contextmanager
def on_a_cluster(state: Path, dags: Path, port: int, extra: Extra, metrics: Metrics) -> Iterator[Site]:
    """Run what ``make cluster`` runs: PostgreSQL, Celery workers, a store in object storage."""
    layout = ClusterLayout(ROOT, dags, state, port, extra=extra)
    layout.create_folders()
    try:
        with running_cluster(layout, print) as cluster, store_environment(cluster) as variables:
            client = AirflowClient(layout.url, USER, layout.secrets()["AIRFLOW_ADMIN_PASSWORD"])
            location, catalogue_url = variables["MISTIQUE_HOME"], variables["MISTIQUE_CATALOGUE_URL"]
            yield Site(layout, client, location, catalogue_url, layout.objects, metrics)
    finally:
        delete_databases(layout)


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
