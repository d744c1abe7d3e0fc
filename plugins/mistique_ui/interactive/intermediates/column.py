"""One column: its distribution, its quartiles and its missing values, by group where one is chosen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
from dash import html

from mistique_core.diagnostics.result import as_json
from mistique_ui.formats import MISSING, format_number
from mistique_ui.interactive.intermediates.reading import answered
from mistique_ui.interactive.intermediates.subject import Subject
from mistique_ui.interactive.theme import SERIES, graph

if TYPE_CHECKING:
    from mistique_core.diagnostics import DiagnosticResult
    from mistique_ui.interactive.viewer import Viewer

SAMPLED_ABOVE_ROWS = 1_000_000
SAMPLE_ROWS = 200_000
MOST_BARS = 30
_FACTS = (
    ("rows", "Rows"),
    ("missing_rows", "Missing"),
    ("infinite_rows", "Infinite"),
    ("mean", "Mean"),
    ("std", "Std"),
    ("min", "Min"),
    ("q25", "25 %"),
    ("median", "Median"),
    ("q75", "75 %"),
    ("max", "Max"),
)


def profile(viewer: Viewer, subject: Subject, column: str, group: str | None) -> Any:
    """Return the distribution of a column.

    Parameters
    ----------
    viewer
        Who looks.
    subject, column
        The column.
    group
        Key of the column whose values form groups.
    """
    request: dict[str, Any] = {"key": f"{subject.key}.{column}", "bins": 30}
    if group:
        request["group"] = group
    rows, note = None, ""
    if subject.record.ref.rows > SAMPLED_ABOVE_ROWS:
        rows = viewer.store.row_ids(subject.key, sample=SAMPLE_ROWS).tolist()
        note = f"A sample of {SAMPLE_ROWS:,} of {subject.record.ref.rows:,} rows, drawn at random."
    link = html.A(
        "Ask more about it", href=viewer.address("/app/ask", technique="col_dist", request=json.dumps(request))
    )

    def show(result: DiagnosticResult) -> Any:
        return [
            html.P(result.sentence, className="sentence", id="intermediates-sentence"),
            html.P(note, className="soft") if note else None,
            graph("intermediates-histogram", _figure(result, column), height=300, label=result.sentence),
            _facts(result),
            html.P(link),
        ]

    return answered(viewer, "intermediates-column-ask", "col_dist", request, show, rows=rows)


def _figure(result: DiagnosticResult, column: str) -> go.Figure:
    """Return bars, side by side for groups; of categories the most frequent ones."""
    table = result.frame
    binned = table.index.name == "bin"
    groups = [name for name in table.columns if not (binned and name in ("from", "to"))]
    figure = go.Figure()
    for place, name in enumerate(groups):
        counts = table[name]
        color = SERIES[place % len(SERIES)]
        if binned:
            figure.add_bar(
                x=[as_json(value) for value in table["from"] + (table["to"] - table["from"]) / 2],
                y=counts.tolist(),
                name=str(name),
                marker={"color": color, "line": {"width": 0}},
                customdata=[
                    f"{format_number(as_json(low))} to {format_number(as_json(high))}"
                    for low, high in zip(table["from"], table["to"], strict=True)
                ],
                hovertemplate="%{customdata}<br>%{y:,} rows<extra>%{fullData.name}</extra>",
            )
        else:
            top = counts.iloc[:MOST_BARS] if len(groups) > 1 else counts.sort_values(ascending=False).iloc[:MOST_BARS]
            figure.add_bar(
                x=[str(as_json(value)) for value in top.index],
                y=top.tolist(),
                name=str(name),
                marker={"color": color},
                hovertemplate="%{x}<br>%{y:,} rows<extra>%{fullData.name}</extra>",
            )
    figure.update_layout(
        barmode="group" if len(groups) > 1 else "relative", bargap=0.05 if binned else 0.2, showlegend=len(groups) > 1
    )
    figure.update_xaxes(title=column, type=None if binned else "category")
    return figure.update_yaxes(title="rows", rangemode="tozero")


def _facts(result: DiagnosticResult) -> html.Div:
    groups = result.facts["groups"]
    known = [(name, title) for name, title in _FACTS if any(name in item for item in groups)]
    head = html.Tr([html.Th("Group"), *(html.Th(title, className="num") for _, title in known)])
    rows = [
        html.Tr(
            [
                html.Th(str(item["group"]), scope="row"),
                *(
                    html.Td(MISSING if item.get(name) is None else format_number(item[name]), className="num")
                    for name, _ in known
                ),
            ]
        )
        for item in groups
    ]
    return html.Div(
        html.Table([html.Thead(head), html.Tbody(rows)], className="compact", id="intermediates-facts"),
        className="scroll",
    )
