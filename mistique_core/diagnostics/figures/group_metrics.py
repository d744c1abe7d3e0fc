"""The main metric of each group and prediction."""

from __future__ import annotations

import plotly.graph_objects as go

from mistique_core.diagnostics.figures.style import COLOURS, shorten, styled
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.wording import number

_NAMES = {"accuracy": "accuracy", "rmse": "root mean squared error"}


def draw(result: DiagnosticResult) -> go.Figure:
    """Return bars of accuracy or error; lines show all rows, hovering all metrics."""
    table, metric = result.frame, str(result.facts["metric"])
    overall = result.facts["all"]
    figure = go.Figure()
    for place, name in enumerate(overall):
        part = table[table["prediction"] == name] if "prediction" in table else table
        metrics = [column for column in part.columns if column != "prediction"]
        texts = [
            f"{shorten(name)}<br>{shorten(group)}"
            + "".join(f"<br>{column}: {number(value)}" for column, value in zip(metrics, values, strict=True))
            for group, *values in part[metrics].astype(object).itertuples(name=None)
        ]
        colour = COLOURS[place % len(COLOURS)]
        figure.add_bar(
            x=[f"{shorten(group)}<br>{rows:,} rows" for group, rows in part["rows"].items()],
            y=part[metric].tolist(),
            name=shorten(name),
            marker_color=colour,
            customdata=texts,
            hovertemplate="%{customdata}<extra></extra>",
        )
        if len(part) > 1 and overall[name][metric] is not None:
            figure.add_hline(y=overall[name][metric], line={"color": colour, "dash": "dash", "width": 1})
    group = result.facts["group"]
    dashed = " (dashed: all rows)" if len(table) > len(overall) else ""
    styled(figure, result.sentence, str(group) if group else "", f"{_NAMES[metric]}{dashed}")
    figure.update_layout(showlegend=len(overall) > 1)
    if metric == "accuracy":
        figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    return figure.update_xaxes(type="category")
