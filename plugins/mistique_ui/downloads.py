"""Answers as files: a page that needs nothing else, CSV, JSON, and Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import Response

from mistique_core.modeldb.records import QueryRecord
from mistique_ui.plotly_script import plotly_script
from mistique_ui.reader import MOST, Reader
from mistique_ui.rendering import STATIC, render_text
from mistique_ui.repeat import python_code

_QueryId = Annotated[int, Path(le=MOST)]


def download_router(reader: Reader) -> APIRouter:
    """Return the routes of the files of one answer."""
    router = APIRouter(prefix="/query/{query_id}")

    def add(suffix: str, media_type: str, write: Callable[[QueryRecord], bytes]) -> None:
        @router.get(f"/answer.{suffix}", name=f"answer.{suffix}")
        def serve(request: Request, query_id: _QueryId) -> Response:
            record = _answered(reader, request, query_id)
            return _attachment(record, suffix, media_type, write(record))

    add("csv", "text/csv; charset=utf-8", _csv)
    add("json", "application/json", _json)
    if has_parquet():
        add("parquet", "application/vnd.apache.parquet", _parquet)

    @router.get("/answer.html", name="answer.html")
    def page(request: Request, query_id: _QueryId) -> Response:
        record = _answered(reader, request, query_id)
        script, figure = plotly_script(), reader.figure(request, query_id)
        content = render_text(
            request,
            "download.html",
            query=record,
            code=python_code(record.technique, record.request, reader.location()),
            style=(STATIC / "style.css").read_text(encoding="utf-8"),
            plotly="" if script is None or figure is None else script.read_text(encoding="utf-8"),
            figure="" if figure is None else figure.replace("<", "\\u003c"),
        )
        return _attachment(record, "html", "text/html; charset=utf-8", content.encode())

    return router


@cache
def has_parquet() -> bool:
    """Return whether answers can be downloaded as Parquet."""
    return find_spec("pyarrow") is not None


def _answered(reader: Reader, request: Request, query_id: int) -> QueryRecord:
    record = reader.query(request, query_id)
    if not record.answer or record.answer.get("columns") is None:
        raise HTTPException(404, f"Question {query_id} has no answer; ask it again, or see why on its page")
    return record


def _attachment(record: QueryRecord, suffix: str, media_type: str, content: bytes) -> Response:
    name = f"{re.sub(r'[^a-z0-9]+', '-', record.technique.lower()).strip('-') or 'answer'}-{record.id}.{suffix}"
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _table(record: QueryRecord) -> tuple[list[str], list[Sequence[Any]]]:
    answer = record.answer or {}
    return list(answer["columns"]), list(answer["rows"])


def _csv(record: QueryRecord) -> bytes:
    names, rows = _table(record)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue().encode()


def _json(record: QueryRecord) -> bytes:
    document = {
        "id": record.id,
        "technique": record.technique,
        "request": record.request,
        "answer": record.answer,
        "plan": record.plan,
        "strategy": record.strategy,
        "seconds": record.seconds,
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _parquet(record: QueryRecord) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    names, rows = _table(record)
    columns = [_of_one_type([row[place] for row in rows]) for place in range(len(names))]
    buffer = io.BytesIO()
    parquet.write_table(pa.table([pa.array(column) for column in columns], names=names), buffer)
    return buffer.getvalue()


def _of_one_type(values: list[Any]) -> list[Any]:
    """Return the values of a column as numbers of one kind, or else all as texts: Parquet knows one type a column."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]
    return values if len(kinds) < 2 else [None if value is None else str(value) for value in values]
