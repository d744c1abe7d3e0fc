"""A cluster whose workers are given cores of their own, and what one capture on it took and left behind."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import sqlalchemy as sa
from celery import Celery

from mistique_core import Mistique
from mistique_core.catalogue.entities import TERMINAL_STATES
from mistique_core.catalogue.tables import capture_block, chunk, intermediate
from mistique_core.modeldb.runs import find_run
from operators.cluster.cluster import Cluster, delete_databases, running_cluster
from operators.cluster.components import broker_url, store_variables
from operators.cluster.layout import ClusterLayout
from operators.demo.airflow_settings import USER
from operators.demo.client import AirflowClient, DagRunError
from operators.demo.interrupts import Interrupts
from operators.demo.ports import free_ports
from tests.cluster.store_environment import store_environment

DAG_ID = PROJECT = "scale_out"
CAPTURE = "capture"
QUEUE = "default"
HERE = Path(__file__).resolve().parent
DAG_FILES = ("scale_out_dag.py", "augmented_images.py")
POLL_SECONDS = 2.0
TELL_SECONDS = 15.0
RECORD_SECONDS = 120.0
SILENCE_SECONDS = 300.0
SETTINGS = {
    "AIRFLOW__CELERY__WORKER_CONCURRENCY": "1",
    # Tasks of a range wait for a worker as long as those before them run; Airflow gives up after 600 s.
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "21600",
    # What is measured is the workers: the rest of Airflow shares their cores, and looks around less often.
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@dataclass(frozen=True)
class Seconds:
    """Where the wall time of a run went.

    Attributes
    ----------
    run
        From the start of the DAG run to its end.
    capture
        From the start of the first task that captured to the end of the last one.
    queued
        How long the first task that captured lay in the queue, before a worker took it.
    tasks
        Of each task that captured, from its start to its end, in the order of their ranges.
    work
        Of each, what its capture took: TensorFlow's import, the network, the input and the layers.
    cpu
        Of the workers' processes, while the run lasted.
    """

    run: float
    capture: float
    queued: float
    tasks: tuple[float, ...]
    work: tuple[float, ...]
    cpu: float


@dataclass(frozen=True)
class Stored:
    """What a run left in an empty store.

    Attributes
    ----------
    layers
        Intermediate -> its content address: the input's and each layer's.
    chunks
        Content addresses of all chunks.
    partitions, partition_bytes, chunk_bytes, logical_bytes
        Sizes.
    catalogue_bytes
        Size of the database, which keeps the room that the runs before in the same cluster took.
    problems, check_seconds
        What a check of every byte found, and how long it took.
    """

    layers: Mapping[str, bytes]
    chunks: frozenset[bytes]
    partitions: int
    partition_bytes: int
    chunk_bytes: int
    catalogue_bytes: int
    logical_bytes: int
    problems: int
    check_seconds: float


@dataclass(frozen=True)
class Capture:
    """One run on one or more workers.

    Attributes
    ----------
    rows, workers, cores
        Its size; the workers that took tasks; the cores that each of them could use.
    seconds, stored
        What it took and left behind.
    most_bytes
        Resident memory of the largest process, as seen every two seconds.
    """

    rows: int
    workers: int
    cores: int
    seconds: Seconds
    stored: Stored
    most_bytes: int


class ScaleOutCluster:
    """Runs the DAG on some of the workers.

    Parameters
    ----------
    cluster
        A running cluster.
    client
        Of its Airflow.
    variables
        What reaches its store.
    tell
        Called with progress.
    """

    def __init__(
        self, cluster: Cluster, client: AirflowClient, variables: Mapping[str, str], tell: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._client = client
        self._variables = variables
        self._tell = tell
        self._celery = Celery(broker=broker_url(cluster.layout))

    def store(self) -> Mistique:
        """Open the store."""
        return Mistique.open(self._variables["MISTIQUE_HOME"], self._variables["MISTIQUE_CATALOGUE_URL"])

    def use(self, workers: int, *, pinned: bool) -> None:
        """Let the first workers take tasks and no others; pinned, each has one core, else each has all.

        Parameters
        ----------
        workers
            How many.
        pinned
            Whether each is kept on a core of its own.
        """
        cores = sorted(os.sched_getaffinity(0))
        for number, name in enumerate(self._cluster.layout.worker_names()):
            change = self._celery.control.add_consumer if number < workers else self._celery.control.cancel_consumer
            answers = change(QUEUE, destination=[f"celery@{name}"], reply=True, timeout=30)
            if not answers:
                raise DagRunError(f"{name} did not answer whether it takes tasks")
            _keep_on(self._family(name), {cores[number % len(cores)]} if pinned else set(cores))

    def capture(self, conf: Mapping[str, Any], workers: int, *, pinned: bool) -> Capture:
        """Run the DAG in an empty store, and look at what it left there.

        Raises
        ------
        DagRunError
            If the run fails, or other workers than these took part.
        """
        self._check_empty()
        self.use(workers, pinned=pinned)
        before = self._cpu_seconds()
        run_id = self._client.trigger(DAG_ID, conf)
        most_bytes = self._wait(run_id, int(conf["rows"]), int(conf["batch_rows"]))
        cpu = self._cpu_seconds() - before
        taken = self._seconds(run_id, workers, cpu)
        self._wait_for_record(run_id)
        cores = 1 if pinned else len(os.sched_getaffinity(0))
        return Capture(int(conf["rows"]), workers, cores, taken, self._stored(), most_bytes)

    def clear(self) -> None:
        """Delete everything from the store."""
        with self.store() as store:
            store.delete(PROJECT)
            store.gc(grace_seconds=0)
        self._check_empty()

    def close(self) -> None:
        """Close the connection to the broker."""
        self._celery.close()

    def _check_empty(self) -> None:
        with self.store() as store:
            stats = store.stats()
        if stats.intermediates or stats.chunks or stats.partitions:
            raise DagRunError(
                f"the store is not empty: {stats.intermediates} intermediates, {stats.chunks} chunks, "
                f"{stats.partitions} partitions"
            )

    def _wait(self, run_id: str, rows: int, batch_rows: int) -> int:
        """Wait for the end of a run and tell how far it is; return the resident bytes of the largest process."""
        began = told = answered = time.monotonic()
        most = 0
        path = f"/dags/{DAG_ID}/dagRuns/{quote(run_id, safe='')}"
        blocks = -(-rows // batch_rows)
        while True:
            self._cluster.processes.check()
            most = max([most, *(_resident_bytes(process) for process in self._families())])
            try:
                state = self._client.get(path)["state"]
                answered = time.monotonic()
            except httpx.HTTPError as error:  # a busy API server; the run goes on
                if time.monotonic() - answered > SILENCE_SECONDS:
                    raise DagRunError(f"the API server has not answered for {SILENCE_SECONDS:.0f} s") from error
                state = "unknown"
            if state == "failed":
                raise DagRunError(f"the run failed: {_last_words(self._cluster.layout.task_logs)}")
            if state == "success":
                return most
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                with self.store() as store, store.catalogue.read() as connection:
                    done = connection.scalar(sa.select(sa.func.count()).select_from(capture_block)) or 0
                self._tell(f"{told - began:5.0f} s: {done} of {blocks} row blocks, largest process {most / 1e9:.1f} GB")
            time.sleep(POLL_SECONDS)

    def _wait_for_record(self, run_id: str) -> None:
        """Wait until the store knows that the run has ended, which the scheduler tells it."""
        until = time.monotonic() + RECORD_SECONDS
        while time.monotonic() < until:
            with self.store() as store, store.catalogue.read() as connection:
                found = find_run(connection, DAG_ID, run_id)
            if found is not None and found.run.state in TERMINAL_STATES:
                return
            time.sleep(0.5)
        raise DagRunError(f"{run_id} was not recorded as ended within {RECORD_SECONDS:.0f} s")

    def _seconds(self, run_id: str, workers: int, cpu: float) -> Seconds:
        path = f"/dags/{DAG_ID}/dagRuns/{quote(run_id, safe='')}"
        run = self._client.get(path)
        instances = self._client.get(f"{path}/taskInstances")["task_instances"]
        tasks = sorted((item for item in instances if item["task_id"] == CAPTURE), key=lambda item: item["map_index"])
        hosts = Counter(str(task["hostname"]) for task in tasks)
        allowed = set(self._cluster.layout.worker_names()[:workers])
        if set(hosts) != allowed and len(tasks) >= workers:
            raise DagRunError(f"the tasks ran on {dict(hosts)}, not on {', '.join(sorted(allowed))}")
        first = min(tasks, key=lambda task: _time(task["start_date"]))
        work = []
        for task in tasks:
            found = self._client.get(
                f"{path}/taskInstances/{CAPTURE}/xcomEntries/return_value",
                map_index=task["map_index"],
                deserialize="true",
            )["value"]
            work.append(float((json.loads(found) if isinstance(found, str) else found)["seconds"]))
        return Seconds(
            _time(run["end_date"]) - _time(run["start_date"]),
            max(_time(task["end_date"]) for task in tasks) - _time(first["start_date"]),
            _time(first["start_date"]) - _time(first["queued_when"]),
            tuple(_time(task["end_date"]) - _time(task["start_date"]) for task in tasks),
            tuple(work),
            cpu,
        )

    def _stored(self) -> Stored:
        with self.store() as store:
            stats = store.stats()
            began = time.monotonic()
            checked = store.check(read_data=True)
            check_seconds = time.monotonic() - began
            with store.catalogue.read() as connection:
                layers = connection.execute(sa.select(intermediate.c.name, intermediate.c.address)).all()
                chunks = connection.scalars(sa.select(chunk.c.address)).all()
        return Stored(
            {str(name): bytes(address) for name, address in layers},
            frozenset(bytes(address) for address in chunks),
            stats.partitions,
            stats.partition_bytes,
            stats.chunk_bytes,
            stats.catalogue_bytes,
            stats.logical_bytes,
            len(checked.problems),
            check_seconds,
        )

    def _family(self, name: str) -> list[psutil.Process]:
        leader = psutil.Process(self._cluster.processes.pid(name))
        return [leader, *leader.children(recursive=True)]

    def _families(self) -> Iterator[psutil.Process]:
        for name in self._cluster.layout.worker_names():
            yield from self._family(name)

    def _cpu_seconds(self) -> float:
        """Return the seconds that all workers have computed, what they have started and waited for included."""
        total = 0.0
        for process in self._families():
            try:
                total += sum(process.cpu_times()[:4])
            except psutil.NoSuchProcess:
                continue
        return total


@contextmanager
def scale_out_cluster(
    folder: Path, workers: int, *, s3: bool, tell: Callable[[str], None], interrupts: Interrupts
) -> Iterator[ScaleOutCluster]:
    """Start a cluster in a folder, and delete all of it at the end, whatever happened.

    Parameters
    ----------
    folder
        An existing folder.
    workers
        How many workers it has.
    s3
        Whether the store's bytes are in the cluster's S3 server; else they are in a folder that all workers share.
    tell
        Called with progress.
    interrupts
        What ends the program.
    """
    dags, home = folder / "dags", folder / "store"
    dags.mkdir()
    for name in DAG_FILES:
        shutil.copy(HERE / name, dags)
    (port,) = free_ports(1)
    extra = {**SETTINGS} if s3 else {**SETTINGS, "MISTIQUE_HOME": str(home)}
    layout = ClusterLayout(
        HERE.parent, dags, folder / "state", port, workers, own_postgres=True, extra=tuple(extra.items())
    )
    layout.create_folders()
    try:
        with running_cluster(layout, tell, interrupts) as cluster, store_environment(cluster):
            variables = store_variables(layout, cluster.databases)
            client = AirflowClient(layout.url, USER, layout.secrets()["AIRFLOW_ADMIN_PASSWORD"])
            try:
                client.wait_for_dags([DAG_ID], seconds=240)
                running = ScaleOutCluster(
                    cluster, client, variables if s3 else {**variables, "MISTIQUE_HOME": str(home)}, tell
                )
                try:
                    yield running
                finally:
                    running.close()
            finally:
                client.close()
    finally:
        with interrupts.ignored():
            delete_databases(layout)
            shutil.rmtree(folder, ignore_errors=True)


def _keep_on(processes: Sequence[psutil.Process], cores: set[int]) -> None:
    """Let processes, all of their threads, and whatever they start from now on, run on some cores only."""
    for process in processes:
        for thread in process.threads():
            try:
                os.sched_setaffinity(thread.id, cores)
            except ProcessLookupError:
                continue


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _last_words(logs: Path) -> str:
    """Return the end of the task's log that was written last: the folder is gone when the benchmark ends."""
    files = sorted(logs.rglob("*.log"), key=lambda file: file.stat().st_mtime)
    return files[-1].read_text(errors="replace")[-4000:] if files else "no task has written a log"


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
