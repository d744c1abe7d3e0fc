"""Start a cluster, wait until all of it answers, keep it running, and stop it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from operators.cluster.broker import redis_program
from operators.cluster.components import (
    ACCESS_KEY,
    BUCKET,
    INITIALISE,
    broker_url,
    components,
    create_home,
    own_variables,
    shared_variables,
    shell_lines,
    store_variables,
)
from operators.cluster.databases import Databases, Server, usual_server
from operators.cluster.layout import ClusterLayout
from operators.cluster.postgres import delete_data, own_server, server_program
from operators.cluster.processes import ClusterStartError, Processes, Program, kill_leftovers
from operators.demo.airflow_settings import airflow_variables
from operators.demo.interrupts import Interrupts
from operators.demo.ports import answers
from operators.demo.project import airflow_program

if TYPE_CHECKING:
    from collections.abc import Mapping

START_SECONDS = 300
_HEALTHY = ("metadatabase", "scheduler", "dag_processor", "triggerer")


class Cluster:
    """The processes of a cluster.

    Parameters
    ----------
    layout
        Where and how many.
    tell
        Called with progress.
    interrupts
        What ends the program, put off where a process is being started.
    """

    def __init__(self, layout: ClusterLayout, tell: Callable[[str], None], interrupts: Interrupts) -> None:
        self.layout = layout
        self.processes = Processes(layout.logs, layout.ledger, interrupts)
        self._tell = tell
        self._server = None if layout.own_postgres else usual_server()
        self.has_own_postgres = self._server is None
        self.databases = databases_of(layout, self._server)

    def start(self) -> None:
        """Start everything; return when all of it answers.

        Raises
        ------
        ClusterStartError
            If a process ends or does not answer in time; the message names its log.
        NotFoundError
            If PostgreSQL or Redis is not installed.
        """
        self._start_servers()
        self.databases.create()
        shared = shared_variables(self.layout, self.databases)
        self._initialise(shared)
        self._tell("Airflow: API server, scheduler, DAG processor, triggerer, " + ", ".join(self.layout.worker_names()))
        for component in components(self.layout):
            home = create_home(self.layout, component.name)
            command = [str(airflow_program()), *component.command]
            self.processes.start(Program(component.name, command, home, own_variables(shared, home)))
        self._wait("Airflow", self._lacking)
        self._write_environment()

    def restart_ended(self) -> None:
        """Start processes again that have ended, as Docker would: at once, and after ever longer pauses if in vain."""
        for name, status in self.processes.ended().items():
            if not self.processes.is_due(name):
                continue
            self._tell(f"{name} ended with status {status} and is started again; {self.processes.last_words(name)}")
            self.processes.restart(name)

    def stop(self) -> None:
        """Stop everything: first what asks the servers, then the servers."""
        self.layout.environment_file.unlink(missing_ok=True)
        self.processes.stop([component.name for component in components(self.layout)])
        self.processes.stop_all()

    def _start_servers(self) -> None:
        programs = [redis_program(self.layout), _s3_program(self.layout, store_variables(self.layout, self.databases))]
        ports = {"redis": self.layout.ports.redis, "s3": self.layout.ports.s3}
        if self.has_own_postgres:
            programs.append(server_program(self.layout))
            ports["postgres"] = self.layout.ports.postgres
            self._tell(f"PostgreSQL: a server of its own at port {self.layout.ports.postgres}")
        else:
            self._tell(f"PostgreSQL: the server at port {self.databases.server.port}")
        self._tell("Redis and S3 at ports " + " and ".join(str(ports[name]) for name in ("redis", "s3")))
        for program in programs:
            self.processes.start(program)
        self._wait("the servers", lambda: [name for name, port in ports.items() if not answers(port)])
        if self.has_own_postgres:
            self._wait("PostgreSQL", lambda: [] if _accepts(self.databases.server) else ["postgres"])

    def _initialise(self, shared: Mapping[str, str]) -> None:
        self._tell("Bringing Airflow's database and the catalogue to the installed schema")
        for name, command in INITIALISE:
            home = create_home(self.layout, name)
            self.processes.start(Program(name, command, home, own_variables(shared, home)))
        self.processes.finish([name for name, _ in INITIALISE], START_SECONDS, self._tell)

    def _wait(self, what: str, lacking: Callable[[], list[str]]) -> None:
        """Wait until nothing is lacking."""
        start = told = time.monotonic()
        while missing := lacking():
            self.processes.check()
            waited = time.monotonic() - start
            if waited > START_SECONDS:
                words = "; ".join(self.processes.last_words(name) for name in missing)
                raise ClusterStartError(
                    f"{', '.join(missing)} of {what} did not answer within {START_SECONDS} s; {words}"
                )
            if time.monotonic() - told >= 10:
                told = time.monotonic()
                self._tell(f"still waiting for {', '.join(missing)} ({waited:.0f} s)")
            time.sleep(0.1)

    def _lacking(self) -> list[str]:
        """Return which of Airflow's processes do not say that they are well."""
        try:
            health = httpx.get(f"{self.layout.url}/api/v2/monitor/health", timeout=5).json()
            parts = [part for part in _HEALTHY if health[part]["status"] != "healthy"]
        except (httpx.HTTPError, ValueError, KeyError):
            time.sleep(0.4)
            return ["api-server"]
        if parts:
            time.sleep(0.4)
            return [{"metadatabase": "api-server", "dag_processor": "dag-processor"}.get(part, part) for part in parts]
        return _silent_workers(self.layout)

    def _write_environment(self) -> None:
        file = self.layout.environment_file
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(shell_lines(store_variables(self.layout, self.databases)))


