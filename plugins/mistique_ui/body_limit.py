"""No request makes the web server hold more than a few megabytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

MOST_BODY_BYTES = 4 * 1024 * 1024


class BodyLimit:
    """ASGI middleware that refuses a body before any of it is read, by the length that its request declares.

    The server reads no more than that. A body without a length, in chunks, is refused too: no client of these routes
    sends one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        refusal = None if scope["type"] != "http" else _refusal(Headers(scope=scope))
        await (self.app if refusal is None else refusal)(scope, receive, send)


def _refusal(headers: Headers) -> JSONResponse | None:
    if "transfer-encoding" in headers:
        return JSONResponse({"error": "The request does not say how long it is; send its Content-Length"}, 411)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or len(length) > 12 or int(length) > MOST_BODY_BYTES:
        return JSONResponse({"error": f"The request is longer than {MOST_BODY_BYTES} bytes; send less at once"}, 413)
    return None
