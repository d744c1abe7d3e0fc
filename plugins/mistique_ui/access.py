"""Who may see what. Every request is refused before any route is looked up, unless it has a login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Access(Protocol):
    """What the application asks about a user."""

    async def user(self, request: Request) -> Any:
        """Return the user of a request; raise :class:`fastapi.HTTPException` 401 or 403 when there is none."""

    def readable_dags(self, user: Any) -> set[str]:
        """Return the DAGs that a user may read."""

    def editable_dags(self, user: Any) -> set[str]:
        """Return the DAGs that a user may edit."""


class AirflowAccess:
    """Airflow's own login (bearer token or session cookie) and its auth manager."""

    async def user(self, request: Request) -> Any:
        """See :class:`Access`."""
        from airflow.api_fastapi.core_api.security import bearer_scheme, get_user

        return await get_user(request, None, await bearer_scheme(request))

    def readable_dags(self, user: Any) -> set[str]:
        """See :class:`Access`."""
        from airflow.api_fastapi.app import get_auth_manager

        return set(get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))

    def editable_dags(self, user: Any) -> set[str]:
        """See :class:`Access`."""
        from airflow.api_fastapi.app import get_auth_manager

        return set(get_auth_manager().get_authorized_dag_ids(user=user, method="PUT"))


class LoginGuard:
    """ASGI middleware around the whole application: a route cannot be forgotten.

    The user is left in ``request.state.mistique_user``.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"MISTIQUE serves HTTP only, not {scope['type']}")
        request = Request(scope, receive)
        try:
            request.state.mistique_user = await self.access.user(request)
        except HTTPException as refusal:
            await _refuse(request, refusal)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _refuse(request: Request, refusal: HTTPException) -> Response:
    headers = {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"} if refusal.status_code == 401 else None
    text = f"{refusal.detail}; log in to Airflow, then open this page again"
    return JSONResponse({"error": text}, refusal.status_code, headers)
