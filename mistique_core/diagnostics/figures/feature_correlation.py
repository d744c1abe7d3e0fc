"""The features that are most correlated with a column."""

from __future__ import annotations

import plotly.graph_objects as go

from mistique_core.diagnostics.figures.ranked_bars import draw_ranked
from mistique_core.diagnostics.figures.style import shorten
from mistique_core.diagnostics.result import DiagnosticResult


def draw(result: DiagnosticResult) -> go.Figure:
    """Return bars of correlations, from -1 to 1."""
    table = result.frame
    texts = [
        f"{shorten(name, 60)}<br>correlation {value:+.4f}<br>over {rows:,} rows"
        for name, value, rows in zip(table.index, table["correlation"], table["rows"], strict=True)
    ]
    figure = draw_ranked(
        list(table.index),
        table["correlation"].to_numpy(),
        texts,
        title=result.sentence,
        x=f"correlation ({result.facts['method']}) with {result.facts['target']}",
        y="feature",
    )
    return figure.update_xaxes(range=[-1.02, 1.02])
