"""What every Airflow that the project starts on one machine is told, whatever its executor."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

HOST = "127.0.0.1"
USER = "admin"
BUSY_SECONDS = 60
"""How long a process of Airflow waits for another to end writing to its database; 5 are too few on a busy machine."""
ANSWER_SECONDS = BUSY_SECONDS + 30
"""How long to wait for an answer of its API server: that may itself wait for the database."""

_PRELOAD = """\
import importlib
import sys

if sys.argv[1:2] == ["{command}"]:
    for name in {modules!r}:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:  # LightGBM needs a library of the system
            print(f"{{name}} is not imported beforehand: {{error}}", file=sys.stderr)
"""
_MODULES = (
    "jsonschema",
    "lightgbm",
    "mistique_core.diagnostics.result",
    "mistique_core.store",
    "mistique_core.workflows",
    "operators.hook",
    "operators.workflow_dags",
    "plotly.graph_objects",
    "sklearn.ensemble",
    "sklearn.feature_selection",
    "sklearn.impute",
    "sklearn.linear_model",
    "skops.io",
    "xgboost",
)


def preload(airflow_home: Path, command: str) -> None:
    """Have one of Airflow's commands import the libraries once: its task processes are forks and share them.

    Without it each task imports pandas, scikit-learn and skops anew, which takes longer than all that
    the tasks of the examples do.

    Parameters
    ----------
    airflow_home
        Home of the process.
    command
        The first word after ``airflow``: ``scheduler`` runs tasks itself, ``celery`` is a worker.
    """
    folder = airflow_home / "config"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "airflow_local_settings.py").write_text(_PRELOAD.format(command=command, modules=_MODULES))


def local_settings(project: Path, dags: Path, port: int, passwords: Path, jwt_secret: str) -> dict[str, str]:
    """Return the settings, as ``SECTION__OPTION`` -> value, of an Airflow that listens on this machine only.

    Parameters
    ----------
    project
        Folder with ``plugins``.
    dags
        Folder of the DAGs.
    port
        Port of the API server and the UI.
    passwords
        File with the admin's password.
    jwt_secret
        What all its processes sign with, at least 64 bytes.
    """
    url = f"http://{HOST}:{port}"
    return {
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__PLUGINS_FOLDER": str(project / "plugins"),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "API__HOST": HOST,
        "API__PORT": str(port),
        "API__BASE_URL": url,
        "API_AUTH__JWT_SECRET": jwt_secret,
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        # A busy machine takes longer than Airflow expects.
        "DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "300",
        "CORE__DAGBAG_IMPORT_TIMEOUT": "240",
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "WORKERS__EXECUTION_API_TIMEOUT": str(ANSWER_SECONDS),
    }


def airflow_variables(settings: Mapping[str, str], programs: Path) -> dict[str, str]:
    """Return environment variables: this process's own, without any of another Airflow or store, and the settings.

    ``PYTHONDONTWRITEBYTECODE`` is left out: with it each process, and so each task, compiles what it imports.

    Parameters
    ----------
    settings
        ``SECTION__OPTION`` -> value.
    programs
        Folder of the ``airflow`` program, which looks for others of its environment on the path.
    """
    left_out = ("AIRFLOW", "MISTIQUE", "PYTHONDONTWRITEBYTECODE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {
        **inherited,
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
    }
