"""How well each unit overlaps with its best concept."""

from __future__ import annotations

import plotly.graph_objects as go

from mistique_core.diagnostics.figures.style import COLOURS, shorten, styled
from mistique_core.diagnostics.result import DiagnosticResult

_MOST_UNITS = 40


def draw(result: DiagnosticResult) -> go.Figure:
    """Return bars of the best units, coloured by concept; a line shows what counts as a detector."""
    table = result.frame.dropna(subset="iou").head(_MOST_UNITS)
    figure = go.Figure()
    for place, (concept, part) in enumerate(table.groupby("concept", sort=True)):
        figure.add_bar(
            x=[str(name) for name in part.index],
            y=part["iou"].tolist(),
            name=shorten(concept),
            marker_color=COLOURS[place % len(COLOURS)],
            marker_pattern_shape=["", "/", "x", "."][place // len(COLOURS) % 4],
            customdata=[[shorten(concept), limit] for limit in part["threshold"]],
            hovertemplate="unit %{x}<br>%{customdata[0]}: IoU %{y:.4f}, above %{customdata[1]:.4g}<extra></extra>",
        )
    left = len(result.frame) - len(table)
    styled(figure, result.sentence, f"unit, best first{f' ({left} more)' if left else ''}", "intersection over union")
    figure.update_layout(showlegend=True, legend_title_text="concept")
    limit = result.facts["iou"]
    figure.add_hline(
        y=limit,
        line={"color": "#1C2B33", "dash": "dash"},
        annotation={"text": f"detector from {limit:g}", "bgcolor": "white", "opacity": 0.9},
    )
    return figure.update_xaxes(
        type="category", categoryorder="array", categoryarray=[str(name) for name in table.index]
    )
