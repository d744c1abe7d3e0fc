"""Who looks at a page, and what they may see: given to every layout and every callback."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from mistique_core.modeldb import ModelDB
from mistique_ui.permissions import Permissions

if TYPE_CHECKING:
    from collections.abc import Callable

    from mistique_core import Mistique
    from mistique_core.catalogue import Catalogue
    from mistique_ui.access import Access


@dataclass(frozen=True)
class Sources:
    """What the pages read; each is called when it is needed, so that an outage heals by itself.

    Attributes
    ----------
    catalogue, store
        Give the catalogue, and the opened store for values. The store is never asked to re-run anything.
    location
        Gives the folder or URL of the partitions, to be shown.
    access
        Login and roles.
    refresh
        Brings states of runs up to date, at most every few seconds.
    airflow
        Whether Airflow's UI and its REST API stand beside these pages.
    """

    catalogue: Callable[[], Catalogue]
    store: Callable[[], Mistique]
    location: Callable[[], str]
    access: Access
    refresh: Callable[[], None]
    airflow: bool = True


class Viewer:
    """One user's view of the store during one request.

    Parameters
    ----------
    sources
        What the pages read.
    user
        As :meth:`mistique_ui.access.Access.user` returned it.
    base
        Path of the application without a final slash, such as ``/mistique``.
    """

    def __init__(self, sources: Sources, user: Any, base: str) -> None:
        self._sources = sources
        self._user = user
        self.base = base
        self.airflow = sources.airflow

    @cached_property
    def catalogue(self) -> Catalogue:
        """The catalogue; raises :class:`~mistique_core.errors.CatalogueUnavailableError`."""
        return self._sources.catalogue()

    @cached_property
    def store(self) -> Mistique:
        """The opened store. Ask it with ``strategy="read"`` only: the web server runs no models."""
        return self._sources.store()

    @cached_property
    def db(self) -> ModelDB:
        """ModelDB, for reading and editing; what the user may do is up to :attr:`may`."""
        self._sources.refresh()
        return ModelDB(self.catalogue)

    @cached_property
    def may(self) -> Permissions:
        """What the user may see and change."""
        return Permissions(self._user, self._sources.access, self.catalogue)

    @property
    def readable(self) -> set[str]:
        """DAGs that the user may read; what belongs to no DAG may be read by everybody who is logged in."""
        return self.may.readable

    @property
    def location(self) -> str:
        """Where the partitions are."""
        return self._sources.location()

    def address(self, path: str, **query: Any) -> str:
        """Return the address of one of these pages, such as ``/mistique/app/projects``."""
        given = {name: value for name, value in query.items() if value not in ("", None)}
        return f"{self.base}{path}" + (f"?{urlencode(given)}" if given else "")

    def airflow_run(self, dag_id: str, run_id: str) -> str | None:
        """Return the address of a DAG run in Airflow's UI; ``None`` where there is no Airflow."""
        if not self.airflow:
            return None
        root = self.base.rpartition("/")[0]
        return f"{root}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


CURRENT: ContextVar[Viewer] = ContextVar("mistique_viewer")
"""Set for each request, before Dash sees it."""


def current_viewer() -> Viewer:
    """Return the viewer of the request that is being answered."""
    return CURRENT.get()
