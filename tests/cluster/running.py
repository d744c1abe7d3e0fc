"""A cluster that was started by its command, as the tests see it: from outside."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from mistique_core import Mistique
from operators.cluster.layout import ClusterLayout
from operators.demo.client import AirflowClient

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 400
RUN_SECONDS = 900
"""Longest waits: a machine may be busy with other tests."""
STOP_SECONDS = 90


def environment() -> dict[str, str]:
    """Return what the command is started with."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def mistique(*arguments: str) -> list[str]:
    """Return the command line of this environment's ``mistique``."""
    return [str(Path(sys.executable).parent / "mistique"), *arguments]


@dataclass
class RunningCluster:
    """The command, the layout that it works in, and a client of its Airflow once it is up."""

    layout: ClusterLayout
    command: subprocess.Popen[bytes]
    output: Path
    client: AirflowClient | None = None
    runs: dict[str, str] = field(default_factory=dict)

    def wait_until(self, condition: Any, seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.command.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, f"{what} not within {seconds} s: {self.output.read_text()}"
            time.sleep(0.2)

    def run(self, confs: dict[str, dict[str, Any]]) -> dict[str, str]:
        """Run DAGs (id -> conf) at the same time; return DAG id -> final state."""
        assert self.client is not None
        triggered = {dag_id: self.client.trigger(dag_id, conf) for dag_id, conf in confs.items()}
        self.runs |= triggered
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

    def tasks(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the tasks of a DAG's last run."""
        assert self.client is not None
        run_id = quote(self.runs[dag_id], safe="")
        return list(self.client.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"])

    @contextmanager
    def store(self) -> Iterator[Mistique]:
        """Open the cluster's store by what the file for shells says."""
        lines = (shlex.split(line) for line in self.layout.environment_file.read_text().splitlines())
        variables = dict(assignment.split("=", 1) for _, assignment in lines)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**variables, "NO_PROXY": "127.0.0.1"}.items():
                patch.setenv(name, value)
            with Mistique.open() as store:
                yield store

    def started(self) -> dict[int, psutil.Process]:
        """Return all processes below the command's, by number."""
        children = psutil.Process(self.command.pid).children(recursive=True)
        return {process.pid: process for process in children if is_alive(process)}

    def process(self, name: str) -> psutil.Process:
        """Return the process that leads in a working folder of the cluster."""
        (process,) = self.leaders(name)
        return process

    def leaders(self, name: str) -> list[psutil.Process]:
        """Return that process, or nothing while it is not there: it has ended, and is not started again yet."""
        return [
            process
            for process in psutil.Process(self.command.pid).children()
            if is_alive(process) and self._leads(process, name)
        ]

    def _leads(self, process: psutil.Process, name: str) -> bool:
        if name == "s3":
            return "operators.cluster.s3_server" in process.cmdline()
        return process.cwd() == str(self.layout.folder(name))

    def stop(self) -> int:
        """Send SIGTERM; return the command's status."""
        if self.client is not None:
            self.client.close()
            self.client = None
        if self.command.poll() is None:
            self.command.send_signal(signal.SIGTERM)
        return self.command.wait(STOP_SECONDS)


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process has not ended; one that nobody has waited for yet has."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_in(folder: Path) -> list[str]:
    """Return all processes of the machine that work in a folder or were started with it."""
    found = []
    for process in psutil.process_iter():
        try:
            if not is_alive(process):
                continue
            places = (process.cwd(), *process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if process.pid != os.getpid() and any(place.startswith(str(folder)) for place in places):
            found.append(f"{process.pid} {' '.join(process.cmdline())}")
    return found
