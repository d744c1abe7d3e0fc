"""The Dash application as an ASGI application, mounted behind the login of :class:`mistique_ui.access.LoginGuard`."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dash
from a2wsgi import WSGIMiddleware
from fastapi import Request
from fastapi.responses import JSONResponse

from mistique_ui.body_limit import MOST_BODY_BYTES
from mistique_ui.interactive import router
from mistique_ui.interactive.memory import return_large_arrays
from mistique_ui.interactive.pages import PAGES
from mistique_ui.interactive.parts import problem
from mistique_ui.interactive.viewer import CURRENT, Sources, Viewer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

MOUNTED_AT = "/app"
THREADS = 8
_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self' {scripts}; connect-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)


class InteractivePages:
    """Builds the Dash application on its first request, when its address is known.

    Parameters
    ----------
    sources
        What the pages read.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._apps: dict[str, ASGIApp] = {}
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of a user who is logged in."""
        if scope["type"] != "http":
            raise RuntimeError(f"the pages serve HTTP only, not {scope['type']}")
        request = Request(scope, receive)
        refusal = _refusal(request)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        prefix = str(scope.get("root_path", "")).rstrip("/")
        viewer = Viewer(self._sources, request.state.mistique_user, prefix.removesuffix(MOUNTED_AT))
        token = CURRENT.set(viewer)
        try:
            await self._app(prefix)(scope, receive, send)
        finally:
            CURRENT.reset(token)

    def _app(self, prefix: str) -> ASGIApp:
        with self._lock:
            if prefix not in self._apps:
                return_large_arrays()
                self._apps[prefix] = WSGIMiddleware(build(prefix).server, workers=THREADS)
            return self._apps[prefix]


def build(prefix: str) -> dash.Dash:
    """Return the Dash application for pages below `prefix`, such as ``/mistique/app``."""
    base = prefix.removesuffix(MOUNTED_AT)
    app = dash.Dash(
        __name__,
        assets_folder=str(Path(__file__).parent / "assets"),
        requests_pathname_prefix=f"{prefix}/",
        routes_pathname_prefix="/",
        serve_locally=True,
        eager_loading=False,
        external_stylesheets=[f"{base}/style.css"],
        external_scripts=[f"{base}/nav.js", f"{base}/times.js"],
        suppress_callback_exceptions=True,
        title="MISTIQUE",
        update_title="",
        meta_tags=[
            {"name": "viewport", "content": "width=device-width, initial-scale=1"},
            {"name": "color-scheme", "content": "light dark"},
        ],
        add_log_handler=False,
        enable_mcp=False,
        on_error=_show,
    )
    app.logger.setLevel(logging.WARNING)
    app.layout = router.frame
    router.register(app, PAGES)
    app.setup_apis()
    policy = _POLICY.format(scripts=" ".join(app.csp_hashes()))

    @app.server.after_request
    def secure(response: Any) -> Any:
        response.headers["Content-Security-Policy"] = policy
        return response

    return app


def _show(error: Exception) -> Any:
    title, hint = router.explained(error)
    dash.set_props(router.PROBLEM, {"children": problem(title, hint)})
    return dash.no_update


def _refusal(request: Request) -> JSONResponse | None:
    """Return why a request is not served: one that another site made the browser send, or one that is too long."""
    if request.method in ("GET", "HEAD"):
        return None
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return JSONResponse({"error": "The request comes from another site; open the page itself"}, 403)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return JSONResponse({"error": "The request is not JSON; open the page in a browser"}, 415)
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > MOST_BODY_BYTES:
        return JSONResponse({"error": f"The request is longer than {MOST_BODY_BYTES} bytes; choose fewer items"}, 413)
    return None
