"""The checkout that a command of the project runs from."""

from __future__ import annotations

import sys
from pathlib import Path

from mistique_core.errors import NotFoundError


def airflow_program() -> Path:
    """Return the ``airflow`` program of this environment."""
    return Path(sys.executable).parent / "airflow"


def find_project(module: str, what: str) -> Path:
    """Return the checkout's folder, with its DAGs.

    Parameters
    ----------
    module
        Path of a module two folders below it.
    what
        What wants to run, for the message.

    Raises
    ------
    NotFoundError
        If this is no checkout.
    """
    project = Path(module).resolve().parents[2]
    if not (project / "dags").is_dir():
        raise NotFoundError(f"there are no DAGs in {project}; run the {what} from a checkout of the project")
    return project


def check_airflow(extras: str) -> None:
    """Check that Airflow is installed.

    Raises
    ------
    NotFoundError
        If it is not; the message names the extras.
    """
    if not airflow_program().exists():
        raise NotFoundError(f"{airflow_program()} does not exist; install 'mistique-airflow[{extras}]'")
