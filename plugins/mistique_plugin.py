"""MISTIQUE inside Airflow: its pages, its tab on every DAG run, and the listener that records runs.

Airflow imports this file in every task process, so it imports nothing that a task does not need: the
web application is built when the API server gets the first request for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from operators.listener import listener

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class LazyApp:
    """Builds the web application on its first request."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        async with self._lock:
            if self._app is None:
                self._app = await asyncio.to_thread(_build)
        await self._app(scope, receive, send)


def _build() -> ASGIApp:
    from mistique_ui.airflow_app import build

    return build()


class MistiquePlugin(AirflowPlugin):
    """What MISTIQUE adds to Airflow."""

    name = "mistique"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [{"app": LazyApp(), "url_prefix": "/mistique", "name": "MISTIQUE"}]
    external_views: ClassVar[list[dict[str, Any]]] = [
        {
            "name": "MISTIQUE",
            "href": "/mistique/app/projects",
            "destination": "nav",
            "url_route": "mistique",
            "nav_top_level": True,
            "icon": "/mistique/icon.svg",
        },
        {
            "name": "MISTIQUE",
            "href": "/mistique/run?dag_id={DAG_ID}&run_id={RUN_ID}",
            "destination": "dag_run",
            "url_route": "mistique_run",
        },
        {
            "name": "MISTIQUE",
            "href": "/mistique/runs?dag_id={DAG_ID}",
            "destination": "dag",
            "url_route": "mistique_dag",
        },
        {
            "name": "Intermediates",
            "href": "/mistique/app/intermediates?dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}",
            "destination": "task_instance",
            "url_route": "mistique_task",
        },
    ]
    listeners: ClassVar[list[Any]] = [listener]
