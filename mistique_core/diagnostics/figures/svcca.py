"""The canonical correlations, and their mean."""

from __future__ import annotations

import plotly.graph_objects as go

from mistique_core.diagnostics.figures.style import COLOURS, styled
from mistique_core.diagnostics.result import DiagnosticResult


def draw(result: DiagnosticResult) -> go.Figure:
    """Return the correlation of each pair of directions, with a line at the coefficient."""
    figure = go.Figure(
        go.Scatter(
            x=list(result.frame.index),
            y=result.frame["correlation"].tolist(),
            mode="lines+markers" if len(result.frame) <= 60 else "lines",
            line={"color": COLOURS[0]},
            hovertemplate="direction %{x}<br>correlation %{y:.4f}<extra></extra>",
        )
    )
    styled(figure, result.sentence, "pair of directions", "canonical correlation")
    coefficient = result.facts["coefficient"]
    if coefficient is not None:
        figure.add_hline(
            y=coefficient,
            line={"color": COLOURS[1], "dash": "dash"},
            annotation_text=f"mean {coefficient:.4f}",
            annotation_position="bottom right",
        )
    figure.update_yaxes(range=[0, 1.03])
    few = len(result.frame) <= 20
    return figure.update_xaxes(tickformat="d", dtick=1 if few else None, range=[0.5, len(result.frame) + 0.5])
