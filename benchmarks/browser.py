"""A stand-alone site in a process of its own, and a page of a headless browser that is logged in to it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Site:
    """A running ``mistique ui``.

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
        return int(kilobytes) / 1e3


@contextmanager
def stand_alone(store: Path) -> Iterator[Site]:
    """Serve a store with the real command, and open a browser; both end with the context."""
    from playwright.sync_api import sync_playwright

    command = [Path(sys.executable).with_name("mistique"), "--store", store, "ui", "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:
        try:
            assert server.stdout is not None
            login = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": 1366, "height": 768})
            page.set_default_timeout(120_000)
            page.goto(login)
            page.wait_for_load_state("networkidle")
            yield Site(login.partition("/login")[0], server.pid, page)
            browser.close()
        finally:
            server.terminate()
