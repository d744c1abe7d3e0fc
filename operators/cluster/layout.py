"""Where a cluster lives: its folders, its ports, how many workers it has."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mistique_core.errors import InvalidInputError
from operators.demo.airflow_settings import HOST, USER
from operators.demo.ports import check_port, free_ports
from operators.demo.project import check_airflow, find_project
from operators.demo.secret_file import secret_text

MOST_WORKERS = 16
CONCURRENCY = 2
"""Tasks that a worker runs at once: the machine is shared by all workers."""


@dataclass(frozen=True)
class Ports:
    """Ports of the loopback interface, in the order of :func:`free_ports`; the databases may be a running server's."""

    redis: int
    s3: int
    postgres: int
    scheduler_health: int


@dataclass(frozen=True)
class ClusterLayout:
    """Where a cluster lives.

    Attributes
    ----------
    project
        Folder with ``plugins``.
    dags
        Folder of the DAGs.
    state
        Folder for everything that the processes write.
    port
        Port of the API server and the UI.
    workers
        Number of Celery workers.
    own_postgres
        Whether to start a PostgreSQL server although one answers at its usual port.
    extra
        Further environment variables of Airflow's processes, as (name, value).
    ports
        Ports of the other servers, free when the layout was made.
    """

    project: Path
    dags: Path
    state: Path
    port: int
    workers: int = 2
    own_postgres: bool = False
    extra: tuple[tuple[str, str], ...] = ()
    ports: Ports = field(default_factory=lambda: Ports(*free_ports(4)))

    @property
    def url(self) -> str:
        """Address of the UI."""
        return f"http://{HOST}:{self.port}"

    @property
    def logs(self) -> Path:
        """Folder of what the processes print, a file each."""
        return self.state / "logs"

    @property
    def task_logs(self) -> Path:
        """Folder of the tasks' logs, the same for all workers, as a volume is in the compose file."""
        return self.state / "task-logs"

    @property
    def objects(self) -> Path:
        """Folder in which the S3 server keeps its objects."""
        return self.state / "s3"

    @property
    def passwords(self) -> Path:
        """Airflow's file with the admin's password."""
        return self.state / "passwords.json"

    @property
    def ledger(self) -> Path:
        """File with the processes that were started."""
        return self.state / "processes.json"

    @property
    def environment_file(self) -> Path:
        """File that a shell can read to use the store of the running cluster; it is there while the cluster runs."""
        return self.state / "environment"

    def folder(self, process: str) -> Path:
        """Return a process's working folder, which is Airflow's home of one that is Airflow's."""
        return self.state / process

    def worker_names(self) -> list[str]:
        """Return the names of the workers."""
        return [f"worker-{number}" for number in range(1, self.workers + 1)]

    def name(self) -> str:
        """Return a name that no other cluster has, made up when the first one ran here."""
        return secret_text(self.state / "name", lambda: f"mistique_cluster_{secrets.token_hex(4)}")

    def secrets(self) -> Mapping[str, str]:
        """Return the secrets, named as in ``docker-compose.yaml``, made up when the first cluster ran here."""
        text = secret_text(self.state / "secrets.json", lambda: json.dumps(_new_secrets(), indent=2))
        found: dict[str, str] = json.loads(text)
        secret_text(self.passwords, lambda: json.dumps({USER: found["AIRFLOW_ADMIN_PASSWORD"]}))
        return found

    def create_folders(self) -> None:
        """Create the state folder, which only its owner can enter, and those that several processes share."""
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.state.chmod(0o700)
        for folder in (self.logs, self.task_logs, self.objects):
            folder.mkdir(exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second cluster away from this state.

        Raises
        ------
        InvalidInputError
            If one runs.
        """
        import fcntl

        with (self.state / "lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InvalidInputError(
                    f"a cluster runs in {self.state}; end it, or choose another folder: mistique cluster --state FOLDER"
                ) from error
            yield


def prepare(
    port: int, workers: int, state: str | None, *, dags: str | None = None, own_postgres: bool = False
) -> ClusterLayout:
    """Check that a cluster can run here, and create its folders.

    Raises
    ------
    NotFoundError
        If the example DAGs or Airflow are missing.
    InvalidInputError
        If the port is taken, the number of workers makes no sense, or the folder of DAGs does not exist.
    """
    project = find_project(__file__, "cluster")
    check_airflow("airflow,trad,ui,postgres,s3,celery")
    if not 1 <= workers <= MOST_WORKERS:
        raise InvalidInputError(f"{workers} workers cannot be started; give a number from 1 to {MOST_WORKERS}")
    check_port(port, "cluster")
    folder = Path(dags).expanduser().resolve() if dags else project / "dags"
    if not folder.is_dir():
        raise InvalidInputError(f"the folder of DAGs {folder} does not exist; leave --dags out to take the examples")
    layout = ClusterLayout(project, folder, state_folder(state, project), port, workers, own_postgres)
    layout.create_folders()
    return layout


def state_folder(state: str | None, project: Path) -> Path:
    """Return the folder that was asked for, by default ``.state/cluster`` of the project."""
    return Path(state).expanduser().resolve() if state else project / ".state" / "cluster"


def _new_secrets() -> dict[str, str]:
    names = (
        "POSTGRES_PASSWORD",
        "MISTIQUE_DB_PASSWORD",
        "REDIS_PASSWORD",
        "S3_SECRET_KEY",
        "AIRFLOW_JWT_SECRET",
        "AIRFLOW_API_SECRET_KEY",
    )
    return {
        **{name: secrets.token_hex(32) for name in names},
        "AIRFLOW_FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "AIRFLOW_ADMIN_PASSWORD": secrets.token_urlsafe(9),
    }
