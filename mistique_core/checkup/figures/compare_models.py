"""Each intermediate's columns: how many are equal in both models, how many are not."""

from __future__ import annotations

import plotly.graph_objects as go

from mistique_core.diagnostics import DiagnosticResult
from mistique_core.diagnostics.figures.style import COLOURS, shorten, styled

_PARTS = (
    ("equal_columns", "equal", COLOURS[2]),
    ("different_columns", "different", COLOURS[1]),
    ("other_columns", "in one model only", COLOURS[4]),
)
_ROW_PIXELS = 26


def draw(result: DiagnosticResult) -> go.Figure:
    """Return bars, one an intermediate, in the order of the pipeline from top to bottom."""
    frame = result.frame
    names = [shorten(name) for name in frame["intermediate"]]
    figure = go.Figure()
    for column, label, colour in _PARTS:
        figure.add_bar(
            y=names,
            x=frame[column].tolist(),
            orientation="h",
            name=label,
            marker_color=colour,
            customdata=frame["verdict"].tolist(),
            hovertemplate=f"%{{y}}: %{{x}} columns {label}<br>%{{customdata}}<extra></extra>",
        )
    styled(figure, result.sentence, "columns", height=max(320, 150 + _ROW_PIXELS * len(names)))
    figure.update_layout(barmode="stack", legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0})
    figure.update_yaxes(autorange="reversed", type="category")
    return figure
