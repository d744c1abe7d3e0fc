"""Serve the pages of one store on this machine only."""

from __future__ import annotations

import getpass
import secrets
import socket
import webbrowser
from typing import TYPE_CHECKING

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from mistique_core.catalogue.tables import experiment_run, query
from mistique_core.cli.context import say
from mistique_core.errors import InvalidInputError
from mistique_ui.app import make_app
from mistique_ui.connection import StoreConnection
from mistique_ui.rendering import URL_PREFIX
from mistique_ui.standalone.token_access import TokenAccess

if TYPE_CHECKING:
    from mistique_core.config import StoreConfig

HOST = "127.0.0.1"
FIRST_PAGE = f"{URL_PREFIX}/app/projects"


def make_site(settings: StoreConfig, token: str) -> FastAPI:
    """Return the application: the pages below ``/mistique``, and ``/login``, which takes the token.

    Parameters
    ----------
    settings
        Of the store.
    token
        What a browser has to bring.
    """
    store = StoreConnection(lambda: settings)

    def dags() -> set[str]:
        with store.catalogue().read() as connection:
            found = connection.scalars(sa.select(experiment_run.c.dag_id).union(sa.select(query.c.dag_id)))
            return {name for name in found if name is not None}

    access = TokenAccess(token, getpass.getuser(), dags)
    pages = make_app(store.catalogue, store=store.store, location=store.location, access=access, airflow=False)
    site = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @site.get("/login")
    def login(request: Request, token: str) -> Response:
        return access.log_in(request, token, FIRST_PAGE)

    @site.get("/")
    def home() -> Response:
        return RedirectResponse(FIRST_PAGE)

    site.mount(URL_PREFIX, pages)
    return site


def serve(settings: StoreConfig, *, port: int, open_browser: bool) -> None:
    """Serve until interrupted; print the address first.

    Parameters
    ----------
    settings
        Of the store.
    port
        On 127.0.0.1; 0 takes a free one.
    open_browser
        Whether to open the first page.

    Raises
    ------
    InvalidInputError
        If the port cannot be used.
    """
    token = secrets.token_urlsafe(24)
    try:
        listener = socket.create_server((HOST, port))
    except (OSError, OverflowError) as refused:
        raise InvalidInputError(
            f"port {port} of {HOST} cannot be used ({refused}); name another one with --port, or 0 for a free one"
        ) from refused
    config = uvicorn.Config(make_site(settings, token), log_level="warning", server_header=False)
    address = f"http://{HOST}:{listener.getsockname()[1]}/login?token={token}"
    say(f"The pages of {settings.location}, on this machine only, until Ctrl+C:\n\n    {address}\n")
    if open_browser:
        webbrowser.open(address)
    uvicorn.Server(config).run(sockets=[listener])
