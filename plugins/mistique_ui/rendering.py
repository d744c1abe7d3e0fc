"""Turn values into pages: one Jinja environment, everything escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mistique_ui import formats
from mistique_ui.navigation import SECTIONS

URL_PREFIX = "/mistique"
STATIC = Path(__file__).parent / "static"

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(
    size=formats.format_bytes,
    duration=formats.format_seconds,
    estimate=formats.format_estimate,
    moment=formats.format_time,
    iso=formats.format_iso,
    ago=formats.format_ago,
    number=formats.format_number,
    cell=formats.format_cell,
    pretty=formats.format_json,
    literal=formats.format_literal,
)
_environment.globals.update(sections=SECTIONS)
_environment.tests.update(numeric=formats.is_number, table=formats.is_table)


def render(request: Request, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
    """Return a page; see :func:`render_text`."""
    return HTMLResponse(render_text(request, template, **values), status_code)


def render_text(request: Request, template: str, **values: Any) -> str:
    """Return the text of a page.

    In templates, ``base`` is the address of this application and ``airflow`` that of Airflow's UI.
    """
    base = str(request.scope.get("root_path", "")).rstrip("/")

    def address(path: str, **query: Any) -> str:
        given = {name: value for name, value in query.items() if value not in ("", None)}
        return f"{base}{path}" + (f"?{urlencode(given)}" if given else "")

    def airflow_run(dag_id: str, run_id: str) -> str:
        return f"{base.removesuffix(URL_PREFIX)}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"

    page = _environment.get_template(template)
    return page.render(address=address, airflow_run=airflow_run, **values)


def refuse(request: Request, status: int, title: str, hint: str) -> Response:
    """Return an error: a page, or JSON below ``/api``."""
    path = str(request.scope["path"]).removeprefix(str(request.scope.get("root_path", "")))
    if path.startswith("/api/"):
        return JSONResponse({"error": f"{title}; {hint}" if hint else title}, status)
    return render(request, "error.html", status, title=title, hint=hint, status=status, section="")
