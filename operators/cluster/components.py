"""Airflow's components of a cluster: the commands that ``docker-compose.yaml`` starts, and their environment."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from operators.cluster.databases import Databases
from operators.cluster.host_name import HOST_VARIABLE
from operators.cluster.layout import CONCURRENCY, ClusterLayout
from operators.demo.airflow_settings import HOST, airflow_variables, local_settings, preload
from operators.demo.project import airflow_program

BUCKET = "mistique"
ACCESS_KEY = "mistique"

INITIALISE = (
    ("database", (str(airflow_program()), "db", "migrate")),
    ("catalogue", (sys.executable, "-c", "import mistique_core; mistique_core.Mistique.open().close()")),
)
"""What ``airflow-init`` of the compose file does; each brings another database to the installed schema."""


@dataclass(frozen=True)
class Component:
    """A process of Airflow.

    Attributes
    ----------
    name
        Its name as a service of the compose file; workers have a number.
    command
        What follows ``airflow``.
    """

    name: str
    command: tuple[str, ...]


def components(layout: ClusterLayout) -> list[Component]:
    """Return Airflow's processes in the order in which they are started."""
    return [
        Component("api-server", ("api-server",)),
        Component("scheduler", ("scheduler",)),
        Component("dag-processor", ("dag-processor",)),
        Component("triggerer", ("triggerer", "--skip-serve-logs")),
        *(
            Component(name, ("celery", "worker", "--skip-serve-logs", "--celery-hostname", name))
            for name in layout.worker_names()
        ),
    ]


def broker_url(layout: ClusterLayout) -> str:
    """Return the address of Celery's broker, with its password."""
    return f"redis://:{layout.secrets()['REDIS_PASSWORD']}@{HOST}:{layout.ports.redis}/0"


def store_variables(layout: ClusterLayout, databases: Databases) -> dict[str, str]:
    """Return the environment variables by which a process finds the cluster's store."""
    return {
        "MISTIQUE_HOME": f"s3://{BUCKET}/store",
        "MISTIQUE_CATALOGUE_URL": databases.catalogue_url(),
        "AWS_ENDPOINT_URL": f"http://{HOST}:{layout.ports.s3}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": layout.secrets()["S3_SECRET_KEY"],
    }


def shared_variables(layout: ClusterLayout, databases: Databases) -> dict[str, str]:
    """Return the environment variables that are the same in all of Airflow's processes."""
    secrets = layout.secrets()
    settings = {
        **local_settings(layout.project, layout.dags, layout.port, layout.passwords, secrets["AIRFLOW_JWT_SECRET"]),
        "CORE__EXECUTOR": "CeleryExecutor",
        "CORE__FERNET_KEY": secrets["AIRFLOW_FERNET_KEY"],
        "CORE__HOSTNAME_CALLABLE": "operators.cluster.host_name.host_name",
        "API__SECRET_KEY": secrets["AIRFLOW_API_SECRET_KEY"],
        "DATABASE__SQL_ALCHEMY_CONN": databases.airflow_url(),
        "CELERY__BROKER_URL": broker_url(layout),
        "CELERY__RESULT_BACKEND": f"db+{databases.airflow_url()}",
        "CELERY__WORKER_CONCURRENCY": str(CONCURRENCY),
        "LOGGING__BASE_LOG_FOLDER": str(layout.task_logs),
        "SCHEDULER__ENABLE_HEALTH_CHECK": "True",
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": HOST,
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(layout.ports.scheduler_health),
    }
    inherited = airflow_variables(settings, airflow_program().parent)
    return {
        **{name: value for name, value in inherited.items() if not name.startswith("AWS_")},
        **store_variables(layout, databases),
        "NO_PROXY": ",".join(filter(None, (inherited.get("NO_PROXY"), HOST))),
        **dict(layout.extra),
    }


def create_home(layout: ClusterLayout, name: str) -> Path:
    """Create and return the working folder of a process of Airflow, with a folder for its temporary files."""
    home = layout.folder(name)
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    if name in layout.worker_names():
        preload(home, "celery")
    return home


def own_variables(shared: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the environment of one process: the shared variables, its home, and the host that it stands for."""
    return {**shared, "AIRFLOW_HOME": str(home), "TMPDIR": str(home / "tmp"), HOST_VARIABLE: home.name}


def shell_lines(variables: Mapping[str, str]) -> str:
    """Return what a shell reads to have the variables."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
