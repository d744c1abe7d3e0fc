"""One cluster for all faults: a PostgreSQL server of its own, two workers, and a network before its S3 server."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from operators.cluster.cluster import delete_databases, running_cluster
from operators.cluster.components import store_variables
from operators.cluster.layout import ClusterLayout
from operators.demo.airflow_settings import HOST, USER
from operators.demo.client import AirflowClient
from operators.demo.ports import free_ports
from tests.cluster.requirements import need
from tests.cluster.running import ROOT
from tests.cluster_faults.flaky_proxy import Network, flaky_network
from tests.cluster_faults.mending import DAG_ID, MendedCluster, restart_ended

SETTINGS = {
    # A task whose worker is gone is noticed after so many seconds, and not after Airflow's 300.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
}


@pytest.fixture(scope="package")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MendedCluster]:
    need(redis=True, postgres=True)
    folder = tmp_path_factory.mktemp("mended")
    dags, marks = folder / "dags", folder / "marks"
    dags.mkdir()
    marks.mkdir()
    shutil.copy(Path(__file__).parent / "dags" / "mended.py", dags)
    (port,) = free_ports(1)
    network, told, stop = Network(), [], threading.Event()
    plain = ClusterLayout(ROOT, dags, folder / "state", port, own_postgres=True)
    with flaky_network(plain.ports.s3, network) as proxy:
        extra = (*SETTINGS.items(), ("AWS_ENDPOINT_URL", f"http://{HOST}:{proxy}"))
        layout = ClusterLayout(ROOT, dags, plain.state, port, own_postgres=True, extra=extra, ports=plain.ports)
        layout.create_folders()
        try:
            with running_cluster(layout, told.append) as cluster, pytest.MonkeyPatch.context() as patch:
                variables = store_variables(layout, cluster.databases)
                for name in [name for name in os.environ if name.startswith("AWS_")]:
                    patch.delenv(name)
                for name in [name for name in variables if name.startswith("AWS_")]:
                    patch.setenv(name, variables[name])
                patch.setenv("NO_PROXY", HOST)
                watch = threading.Thread(target=restart_ended, args=(cluster, stop), daemon=True)
                watch.start()
                client = AirflowClient(layout.url, USER, layout.secrets()["AIRFLOW_ADMIN_PASSWORD"])
                client.wait_for_dags([DAG_ID], seconds=240)
                try:
                    yield MendedCluster(cluster, network, client, marks, told)
                finally:
                    stop.set()
                    watch.join(60)
                    client.close()
        finally:
            delete_databases(layout)


@pytest.fixture(autouse=True)
def whole_again(request: pytest.FixtureRequest) -> Iterator[None]:
    """The network has no faults before and after each test."""
    yield
    if "mended" in request.fixturenames:
        request.getfixturevalue("mended").network.mend()
