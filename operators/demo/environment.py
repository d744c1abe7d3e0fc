"""The demo's Airflow: its folders, its settings, its login."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from mistique_core.errors import InvalidInputError, NotFoundError

HOST = "127.0.0.1"
USER = "admin"
BUSY_SECONDS = 60
"""How long a process of Airflow waits for another to end writing to its database; 5 are too few on a busy machine."""
ANSWER_SECONDS = BUSY_SECONDS + 30
"""How long to wait for an answer of its API server: that may itself wait for the database."""

_PRELOAD = """\
import sys

if sys.argv[1:2] == ["scheduler"]:
    import jsonschema
    import lightgbm
    import mistique_core.diagnostics.result
    import mistique_core.store
    import mistique_core.workflows
    import operators.hook
    import operators.workflow_dags
    import plotly.graph_objects
    import sklearn.ensemble
    import sklearn.feature_selection
    import sklearn.impute
    import sklearn.linear_model
    import skops.io
    import xgboost
"""


@dataclass(frozen=True)
class DemoEnvironment:
    """Where the demo lives.

    Attributes
    ----------
    project
        Folder with ``dags`` and ``plugins``.
    state
        Folder for Airflow's own files, the store and the logs.
    port
        Port of the API server and the UI.
    dags
        Folder of the DAGs.
    extra
        Further environment variables of Airflow, as (name, value).
    """

    project: Path
    state: Path
    port: int
    dags: Path
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def airflow_home(self) -> Path:
        """Airflow's home."""
        return self.state / "airflow"

    @property
    def store(self) -> Path:
        """Folder of the store."""
        return self.state / "store"

    @property
    def log(self) -> Path:
        """What Airflow printed."""
        return self.state / "airflow.log"

    @property
    def url(self) -> str:
        """Address of the UI."""
        return f"http://{HOST}:{self.port}"

    @property
    def airflow(self) -> Path:
        """The ``airflow`` program of this environment."""
        return Path(sys.executable).parent / "airflow"

    def password(self) -> str:
        """Return the admin's password, made up when the demo first ran here."""
        file = self.airflow_home / "passwords.json"
        if not file.exists():
            _write_secret(file, json.dumps({USER: secrets.token_urlsafe(9)}))
        return str(json.loads(file.read_text())[USER])

    def create_folders(self) -> None:
        """Create Airflow's home, and have the scheduler import the libraries once.

        Its task processes are forks and share them.

        Without it each of the demo's tasks imports pandas, scikit-learn and skops anew, which takes
        longer than all that the tasks do.
        """
        folder = self.airflow_home / "config"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "airflow_local_settings.py").write_text(_PRELOAD)

    def variables(self) -> dict[str, str]:
        """Return the environment variables of the demo's Airflow."""
        secret = self.airflow_home / "jwt-secret"
        if not secret.exists():
            _write_secret(secret, secrets.token_hex(48))
        settings = {
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__DAGS_FOLDER": str(self.dags),
            "CORE__PLUGINS_FOLDER": str(self.project / "plugins"),
            "CORE__PARALLELISM": "4",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.airflow_home / "passwords.json"),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.airflow_home / 'airflow.db'}?timeout={BUSY_SECONDS}",
            "API__HOST": HOST,
            "API__PORT": str(self.port),
            "API__BASE_URL": self.url,
            "API_AUTH__JWT_SECRET": secret.read_text(),
            "LOGGING__BASE_LOG_FOLDER": str(self.airflow_home / "logs"),
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
            "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "WORKERS__EXECUTION_API_TIMEOUT": str(ANSWER_SECONDS),
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MISTIQUE"))}
        return {
            **inherited,
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
            "AIRFLOW_HOME": str(self.airflow_home),
            "MISTIQUE_HOME": str(self.store),
            **dict(self.extra),
            "PATH": f"{self.airflow.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }


def prepare(port: int, state: str | None) -> DemoEnvironment:
    """Check that the demo can run here, and create its folders.

    Raises
    ------
    NotFoundError
        If the example DAGs or Airflow are missing.
    InvalidInputError
        If the port is taken.
    """
    project = Path(__file__).resolve().parents[2]
    if not (project / "dags").is_dir():
        raise NotFoundError(f"there are no DAGs in {project}; run the demo from a checkout of the project")
    folder = Path(state).expanduser().resolve() if state else project / ".state"
    environment = DemoEnvironment(project, folder, port, project / "dags")
    if not environment.airflow.exists():
        raise NotFoundError(f"{environment.airflow} does not exist; install 'mistique-airflow[airflow,trad,ui]'")
    if not 1 <= port <= 65_535:
        raise InvalidInputError(f"port {port} is not a port; give a number from 1 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InvalidInputError(
                f"port {port} cannot be used ({error.strerror}); end the program that uses it, or choose another: "
                f"make demo PORT={port + 1}"
            ) from error
    environment.create_folders()
    return environment


def _write_secret(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
