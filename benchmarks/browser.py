"""Sites in processes of their own, and a page of a headless browser that is logged in to them."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Site:
    """A running web server.

    Attributes
    ----------
    url
        Its address, without a final slash.
    process_id
        Of the server.
    page
        A page of 1366 x 768 that is logged in.
    """

    url: str
    process_id: int
    page: Any

    def memory_mb(self, name: str = "VmRSS") -> float:
        """Return the memory of the server in MB: ``VmRSS`` now, ``VmHWM`` at most so far."""
        text = Path(f"/proc/{self.process_id}/status").read_text()
        [kilobytes] = re.findall(rf"{name}:\s+(\d+) kB", text)
        return int(kilobytes) * 1024 / 1e6


@contextmanager
def browser_page() -> Iterator[Any]:
    """Open a headless browser with one page, which waits for two minutes."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(120_000)
        yield page
        browser.close()


@contextmanager
def stand_alone(store: Path) -> Iterator[Site]:
    """Serve a store with ``mistique ui``, and open a browser; both end with the context."""
    command = [Path(sys.executable).with_name("mistique"), "--store", store, "ui", "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, browser_page() as page:
        try:
            assert server.stdout is not None
            login = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
            page.goto(login)
            page.wait_for_load_state("networkidle")
            yield Site(login.partition("/login")[0], server.pid, page)
        finally:
            server.terminate()


@contextmanager
def in_airflow(state: Path, *, has_plugin: bool = True) -> Iterator[Site]:
    """Serve the store at ``state/store`` with a real Airflow that has no DAGs, with or without MISTIQUE's plugin.

    Airflow's own first page is open; no page of the plugin is.
    """
    from operators.demo.airflow_process import running_airflow
    from operators.demo.airflow_settings import USER
    from operators.demo.client import AirflowClient
    from operators.demo.environment import DemoEnvironment

    dags = state / "dags"
    dags.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    extra = () if has_plugin else (("AIRFLOW__CORE__PLUGINS_FOLDER", str(dags)),)
    environment = DemoEnvironment(ROOT, state, port, dags, extra)
    environment.create_folders()
    with running_airflow(environment, print), browser_page() as page:
        client = AirflowClient(environment.url, USER, environment.password())
        page.context.add_cookies([{"name": "_token", "value": client.token, "url": environment.url}])
        page.goto(environment.url)
        page.wait_for_load_state("networkidle")
        yield Site(environment.url, _listens_at(port), page)
        client.close()


def _listens_at(port: int) -> int:
    """Return the id of the process that answers at a port of this machine."""
    return next(
        connection.pid
        for connection in psutil.net_connections("tcp4")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid
    )
