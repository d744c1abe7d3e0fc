"""A temporary Airflow home for the tests of this process, set before anything imports Airflow."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

import skops.io  # noqa: F401  (before Airflow: its import touches every loaded module, also Airflow's deprecated ones)

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ROOT / "plugins"


@cache
def prepare_airflow_home() -> Path:
    """Point Airflow at an empty home that only this process uses; return it."""
    if "airflow" in sys.modules:
        raise RuntimeError("Airflow was imported before its home was set; import it inside tests")
    home = Path(tempfile.mkdtemp(prefix="mistique-airflow-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    (home / "dags").mkdir()
    os.environ.update(
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__DAGS_FOLDER=str(home / "dags"),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(PLUGINS),
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home}/airflow.db",
        AIRFLOW__API_AUTH__JWT_SECRET="x" * 64,
    )
    return home


@cache
def create_airflow_database() -> None:
    """Create the tables of Airflow's database, once a process."""
    from airflow.utils.db import initdb

    initdb()
