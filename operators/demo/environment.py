"""The demo's Airflow: its folders, its settings, its login."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from operators.demo.airflow_settings import BUSY_SECONDS, HOST, USER, airflow_variables, local_settings, preload
from operators.demo.ports import check_port
from operators.demo.project import airflow_program, check_airflow, find_project
from operators.demo.secret_file import secret_text


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
        return airflow_program()

    def password(self) -> str:
        """Return the admin's password, made up when the demo first ran here."""
        text = secret_text(self._passwords, lambda: json.dumps({USER: secrets.token_urlsafe(9)}))
        return str(json.loads(text)[USER])

    @property
    def _passwords(self) -> Path:
        return self.airflow_home / "passwords.json"

    def create_folders(self) -> None:
        """Create Airflow's home, and have the scheduler, whose forks run the tasks, import the libraries once."""
        preload(self.airflow_home, "scheduler")

    def variables(self) -> dict[str, str]:
        """Return the environment variables of the demo's Airflow."""
        jwt_secret = secret_text(self.airflow_home / "jwt-secret", lambda: secrets.token_hex(48))
        settings = {
            **local_settings(self.project, self.dags, self.port, self._passwords, jwt_secret),
            "CORE__PARALLELISM": "4",
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.airflow_home / 'airflow.db'}?timeout={BUSY_SECONDS}",
            "LOGGING__BASE_LOG_FOLDER": str(self.airflow_home / "logs"),
        }
        return {
            **airflow_variables(settings, self.airflow.parent),
            "AIRFLOW_HOME": str(self.airflow_home),
            "MISTIQUE_HOME": str(self.store),
            **dict(self.extra),
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
    project = find_project(__file__, "demo")
    check_airflow("airflow,trad,ui")
    check_port(port, "demo")
    folder = Path(state).expanduser().resolve() if state else project / ".state"
    environment = DemoEnvironment(project, folder, port, project / "dags")
    environment.create_folders()
    return environment
