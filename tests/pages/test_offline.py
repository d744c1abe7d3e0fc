"""The pages ask no host but their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from mistique_ui.interactive.pages import PAGES
from mistique_ui.navigation import SECTIONS

from tests.pages.conftest import StandAlone

ADDRESSES = sorted({f"/app{re.sub(r'{.*?}', '1', page.path)}" for page in PAGES} | {item.path for item in SECTIONS})


USUAL = ("/app/ask", "/app/models", "/app/predictions")
"""Between them they load what all pages load."""


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[] if path in USUAL else [pytest.mark.whole]) for path in ADDRESSES]
)
def test_a_page_asks_its_own_host_only(site: StandAlone, open_page: Callable[..., Any], path: str) -> None:
    page = open_page(site, "/mistique/runs")
    asked: list[str] = []

    def allow(route: Any) -> None:
        asked.append(route.request.url)
        host = urlsplit(route.request.url).hostname
        route.continue_() if host in ("127.0.0.1", None) else route.abort()

    page.route("**/*", allow)
    page.goto(f"{site.url}/mistique{path}")
    page.wait_for_load_state("networkidle")
    page.locator("main h1, main h2").first.wait_for()
    assert {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
