"""An answer that a run recorded, on an interactive page: its sentence, figure, table, costs, and where it stays."""

from __future__ import annotations

import json
from typing import Any

import plotly.graph_objects as go
from dash import html

from mistique_core.modeldb.query_records import figure_of_query
from mistique_core.modeldb.records import QueryRecord
from mistique_ui.downloads import has_parquet
from mistique_ui.formats import format_estimate, format_seconds
from mistique_ui.interactive.answer_table import answer_table
from mistique_ui.interactive.parts import badge, facts
from mistique_ui.interactive.theme import graph
from mistique_ui.interactive.viewer import Viewer


def recorded_answer(viewer: Viewer, record: QueryRecord) -> html.Div:
    """Return a recorded answer; the user must be allowed to see it.

    Parameters
    ----------
    viewer
        Who looks.
    record
        The question.
    """
    if record.error:
        return html.Div(html.P(["Not answered: ", record.error], className="problem"))
    answer = record.answer or {}
    with viewer.catalogue.read() as connection:
        document = figure_of_query(connection, record.id)
    page = viewer.address(f"/query/{record.id}")
    suffixes = ["csv", *(["parquet"] if has_parquet() else []), "json", "html"]
    return html.Div(
        [
            html.P(str(answer.get("sentence", "")), className="sentence"),
            html.P(
                [
                    badge((record.strategy or "").upper(), record.strategy or ""),
                    " ",
                    html.A("Its page, to stay", href=page),
                ]
            ),
            _figure(f"ask-recorded-figure-{record.id}", document, str(answer.get("sentence", ""))),
            html.P(
                [
                    html.Span("Download", className="soft"),
                    *(
                        html.A(
                            suffix.upper(),
                            href=viewer.address(f"/query/{record.id}/answer.{suffix}"),
                            download="",
                            className="button",
                        )
                        for suffix in suffixes
                    ),
                ],
                className="downloads",
            ),
            answer_table(f"ask-recorded-table-{record.id}", answer),
            facts(
                [
                    ("Estimate to read", format_estimate(answer.get("read_seconds"))),
                    ("Estimate to re-run", format_estimate(answer.get("rerun_seconds"))),
                    ("Answered in", format_seconds(record.seconds)),
                ]
            ),
            html.Pre(record.plan or ""),
        ]
    )


def _figure(name: str, document: str | None, label: str) -> Any:
    if document is None:
        return None
    found = json.loads(document)
    return graph(name, go.Figure({"data": found["data"], "layout": found["layout"]}), height=420, label=label)
