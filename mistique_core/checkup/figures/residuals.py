"""The distribution of errors as bars."""

from __future__ import annotations

import plotly.graph_objects as go

from mistique_core.diagnostics import DiagnosticResult
from mistique_core.diagnostics.figures.style import COLOURS, styled


def draw(result: DiagnosticResult) -> go.Figure:
    """Return one bar a bin, and a line at no error."""
    low, high, counts = (result.frame[name] for name in ("from", "to", "examples"))
    bars = go.Bar(
        x=((low + high) / 2).tolist(),
        y=counts.tolist(),
        width=(high - low).tolist(),
        marker={"color": COLOURS[0], "line": {"width": 0}},
        customdata=[list(pair) for pair in zip(low, high, strict=True)],
        hovertemplate="%{customdata[0]:.4g} to %{customdata[1]:.4g}: %{y} examples<extra></extra>",
    )
    figure = styled(go.Figure(bars), result.sentence, "prediction minus truth", "examples")
    figure.add_vline(x=0, line_color=COLOURS[1], line_width=1.5)
    return figure