@contextmanager
def running_cluster(
    layout: ClusterLayout, tell: Callable[[str], None], interrupts: Interrupts | None = None
) -> Iterator[Cluster]:
    """Start a cluster and stop it at the end, whatever happened.

    Parameters
    ----------
    layout
        Where and how many.
    tell
        Called with progress.
    interrupts
        What ends the program; default nothing that this program listens to.

    Raises
    ------
    InvalidInputError
        If another cluster runs in the same folder.
    ClusterStartError
        If a process does not come up.
    NotFoundError
        If PostgreSQL or Redis is not installed.
    """
    interrupts = interrupts or Interrupts()
    with layout.locked():
        for pid in kill_leftovers(layout.ledger):
            tell(f"process {pid}, left by a cluster that was killed, has been ended")
        cluster = Cluster(layout, tell, interrupts)
        try:
            cluster.start()
            yield cluster
        finally:
            with interrupts.ignored():
                cluster.stop()


def databases_of(layout: ClusterLayout, server: Server | None) -> Databases:
    """Return the databases of a cluster; their names are its own where others may use the server.

    Parameters
    ----------
    layout
        The cluster.
    server
        A running server, or ``None`` for one of the cluster's own.
    """
    secrets = layout.secrets()
    passwords = (secrets["POSTGRES_PASSWORD"], secrets["MISTIQUE_DB_PASSWORD"])
    if server is None:
        return Databases(own_server(layout), "airflow", "mistique", *passwords)
    return Databases(server, f"{layout.name()}_airflow", f"{layout.name()}_mistique", *passwords)


def delete_databases(layout: ClusterLayout) -> None:
    """Delete what a cluster left outside of its folder: databases in a running server, or the data of its own."""
    server = usual_server()
    if server is not None:
        databases_of(layout, server).drop()
    delete_data(layout)


def _s3_program(layout: ClusterLayout, variables: Mapping[str, str]) -> Program:
    command = [sys.executable, "-W", "ignore", "-m", "operators.cluster.s3_server"]
    options = ["--port", str(layout.ports.s3), "--folder", str(layout.objects), "--bucket", BUCKET]
    key = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": variables["AWS_SECRET_ACCESS_KEY"]}
    return Program("s3", [*command, *options], layout.state, {**airflow_variables({}, airflow_program().parent), **key})


def _accepts(server: Server) -> bool:
    """Return whether a PostgreSQL server that has begun to listen is ready, too."""
    import psycopg

    try:
        server.connect().close()
    except psycopg.OperationalError:
        return False
    return True


def _silent_workers(layout: ClusterLayout) -> list[str]:
    """Return which workers do not answer; Celery's own ping is what the compose file's health check asks."""
    from celery import Celery

    with Celery(broker=broker_url(layout)) as application:
        replies = application.control.ping(timeout=1.0)
    answered = {name.partition("@")[2] for reply in replies for name in reply}
    return [name for name in layout.worker_names() if name not in answered]
