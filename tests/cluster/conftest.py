"""One cluster for all tests of this folder that need one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from operators.cluster.layout import ClusterLayout
from operators.demo.airflow_settings import USER
from operators.demo.client import AirflowClient
from operators.demo.ports import free_ports
from tests.cluster.requirements import need
from tests.cluster.running import ROOT, START_SECONDS, RunningCluster, environment, mistique

DAGS = ("cancer_operators.py", "cancer_xgboost.py", "mistique_query.py", "zillow.py", "zillow/p1.yaml")
CANCER = ("cancer_logistic_regression", "cancer_random_forest", "cancer_xgboost")
ZILLOW = "zillow_p1_v1"
ROWS = 3_000


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster with two workers and a few of the example DAGs, which Airflow parses in a few seconds."""
    need(redis=True, postgres=True)
    folder = tmp_path_factory.mktemp("cluster")
    dags, state = folder / "dags", folder / "state"
    (dags / "zillow").mkdir(parents=True)
    for name in DAGS:
        shutil.copy(ROOT / "dags" / name, dags / name)
    (port,) = free_ports(1)
    options = ["--state", str(state), "--dags", str(dags), "--port", str(port), "--workers", "2"]
    output = folder / "output"
    with output.open("wb") as stream:
        command = subprocess.Popen(
            mistique("cluster", *options),
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment(),
        )
    running = RunningCluster(ClusterLayout(ROOT, dags, state, port), command, output)
    try:
        running.wait_until(running.layout.environment_file.exists, START_SECONDS, "the cluster was up")
        password = running.layout.secrets()["AIRFLOW_ADMIN_PASSWORD"]
        running.client = AirflowClient(running.layout.url, USER, password)
        yield running
    finally:
        running.stop()
        subprocess.run(mistique("cluster", "--delete", "--state", str(state)), env=environment(), check=True)


@pytest.fixture(scope="package")
def ended(cluster: RunningCluster) -> RunningCluster:
    """The cluster after the three cancer pipelines and one of Zillow's have run at the same time."""
    assert cluster.client is not None
    cluster.client.wait_for_dags([*CANCER, ZILLOW, "mistique_query"], seconds=240)
    wanted = {**{dag_id: {} for dag_id in CANCER}, ZILLOW: {"rows": ROWS}}
    assert cluster.run(wanted) == dict.fromkeys(wanted, "success")
    return cluster
