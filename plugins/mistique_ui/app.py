"""Build the web application from what it depends on: a catalogue, a login, a step before reading."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import metadata
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException as RoutingError

from mistique_core import Mistique
from mistique_core.catalogue import Catalogue
from mistique_core.errors import (
    CatalogueUnavailableError,
    IllegalOperationError,
    InvalidInputError,
    MistiqueError,
    NotFoundError,
    RunInProgressError,
)
from mistique_ui.access import Access, LoginGuard
from mistique_ui.api import api_router
from mistique_ui.body_limit import BodyLimit
from mistique_ui.downloads import download_router
from mistique_ui.interactive.dash_server import MOUNTED_AT, InteractivePages
from mistique_ui.interactive.viewer import Sources
from mistique_ui.modeldb_api import modeldb_router
from mistique_ui.modeldb_context import asked_by
from mistique_ui.modeldb_edits import edit_router
from mistique_ui.pages import page_router
from mistique_ui.plotly_script import plotly_script
from mistique_ui.reader import Reader
from mistique_ui.rendering import STATIC, refuse
from mistique_ui.throttle import Throttled

OPENAPI = "/api/openapi.json"
STATIC_FILES = {
    "style.css": "text/css",
    "figure.css": "text/css",
    "nav.js": "text/javascript",
    "times.js": "text/javascript",
    "figure.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def make_app(
    catalogue: Callable[[], Catalogue],
    *,
    store: Callable[[], Mistique],
    location: Callable[[], str],
    access: Access,
    before_read: Callable[[], None] | None = None,
    airflow: bool = True,
) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    catalogue
        Gives the catalogue; called on each request, so that an outage heals by itself.
    store
        Gives the opened store, for pages that show values.
    location
        Gives the folder of the partitions, to be shown.
    access
        Login and roles.
    before_read
        Called before runs are read, at most every 5 s; an error is logged and otherwise ignored.
    airflow
        Whether Airflow's UI and REST API stand beside the pages.
    """
    app = FastAPI(
        title="MISTIQUE",
        version=metadata.version("mistique-airflow"),
        docs_url=None,
        redoc_url=None,
        openapi_url=OPENAPI,
    )
    refresh = Throttled(before_read)
    reader = Reader(catalogue, location, access, refresh)
    app.include_router(page_router(reader), include_in_schema=False)
    app.include_router(api_router(reader), tags=["runs and answers"])
    app.include_router(download_router(reader), include_in_schema=False)
    ask = asked_by(catalogue, access, refresh)
    app.include_router(modeldb_router(ask))
    app.include_router(edit_router(ask))
    for name in STATIC_FILES:
        serve = _static(STATIC / name, STATIC_FILES[name])
        app.add_api_route(f"/{name}", serve, methods=["GET"], response_class=FileResponse, include_in_schema=False)
    script = plotly_script()
    if script is not None:
        serve = _static(script, "text/javascript", 86_400)
        app.add_api_route("/plotly.js", serve, response_class=FileResponse, include_in_schema=False)
    app.mount(MOUNTED_AT, InteractivePages(Sources(catalogue, store, location, access, refresh, airflow)))
    _explain_errors(app)
    app.add_middleware(BodyLimit)
    app.middleware("http")(_add_headers)
    app.add_middleware(LoginGuard, access=access)
    return app


def _static(path: Path, media_type: str, seconds: int = 300) -> Callable[[], FileResponse]:
    def serve() -> FileResponse:
        headers = {"Cache-Control": f"private, max-age={seconds}"}
        return FileResponse(path, media_type=media_type, headers=headers)

    return serve


def _explain_errors(app: FastAPI) -> None:
    async def unavailable(request: Request, error: Exception) -> Response:
        return refuse(request, 503, "The catalogue cannot be read", str(error))

    async def refused(request: Request, error: Exception) -> Response:
        if not str(request.scope["path"]).partition("/api/")[2].startswith("modeldb/"):
            return await unavailable(request, error)
        title, _, hint = str(error.args[0] if error.args else error).partition("; ")
        return refuse(request, _status(error), title, hint)

    async def routing(request: Request, error: RoutingError) -> Response:
        if error.status_code == 404 and not isinstance(error, HTTPException):
            return refuse(request, 404, "There is no such page", "open the list of runs and go on from there")
        title, _, hint = str(error.detail).partition("; ")
        return refuse(request, error.status_code, title, hint)

    async def malformed(request: Request, error: RequestValidationError) -> Response:
        wrong = ", ".join(f"{item['loc'][-1]}: {item['msg']}" for item in error.errors())
        return refuse(request, 422, "The address is incomplete", wrong)

    app.add_exception_handler(CatalogueUnavailableError, unavailable)
    app.add_exception_handler(MistiqueError, refused)
    app.add_exception_handler(RoutingError, routing)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, malformed)  # type: ignore[arg-type]


def _status(error: Exception) -> int:
    if isinstance(error, NotFoundError):
        return 404
    if isinstance(error, (RunInProgressError, IllegalOperationError)):
        return 409
    return 400 if isinstance(error, InvalidInputError) else 503


async def _add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "private, no-store")
    return response
