"""The pages of a store as ``mistique ui`` serves them, for one user with a token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mistique_core import Mistique

TOKEN = "token-of-the-pages"


@contextmanager
def pages_of(location: Path, catalogue_url: str) -> Iterator[Any]:
    """Yield a client of the pages below ``/mistique``; everything is closed afterwards."""
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from mistique_ui.app import make_app
    from mistique_ui.standalone.token_access import TokenAccess

    with Mistique.open(location, catalogue_url) as store:
        access = TokenAccess(TOKEN, "vera", lambda: set())
        site = FastAPI()
        site.mount(
            "/mistique",
            make_app(
                lambda: store.catalogue,
                store=lambda: store,
                location=lambda: str(location),
                access=access,
                airflow=False,
            ),
        )
        with TestClient(site, base_url="http://127.0.0.1") as client:
            client.headers["Authorization"] = f"Bearer {TOKEN}"
            yield client
