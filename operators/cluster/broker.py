"""Celery's broker: a Redis server of the cluster's own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mistique_core.errors import NotFoundError
from operators.cluster.layout import ClusterLayout
from operators.cluster.processes import Program
from operators.demo.airflow_settings import HOST


def find_redis() -> str:
    """Return the path of ``redis-server``.

    Raises
    ------
    NotFoundError
        If Redis is not installed.
    """
    found = shutil.which("redis-server")
    if found is None:
        raise NotFoundError("redis-server is not installed; on Debian: apt-get install redis-server")
    return found


def redis_program(layout: ClusterLayout) -> Program:
    """Return how to start the server; its password is in its configuration file only.

    Raises
    ------
    NotFoundError
        If Redis is not installed.
    """
    found = find_redis()
    folder = layout.folder("redis")
    folder.mkdir(exist_ok=True)
    settings = folder / "redis.conf"
    _write(
        settings,
        f"bind {HOST}\nport {layout.ports.redis}\nrequirepass {layout.secrets()['REDIS_PASSWORD']}\n"
        'save ""\nappendonly no\ndaemonize no\n',
    )
    return Program("redis", [found, str(settings)], folder, {"PATH": os.environ.get("PATH", os.defpath)})


def _write(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)
