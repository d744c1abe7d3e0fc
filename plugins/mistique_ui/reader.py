"""What pages and API have in common: read records, and only those that the user may see."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from fastapi import HTTPException, Request

from mistique_core.catalogue import Catalogue
from mistique_core.modeldb.query_records import (
    figure_of_query,
    list_queries,
    queries_of_run,
    queries_with_figures,
    query_by_id,
)
from mistique_core.modeldb.records import QueryRecord, RunDetail, RunPage, StageRecord
from mistique_core.modeldb.runs import AIRFLOW, find_run, list_models, list_runs
from mistique_ui.access import Access

MOST_ROWS = 200
MOST = 2**31 - 1
"""Largest number that an address may hold: what the database's integers hold."""


@dataclass(frozen=True)
class Filter:
    """What the list of runs is restricted to; empty strings mean everything."""

    project: str = ""
    model: str = ""
    dag_id: str = ""
    state: str = ""


class Reader:
    """Reads on behalf of one user at a time."""

    def __init__(
        self,
        catalogue: Callable[[], Catalogue],
        location: Callable[[], str],
        access: Access,
        refresh: Callable[[], None],
    ) -> None:
        self._catalogue = catalogue
        self._location = location
        self._access = access
        self._refresh = refresh

    def runs(self, request: Request, chosen: Filter, limit: int, offset: int) -> RunPage:
        """Return a page of runs."""
        self._refresh()
        with self._catalogue().read() as connection:
            return list_runs(
                connection,
                project=chosen.project or None,
                model=chosen.model or None,
                dag_id=chosen.dag_id or None,
                state=chosen.state or None,
                readable_dags=self._readable(request),
                limit=max(1, min(limit, MOST_ROWS)),
                offset=max(0, offset),
            )

    def models(self, request: Request) -> list[tuple[str, str]]:
        """Return (project, model) of the models that the user may see."""
        with self._catalogue().read() as connection:
            return list_models(connection, self._readable(request))

    def latest_queries(self, request: Request) -> list[QueryRecord]:
        """Return the newest questions."""
        with self._catalogue().read() as connection:
            return list_queries(connection, readable_dags=self._readable(request))

    def run(self, request: Request, dag_id: str, run_id: str) -> tuple[RunDetail | None, list[QueryRecord]]:
        """Return what a run did and what it asked; raises 403 or 404."""
        self._refresh()
        readable = self._readable(request)
        with self._catalogue().read() as connection:
            detail = find_run(connection, dag_id, run_id)
            queries = queries_of_run(connection, dag_id, run_id)
        of_airflow = detail is None or detail.run.source == AIRFLOW
        if (detail is not None or queries) and of_airflow and dag_id not in readable:
            raise HTTPException(403, f"You may not read the DAG {dag_id!r}; ask an administrator of Airflow for access")
        if detail is None and not queries:
            raise HTTPException(
                404,
                f"Nothing is recorded of run {run_id!r} of {dag_id!r}; a run is recorded once a stage operator or a "
                "DiagnoseOperator of it has started. If this DAG has some, wait for its first task",
            )
        if detail is not None:
            detail = replace(detail, stages=tuple(_without_hidden_origin(item, readable) for item in detail.stages))
        return detail, queries if dag_id in readable else []

    def query(self, request: Request, query_id: int) -> QueryRecord:
        """Return one question; raises 403 or 404."""
        with self._catalogue().read() as connection:
            record = query_by_id(connection, query_id)
        if record is None:
            raise HTTPException(404, f"There is no question {query_id}; open the list of runs for the latest ones")
        if record.dag_id is not None and record.dag_id not in self._readable(request):
            raise HTTPException(
                403, f"You may not read question {query_id}; ask an administrator of Airflow for access to its DAG"
            )
        return record

    def figure(self, request: Request, query_id: int) -> str | None:
        """Return the figure of an answer as JSON, or ``None``; raises 403 or 404 like :meth:`query`."""
        self.query(request, query_id)
        with self._catalogue().read() as connection:
            return figure_of_query(connection, query_id)

    def with_figures(self, queries: Iterable[QueryRecord]) -> set[int]:
        """Return the ids of those questions of which a figure is recorded."""
        with self._catalogue().read() as connection:
            return queries_with_figures(connection, [item.id for item in queries])

    def location(self) -> str:
        """Return where the store is, to be shown."""
        return self._location()

    def _readable(self, request: Request) -> set[str]:
        """Ask the auth manager once a request."""
        state: Any = request.state
        if not hasattr(state, "mistique_readable"):
            state.mistique_readable = self._access.readable_dags(state.mistique_user)
        found: set[str] = state.mistique_readable
        return found


def _without_hidden_origin(item: StageRecord, readable: set[str]) -> StageRecord:
    origin = item.origin
    if origin is not None and origin.source == AIRFLOW and origin.dag_id not in readable:
        return replace(item, origin=None)
    return item
