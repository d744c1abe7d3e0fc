"""A running Airflow, as the tests see it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mistique_core import Mistique
from mistique_core.catalogue.entities import TERMINAL_STATES
from mistique_core.modeldb.records import RunDetail
from mistique_core.modeldb.runs import find_run
from operators.cluster.layout import ClusterLayout
from operators.demo.client import AirflowClient
from operators.demo.environment import DemoEnvironment
from tests.integration.statsd_socket import Metrics

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("logistic_regression", "random_forest", "xgboost")
RUN_SECONDS = 1_800
"""Longest wait for runs: a machine may be busy with other tests."""
RECORDED_SECONDS = 120
PIPELINES = tuple(f"cancer_{model}" for model in MODELS)


@dataclass
class Site:
    """A running Airflow with its store.

    Attributes
    ----------
    environment
        What started it.
    client
        Talks to it.
    location, catalogue_url
        Its store, as it is opened.
    partitions
        Folder below which the store's partitions are files.
    metrics
        What its processes have sent to StatsD.
    """

    environment: DemoEnvironment | ClusterLayout
    client: AirflowClient
    location: str
    catalogue_url: str | None
    partitions: Path
    metrics: Metrics
    runs: dict[str, list[str]] = field(default_factory=dict)
    first_bytes: dict[str, int] = field(default_factory=dict)

    def run(self, confs: dict[str, dict[str, Any]]) -> dict[str, str]:
        """Run DAGs (id -> conf) at the same time; return DAG id -> final state."""
        triggered = {dag_id: self.client.trigger(dag_id, conf) for dag_id, conf in confs.items()}
        for dag_id, run_id in triggered.items():
            self.runs.setdefault(dag_id, []).append(run_id)
        states: dict[str, str] = {}
        deadline = time.monotonic() + RUN_SECONDS
        while len(states) < len(triggered):
            assert time.monotonic() < deadline, f"{triggered.keys() - states.keys()} did not end in {RUN_SECONDS} s"
            time.sleep(0.5)  # the API server's time is the tasks' time
            for dag_id in triggered.keys() - states.keys():
                state = self.client.get(f"/dags/{dag_id}/dagRuns/{quote(triggered[dag_id], safe='')}")["state"]
                if state in ("success", "failed"):
                    states[dag_id] = state
        return states

    def recorded(self, dag_id: str, run_id: str, state: str | None = None) -> RunDetail:
        """Return what ModelDB holds of a run that ended in a state, or that ended.

        A scheduler whose catalogue is busy with other runs writes a little later.
        """
        deadline = time.monotonic() + RECORDED_SECONDS
        while True:
            with self.store() as store, store.catalogue.read() as connection:
                found = find_run(connection, dag_id, run_id)
            assert found is not None, f"{run_id} of {dag_id} is not recorded"
            if found.run.state in ([state] if state else TERMINAL_STATES):
                return found
            assert time.monotonic() < deadline, f"{run_id} of {dag_id} is recorded as {found.run.state}"
            time.sleep(0.5)

    def log(self, dag_id: str, run_id: str, task_id: str) -> list[str]:
        return self.client.task_messages(dag_id, run_id, task_id)

    def store(self) -> Mistique:
        return Mistique.open(self.location, self.catalogue_url)

    def partition_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.partitions.rglob("*.h5"))
