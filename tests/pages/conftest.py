"""A stand-alone site over a store with ten models, and a browser that reports every failed request and script error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mistique_core import Mistique
from tests.headless import headless_chromium
from tests.pages.attrition import fill
from tests.pages.homes import fill as fill_homes

TOKEN = "token-of-the-tests"
WINDOW = {"width": 1366, "height": 768}
TABLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "hr_attrition.csv"


@dataclass(frozen=True)
class StandAlone:
    """A running site: its address, and the store behind it."""

    url: str
    store: Mistique


def served(store: Mistique) -> Iterator[StandAlone]:
    """Serve a store on a free port of this machine, in this process, until the iterator is closed."""
    import uvicorn
    from mistique_ui.standalone.server import make_site

    config = uvicorn.Config(make_site(store.config, TOKEN), host="127.0.0.1", port=0, log_level="error")
    listener = config.bind_socket()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while not server.started and time.monotonic() < until:
        time.sleep(0.05)
    yield StandAlone(f"http://127.0.0.1:{listener.getsockname()[1]}", store)
    server.should_exit = True
    thread.join(30)


@pytest.fixture(scope="session")
def attrition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mistique]:
    """A store with the ten workflows of :mod:`tests.pages.attrition`."""
    if not TABLE.is_file():
        pytest.skip("hr_attrition.csv is not beside the project")
    folder = tmp_path_factory.mktemp("attrition")
    with Mistique.open(folder / "store") as store:
        fill(store, TABLE, folder)
        yield store


@pytest.fixture(scope="session")
def site(attrition: Mistique) -> Iterator[StandAlone]:
    """The pages of the ten workflows."""
    yield from served(attrition)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """A headless browser, closed with the last test of these pages: a process can drive one at a time."""
    with headless_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandAlone]:
    """The pages of three models of amounts."""
    folder = tmp_path_factory.mktemp("homes")
    with Mistique.open(folder / "store") as store:
        fill_homes(store, folder)
        yield from served(store)


@pytest.fixture(scope="package")
def window(chromium: Any) -> Iterator[Any]:
    """A window of 1366 x 768 pixels for all tests that need no other: its scripts are loaded and compiled once."""
    context = chromium.new_context(viewport=WINDOW)
    yield context
    context.close()


@pytest.fixture
def open_page(chromium: Any, window: Any) -> Iterator[Callable[..., Any]]:
    """Open ``(site, path)`` in a new tab, logged in; with options, in a window of its own.

    Afterwards nothing may have failed in the browser.
    """
    opened: list[Any] = []
    failures: list[str] = []

    def open_one(site: StandAlone, path: str, **options: Any) -> Any:
        context = chromium.new_context(viewport=WINDOW, **options) if options else window
        page = context.new_page()
        opened.append(context if options else page)
        page.set_default_timeout(30_000)
        page.on("console", lambda message: failures.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("requestfailed", lambda request: failures.append(f"{request.url}: {request.failure}"))
        page.on(
            "response",
            lambda answer: failures.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None,
        )
        context.request.get(f"{site.url}/login?token={TOKEN}", max_redirects=0)  # the cookie, without a page
        page.goto(f"{site.url}{path}")
        page.failures = failures
        return page

    yield open_one
    for item in opened:
        item.close()
    ignored = ("net::ERR_ABORTED",)
    assert [text for text in failures if not any(part in text for part in ignored)] == []
