"""From an address to a page: the frame around all pages, and the callback that fills it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from dash import Dash, Input, Output, dcc, html
from fastapi import HTTPException

from mistique_core.errors import MistiqueError
from mistique_ui.interactive import given
from mistique_ui.interactive.page import Arguments, Page
from mistique_ui.interactive.parts import nothing
from mistique_ui.interactive.viewer import current_viewer
from mistique_ui.navigation import SECTIONS

log = logging.getLogger(__name__)

PLACE = "place"
"""Id of the address. A page that writes its own state into the address uses a ``dcc.Location`` of its own with
``refresh=False``, which does not lay out the page again."""
CONTENT = "main"
PROBLEM = "problem"
MOST_ADDRESS = 16_000
"""Characters behind the question mark; the lists and filters in it have limits of their own."""


def frame() -> html.Div:
    """Return what surrounds every page."""
    viewer = current_viewer()
    return html.Div(
        [
            dcc.Location(id=PLACE, refresh="callback-nav"),
            html.A("Skip to content", className="skip", href=f"#{CONTENT}"),
            html.Header(
                [
                    html.A(
                        [html.Img(src=viewer.address("/icon.svg"), alt="", width=20, height=20), "MISTIQUE"],
                        className="brand",
                        href=viewer.address("/app/projects"),
                    ),
                    html.Nav(id="navigation", **{"aria-label": "MISTIQUE"}),
                    html.Span("", className="zone", id="zone"),
                ],
                className="top",
            ),
            html.Div(id=PROBLEM, **{"aria-live": "polite"}),
            html.Main(id=CONTENT, tabIndex=-1),
        ]
    )


def register(app: Dash, pages: Sequence[Page]) -> None:
    """Add the callback that fills the frame, and those of all pages."""

    @app.callback(
        Output(CONTENT, "children"),
        Output("navigation", "children"),
        Output(PROBLEM, "children"),
        Input(PLACE, "pathname"),
        Input(PLACE, "search"),
    )
    def show(pathname: Any, search: Any) -> tuple[Any, list[Any], None]:
        viewer = current_viewer()
        path = (given.text(pathname, "address") or "/").removeprefix(viewer.address("/app")).rstrip("/") or "/projects"
        page, arguments = find(pages, path, given.text(search, "address", MOST_ADDRESS))
        section = "" if page is None else page.section
        return _content(page, arguments), _navigation(section), None

    for page in pages:
        if page.register is not None:
            page.register(app)


def find(pages: Sequence[Page], path: str, search: str) -> tuple[Page | None, Arguments]:
    """Return the page of an address, and what the address says."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(search.lstrip("?"), max_num_fields=200):
        query.setdefault(name, value)
    for page in pages:
        values = page.match(path)
        if values is not None:
            return page, Arguments(values, query)
    return None, Arguments({}, query)


def explained(error: Exception) -> tuple[str, str]:
    """Return what happened and what to do; an unexpected error is logged, and its text is kept from the page."""
    if isinstance(error, HTTPException):
        title, _, hint = str(error.detail).partition("; ")
    elif isinstance(error, MistiqueError):
        title, _, hint = str(error.args[0] if error.args else error).partition("; ")
    else:
        log.error("a page failed", exc_info=error)
        return "The page could not be made", "the server's log says why"
    return title, hint


def _content(page: Page | None, arguments: Arguments) -> Any:
    if page is None:
        return nothing("There is no such page", "Choose one of the navigation.")
    try:
        return [html.Div(page.layout(current_viewer(), arguments), className="page", **{"data-title": page.title})]
    except Exception as error:
        title, hint = explained(error)
        return nothing(title, hint)


def _navigation(section: str) -> list[Any]:
    viewer = current_viewer()
    links: list[Any] = []
    for item in SECTIONS:
        kind = dcc.Link if item.path.startswith("/app/") else html.A
        here = {"className": "here"} if item.name == section else {}
        links.append(kind(item.label, href=viewer.address(item.path), **here))
    return links
