"""A cluster in which something is broken while it works, and how it is seen that nothing was lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pandas as pd
import psutil
import pytest

from mistique_core import Mistique
from mistique_core.catalogue.entities import TERMINAL_STATES
from mistique_core.catalogue.open_writes import open_writes
from mistique_core.maintenance import collect_garbage
from mistique_core.modeldb.records import RunDetail
from mistique_core.modeldb.runs import find_run
from operators.cluster.cluster import Cluster, delete_databases, running_cluster
from operators.cluster.components import create_home, own_variables, shared_variables, store_variables
from operators.cluster.layout import ClusterLayout
from operators.cluster.processes import Program
from operators.demo.airflow_settings import HOST, USER
from operators.demo.client import AirflowClient
from operators.demo.ports import answers, free_ports
from operators.demo.project import airflow_program
from tests.cluster.running import ROOT
from tests.cluster.store_environment import store_environment
from tests.cluster_faults.flaky_proxy import Network, flaky_network

PROJECT = DAG_ID = "mended"
SECOND = "scheduler-2"
FACTORS = (2, 3, 5, 7)
RUN_SECONDS = 600
"""Longest wait for anything: a machine may be busy."""
LATER_SECONDS = 100 * 86_400.0
RECORDS = "MISTIQUE_FAULT_RECORDS"
"""Environment variable with the file that gets a line of JSON for each fault that was survived."""


SETTINGS = {
    # A task whose worker is gone is noticed after so many seconds, and not after Airflow's 300.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
}


@dataclass
class MendedCluster:
    """A cluster whose ended processes are started again, with the network that lies before its S3 server."""

    cluster: Cluster
    network: Network
    client: AirflowClient
    marks: Path
    told: list[str]
    runs: dict[str, str] = field(default_factory=dict)

    def store(self) -> Mistique:
        """Open the store past the network."""
        variables = store_variables(self.cluster.layout, self.cluster.databases)
        return Mistique.open(variables["MISTIQUE_HOME"], variables["MISTIQUE_CATALOGUE_URL"])

    def trigger(self, model: str, *, seed: int, rows: int = 2_000, pause: float = 0.0) -> Path:
        """Start a run of the DAG for a model; return the folder of the marks of its second stage."""
        marks = self.marks / model
        marks.mkdir()
        conf = {"model": model, "seed": seed, "rows": rows, "marks": str(marks), "pause": pause}
        self.runs[model] = self.client.trigger(DAG_ID, conf)
        return marks

    def wait_until(self, condition: Callable[[], Any], what: str, seconds: float = RUN_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} not within {seconds} s; {self.told[-5:]}"
            time.sleep(0.2)

    def state(self, model: str) -> str:
        """Return the state of a run; ``unknown`` while the API server or its database cannot tell."""
        run_id = quote(self.runs[model], safe="")
        try:
            return str(self.client.get(f"/dags/{DAG_ID}/dagRuns/{run_id}")["state"])
        except (httpx.HTTPError, KeyError, ValueError):
            return "unknown"

    def finish(self, model: str) -> None:
        """Wait until a run has succeeded, and is recorded so."""
        self.wait_until(lambda: self.state(model) in ("success", "failed"), f"the end of {model}")
        assert self.state(model) == "success", self.tries(model)
        self.wait_until(lambda: self.recorded(model).run.state in TERMINAL_STATES, f"the record of {model}")
        assert self.recorded(model).run.state == "success"

    def tries(self, model: str) -> dict[str, int]:
        """Return ``task id[map index]`` -> number of the last try."""
        run_id = quote(self.runs[model], safe="")
        found = self.client.get(f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {f"{task['task_id']}[{task['map_index']}]": int(task["try_number"]) for task in found}

    def recorded(self, model: str) -> RunDetail:
        with self.store() as store, store.catalogue.read() as connection:
            found = find_run(connection, DAG_ID, self.runs[model])
        assert found is not None
        return found

    def kill(self, name: str) -> None:
        """Kill a process of the cluster and all that it has started, as a lost host would."""
        before = len(self.told)
        leader = psutil.Process(self.cluster.processes.pid(name))
        family = [leader, *leader.children(recursive=True)]
        for process in family:
            process.send_signal(signal.SIGSTOP)  # so that nobody tells of another's end
        for process in family:
            process.send_signal(signal.SIGKILL)
        self.wait_until(lambda: any(text.startswith(f"{name} ended") for text in self.told[before:]), f"end of {name}")

    def start_second_scheduler(self) -> None:
        """Start another scheduler, with a home and a health check of its own."""
        layout = self.cluster.layout
        home = create_home(layout, SECOND)
        (port,) = free_ports(1)
        variables = {
            **own_variables(shared_variables(layout, self.cluster.databases), home),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(port),
        }
        program = Program(SECOND, [str(airflow_program()), "scheduler"], home, variables)
        self.cluster.processes.start(program)
        self.wait_until(lambda: answers(port), "the second scheduler")

    def stop_second_scheduler(self) -> None:
        """Stop it again."""
        self.cluster.processes.stop([SECOND])

    def check_intact(self, model: str, *, seed: int, rows: int = 2_000) -> dict[str, Any]:
        """Check that a run's record and values are those of a run without faults; return what the fault left behind."""
        self.check_recorded(model)
        left = self.check_stored({model: (seed, rows)})
        tries = self.tries(model)
        return {"tries": sum(tries.values()) - len(tries), **left}

    def check_recorded(self, model: str) -> None:
        """Check that a run is recorded as if every task had succeeded at once."""
        detail = self.recorded(model)
        stages = {(stage.task_id, stage.map_index): stage for stage in detail.stages if stage.is_last_try}
        assert {stage.state for stage in stages.values()} == {"success"}
        assert set(stages) == {("numbers", -1), ("waits", -1), *(("times", index) for index in range(len(FACTORS)))}
        assert [str(label) for label in detail.run.versions] == [f"{PROJECT}.{model}@1"]

    def check_stored(self, models: dict[str, tuple[int, int]]) -> dict[str, Any]:
        """Check that the store is sound and holds the values of models (name -> seed, rows); return what gc removed."""
        with self.store() as store:
            for model, (seed, rows) in models.items():
                check_values(store, model, seed, rows)
            report = store.check(read_data=True)
            assert report.problems == ()
            assert report.is_complete
            now = time.time() + LATER_SECONDS  # as if nobody had written for long, so that every leftover is found
            removed = collect_garbage(store.catalogue, store.backend, now=now, grace_seconds=0)
            assert removed.chunks == 0
            with store.catalogue.read() as connection:
                assert open_writes(connection) == []
            assert store.check(read_data=True).problems == ()
            for model, (seed, rows) in models.items():
                check_values(store, model, seed, rows)
            registered = {file.name for file in store.backend.files()}
        kept = {file.name for file in self.cluster.layout.objects.iterdir() if file.name.endswith(".h5")}
        assert len(kept) == len(registered)
        return {
            "orphan_files": len(removed.orphans),
            "orphan_bytes": removed.deleted_bytes,
            "stale_writes": len(removed.stale_writes),
        }

    def command(self, *words: str) -> str:
        """Run a program of this environment as the cluster's scheduler would; return what it printed."""
        layout = self.cluster.layout
        home = create_home(layout, "command")
        variables = own_variables(shared_variables(layout, self.cluster.databases), home)
        program = Path(sys.executable).parent / words[0]
        done = subprocess.run(
            [str(program), *words[1:]], env=variables, cwd=home, capture_output=True, text=True, timeout=RUN_SECONDS
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def check_values(store: Mistique, model: str, seed: int, rows: int, version: int = 1) -> None:
    """Check that all intermediates of a version are, to the bit, what NumPy and pandas compute."""
    for name, frame in expected(seed, rows).items():
        stored = store.get_intermediates(f"{PROJECT}.{model}@{version}.{name}", strategy="read").to_pandas()
        pd.testing.assert_frame_equal(stored, frame, check_exact=True, check_names=False, obj=name)


def expected(seed: int, rows: int) -> dict[str, pd.DataFrame]:
    """Return the intermediates of a run, by NumPy and pandas alone."""
    random = np.random.default_rng(seed)
    source = pd.DataFrame({f"x{number}": random.normal(size=rows) for number in range(8)})
    summed = source.assign(sum=source.sum(axis=1))
    mapped = {f"times_{index}": summed * factor for index, factor in enumerate(FACTORS)}
    return {"numbers": source, "waits": summed, **mapped}


@contextmanager
def mended_cluster(folder: Path, workers: int = 2) -> Iterator[MendedCluster]:
    """Start the cluster in a folder, start again what ends, and stop it at the end; the store's variables are set."""
    dags, marks = folder / "dags", folder / "marks"
    dags.mkdir()
    marks.mkdir()
    shutil.copy(Path(__file__).parent / "dags" / "mended.py", dags)
    (port,) = free_ports(1)
    network, told, stop = Network(), [], threading.Event()
    plain = ClusterLayout(ROOT, dags, folder / "state", port, workers, own_postgres=True)
    with flaky_network(plain.ports.s3, network) as proxy:
        layout = replace(plain, extra=(*SETTINGS.items(), ("AWS_ENDPOINT_URL", f"http://{HOST}:{proxy}")))
        layout.create_folders()
        try:
            with (
                running_cluster(layout, told.append) as cluster,
                store_environment(cluster),
                pytest.MonkeyPatch.context() as patch,
            ):
                patch.setenv("MISTIQUE_CODE_PATH", str(dags))  # for what is re-run here
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


def restart_ended(cluster: Cluster, stop: threading.Event) -> None:
    """Start ended processes again until told to stop, as the cluster's command does."""
    while not stop.wait(0.2):
        cluster.restart_ended()


def keep(fault: str, facts: dict[str, Any]) -> None:
    """Write down what a fault did, if the environment says where."""
    file = os.environ.get(RECORDS)
    if file:
        with Path(file).open("a") as stream:
            stream.write(json.dumps({"fault": fault, **facts}) + "\n")
