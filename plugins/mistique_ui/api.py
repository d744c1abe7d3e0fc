"""The same records as JSON, for scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from mistique_ui.json_values import as_json
from mistique_ui.reader import MOST, MOST_ROWS, Filter, Reader


def api_router(reader: Reader) -> APIRouter:
    """Return the routes below ``/api``."""
    router = APIRouter(prefix="/api")

    @router.get("/runs")
    def runs(
        request: Request,
        project: str = "",
        model: str = "",
        dag_id: str = "",
        state: str = "",
        limit: int = Query(50, ge=1, le=MOST_ROWS),
        offset: int = Query(0, ge=0, le=MOST),
    ) -> JSONResponse:
        page = reader.runs(request, Filter(project, model, dag_id, state), limit, offset)
        return JSONResponse(as_json(asdict(page)))

    @router.get("/run")
    def run(request: Request, dag_id: str, run_id: str) -> JSONResponse:
        detail, queries = reader.run(request, dag_id, run_id)
        return JSONResponse(
            as_json(
                {
                    **({"run": None, "stages": [], "frames": []} if detail is None else asdict(detail)),
                    "queries": [asdict(item) for item in queries],
                }
            )
        )

    @router.get("/query/{query_id}")
    def query(request: Request, query_id: Annotated[int, Path(le=MOST)]) -> JSONResponse:
        return JSONResponse(as_json(asdict(reader.query(request, query_id))))

    @router.get("/query/{query_id}/figure")
    def figure(request: Request, query_id: Annotated[int, Path(le=MOST)]) -> Response:
        found = reader.figure(request, query_id)
        if found is None:
            raise HTTPException(404, f"No figure is recorded for question {query_id}; its answer has the numbers")
        return Response(found, media_type="application/json")

    return router
