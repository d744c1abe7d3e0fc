"""Horizontal bars, one a column or unit, the most remarkable one on top."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from mistique_core.diagnostics.figures.style import COLOURS, shorten, styled

MOST_BARS = 25


def draw_ranked(
    names: Sequence[object],
    sizes: Sequence[float] | np.ndarray,
    texts: Sequence[str],
    *,
    title: str,
    x: str,
    y: str,
) -> go.Figure:
    """Return the first bars; blue to the right, orange to the left. Infinite ones end at the edge, with an arrow.

    Parameters
    ----------
    names
        One a bar.
    sizes
        (bars,) NaN ones are left out.
    texts
        What hovering over a bar shows.
    title, x, y
        Of the figure and its axes.
    """
    values = np.asarray(sizes, dtype=np.float64)
    shown = np.flatnonzero(~np.isnan(values))[:MOST_BARS]
    finite = values[shown][np.isfinite(values[shown])]
    edge = 1.1 * float(np.abs(finite).max(initial=0.0)) or 1.0
    lengths = np.clip(values[shown], -edge, edge)
    if len(names) > len(shown):
        y = f"{y} ({len(shown)} of {len(names)})"
    figure = go.Figure(
        go.Bar(
            x=lengths.tolist(),
            y=[_unique(place, names[place]) for place in shown],
            orientation="h",
            marker_color=[COLOURS[0] if value >= 0 else COLOURS[1] for value in lengths],
            text=["∞" if value == np.inf else "-∞" if value == -np.inf else "" for value in values[shown]],
            customdata=[texts[place] for place in shown],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    styled(figure, title, x, y, height=max(360, 150 + 20 * len(shown)))
    figure.update_yaxes(
        type="category",
        autorange="reversed",
        tickvals=[_unique(place, names[place]) for place in shown],
        ticktext=[shorten(names[place]) for place in shown],
    )
    return figure


def _unique(place: int, name: object) -> str:
    """Return a name for the axis that no other bar has, however long the names are."""
    return f"{place}:{name}"
