"""The confusion matrix as a heatmap with its numbers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import plotly.graph_objects as go

from mistique_core.diagnostics.figures.style import SEQUENTIAL, shorten, styled
from mistique_core.diagnostics.result import DiagnosticResult

_MOST_NUMBERS = 25


def draw(result: DiagnosticResult) -> go.Figure:
    """Return the figure of a confusion matrix; hovering names the first row ids of a cell."""
    counts = result.frame.to_numpy()
    is_share = result.facts.get("normalize", "none") != "none"
    names = [shorten(name) for name in result.frame.index]
    heatmap = go.Heatmap(
        z=counts,
        x=names,
        y=names,
        colorscale=SEQUENTIAL,
        zmin=0,
        customdata=_examples(result, len(names)),
        hovertemplate="truth %{y}<br>predicted %{x}<br>%{z}<br>row_id %{customdata}<extra></extra>",
        colorbar={"title": "share" if is_share else "examples", "tickformat": ".0%" if is_share else ",d"},
        texttemplate=("%{z:.1%}" if is_share else "%{z:,d}") if len(names) <= _MOST_NUMBERS else None,
        xgap=1,
        ygap=1,
    )
    figure = styled(go.Figure(heatmap), result.sentence, "predicted class", "true class")
    figure.update_xaxes(type="category", constrain="domain")
    figure.update_yaxes(type="category", autorange="reversed", scaleanchor="x", constrain="domain")
    return figure


def _examples(result: DiagnosticResult, size: int) -> np.ndarray:
    """Return, for each cell, its first row ids as a text."""
    cells = result.arrays["truth"] * size + result.arrays["prediction"]
    order = np.lexsort((result.row_id, cells))
    ids = result.row_id[order]
    bounds = np.searchsorted(cells[order], np.arange(size * size + 1))
    texts = [
        ", ".join(map(str, ids[low : min(high, low + 5)])) + (", …" if high - low > 5 else "") or "none"
        for low, high in pairwise(bounds)
    ]
    return np.array(texts, dtype=object).reshape(size, size)
