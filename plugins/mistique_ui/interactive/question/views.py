"""What the question page shows of a plan and of an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
from dash import html

from mistique_core.errors import MistiqueError
from mistique_core.modeldb.recorded_answer import figure_of
from mistique_ui.downloads import has_parquet
from mistique_ui.formats import format_bytes, format_estimate, format_seconds
from mistique_ui.interactive.answer_table import answer_table
from mistique_ui.interactive.parts import badge, card, facts
from mistique_ui.interactive.question.answerable import Judgement
from mistique_ui.interactive.theme import graph
from mistique_ui.repeat import command_line, python_code

if TYPE_CHECKING:
    from mistique_core.diagnostics import DiagnosticResult
    from mistique_ui.interactive.viewer import Viewer


def plan_view(found: Judgement) -> html.Div:
    """Return the plan: both estimates, and for each intermediate what reading and re-running it takes."""
    plan = found.plan
    rows = [
        html.Tr(
            [
                html.Th(target.label, scope="row"),
                html.Td(badge(target.strategy.upper(), target.strategy)),
                html.Td(format_estimate(target.read_seconds), className="num"),
                html.Td(format_estimate(target.rerun_seconds), className="num"),
                html.Td(target.reading() if target.read_seconds is not None else "not stored"),
                html.Td(" → ".join(target.stage_labels) or "nothing to run"),
            ]
        )
        for target in plan.targets
    ]
    head = ("Intermediate", "Cheaper", "Read", "Re-run", "Reading fetches", "A re-run executes")
    return html.Div(
        [
            facts(
                [
                    ("Estimate to read", format_estimate(plan.read_seconds)),
                    ("Estimate to re-run", format_estimate(plan.rerun_seconds)),
                    ("Values", format_bytes(found.value_bytes)),
                ]
            ),
            html.Details(
                [
                    html.Summary("By intermediate"),
                    html.Div(
                        html.Table(
                            [html.Thead(html.Tr([html.Th(name) for name in head])), html.Tbody(rows)],
                            className="compact",
                        ),
                        className="scroll",
                    ),
                ]
            ),
        ],
        id="ask-plan-table",
    )


def answer_view(result: DiagnosticResult) -> list[Any]:
    """Return an answer: sentence, figure, downloads, table, and how it was obtained."""
    answer = result.to_json()
    try:
        document, note = figure_of(result)
    except MistiqueError as error:
        document, note = None, f"There is no figure: {error}"
    figure = None
    if document is not None:
        found = json.loads(document)
        drawn = go.Figure({"data": found["data"], "layout": found["layout"]})
        drawn.update_layout(title=None)
        name = {"toImageButtonOptions": {"format": "png", "filename": result.technique, "scale": 2}}
        figure = graph("ask-figure", drawn, height=_height(drawn), label=result.sentence, config=name)
    bound = result.max_abs_error
    return [
        html.P(result.sentence, className="sentence", id="ask-sentence"),
        figure,
        html.P(note, className="soft") if note else None,
        html.P(
            [
                html.Span("Download", className="soft"),
                html.Button("CSV", id="ask-csv", type="button"),
                html.Button("Parquet", id="ask-parquet", type="button") if has_parquet() else None,
                html.Span("PNG: the camera above the figure", className="soft") if figure is not None else None,
            ],
            className="downloads",
        ),
        answer_table("ask-table", answer),
        facts(
            [
                ("Reading took", format_seconds(result.plan.measured_seconds)),
                ("Stored values are right within", f"{bound:.3g}" if bound else "exact"),
            ]
        ),
        html.Details([html.Summary("Plan"), html.Pre(result.plan.explain())]),
    ]


def code_view(viewer: Viewer, technique: str, parameters: Mapping[str, Any]) -> Any:
    """Return the Python code and the command that ask the same."""
    return card(
        [
            html.Pre(python_code(technique, parameters, viewer.location) or "", id="ask-code"),
            html.Pre(command_line(technique, parameters, viewer.location), id="ask-command"),
        ],
        title="The same from Python, and on a terminal",
    )


def _height(figure: go.Figure) -> int:
    given = figure.layout.height
    return int(min(900, max(320, given))) if isinstance(given, (int, float)) else 420
