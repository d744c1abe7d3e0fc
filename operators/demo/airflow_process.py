"""Start and stop a real Airflow."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from mistique_core.errors import MistiqueError
from operators.demo.environment import DemoEnvironment

log = logging.getLogger(__name__)

START_SECONDS = 240
STOP_SECONDS = 30


class AirflowStartError(MistiqueError, RuntimeError):
    """Airflow did not come up."""


@contextmanager
def running_airflow(environment: DemoEnvironment, tell: Callable[[str], None]) -> Iterator[subprocess.Popen[bytes]]:
    """Start ``airflow standalone``, wait until its API answers, and stop it at the end.

    Parameters
    ----------
    environment
        Where and how.
    tell
        Called with progress.

    Raises
    ------
    AirflowStartError
        If it ends or does not answer in time; the message names the log.
    """
    variables = environment.variables()
    environment.password()
    with environment.log.open("wb") as log:
        process = subprocess.Popen(
            [str(environment.airflow), "standalone"],
            env=variables,
            cwd=environment.airflow_home,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_healthy(process, environment, tell)
        yield process
    finally:
        _stop(process)


def _wait_until_healthy(
    process: subprocess.Popen[bytes], environment: DemoEnvironment, tell: Callable[[str], None]
) -> None:
    start = time.monotonic()
    told = 0.0
    while True:
        waited = time.monotonic() - start
        if process.poll() is not None or waited > START_SECONDS:
            what = f"ended with status {process.returncode}" if process.poll() is not None else "did not answer in time"
            last = environment.log.read_text(errors="replace").strip().splitlines()[-1:] or [""]
            raise AirflowStartError(
                f"airflow standalone {what}; its log is {environment.log} (last line: {last[0][:200]})"
            )
        try:
            health = httpx.get(f"{environment.url}/api/v2/monitor/health", timeout=5).json()
            if all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor")):
                return
        except (httpx.HTTPError, ValueError, KeyError):
            pass
        if waited - told >= 10:
            told = waited
            tell(f"still starting ({waited:.0f} s)")
        time.sleep(0.5)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt standalone, which then stops its children; on SIGTERM it would leave them behind."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        log.warning("airflow standalone did not stop within %d s and is killed", STOP_SECONDS)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
