"""The pages: runs, one run, one question."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from mistique_ui.charts import metric_charts, metric_names, series_of
from mistique_ui.question import in_reading_order, shown
from mistique_ui.reader import MOST, Filter, Reader
from mistique_ui.rendering import render

PAGE_ROWS = 25


def page_router(reader: Reader) -> APIRouter:
    """Return the routes of the pages."""
    router = APIRouter()

    @router.get("/", response_class=RedirectResponse)
    def home(request: Request) -> str:
        return f"{str(request.scope.get('root_path', '')).rstrip('/')}/app/projects"

    @router.get("/runs", response_class=HTMLResponse)
    def runs(
        request: Request,
        project: str = "",
        model: str = "",
        dag_id: str = "",
        state: str = "",
        page: int = Query(1, ge=1, le=MOST),
    ) -> HTMLResponse:
        chosen = Filter(project.strip(), model.strip(), dag_id.strip(), state.strip())
        number = max(1, page)
        found = reader.runs(request, chosen, PAGE_ROWS, (number - 1) * PAGE_ROWS)
        names = metric_names(found.runs)
        series = series_of(found.runs)
        return render(
            request,
            "runs.html",
            section="runs",
            found=found,
            chosen=chosen,
            page=number,
            pages=max(1, -(-found.total // PAGE_ROWS)),
            metrics=names,
            series=series,
            charts=metric_charts(found.runs, names, series),
            models=reader.models(request),
            queries=reader.latest_queries(request) if number == 1 else [],
        )

    @router.get("/run", response_class=HTMLResponse)
    def run(request: Request, dag_id: str, run_id: str) -> HTMLResponse:
        detail, queries = reader.run(request, dag_id, run_id)
        figures, location = reader.with_figures(queries), reader.location()
        questions = [shown(item, figures, location) for item in in_reading_order(queries)]
        return render(
            request, "run.html", section="runs", detail=detail, questions=questions, dag_id=dag_id, run_id=run_id
        )

    @router.get("/query/{query_id}", response_class=HTMLResponse)
    def query(request: Request, query_id: Annotated[int, Path(le=MOST)]) -> HTMLResponse:
        record = reader.query(request, query_id)
        question = shown(record, reader.with_figures([record]), reader.location())
        return render(request, "query.html", section="runs", question=question)

    @router.get("/storage", response_class=RedirectResponse)
    def storage(request: Request) -> str:
        return f"{str(request.scope.get('root_path', '')).rstrip('/')}/app/storage"

    return router
