"""The look that all figures share: colours that colour-blind people tell apart, titles, axes."""

from __future__ import annotations

import textwrap

import plotly.graph_objects as go

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
"""Okabe and Ito's colours, which people with any colour vision tell apart."""
SEQUENTIAL = "Cividis"
DIVERGING = [[0.0, "#2166AC"], [0.5, "#F7F7F7"], [1.0, "#B2182B"]]
_INK, _GRID = "#1C2B33", "#E4E9EC"
_TITLE_CHARACTERS = 88


def styled(
    figure: go.Figure, title: str, x: str | None = None, y: str | None = None, *, height: int | None = None
) -> go.Figure:
    """Give a figure its title, the names of its axes, and the common look; return it.

    Parameters
    ----------
    figure
        What has been drawn.
    title
        The finding; wrapped.
    x, y
        What the axes show, with the unit.
    height
        In pixels; default 450.
    """
    lines = textwrap.wrap(title, _TITLE_CHARACTERS) or [""]
    figure.update_layout(
        title={
            "text": "<br>".join(_literal(line) for line in lines),
            "font": {"size": 15},
            "x": 0.02,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 14 if len(lines) == 1 else 28},  # Plotly puts the first of several lines higher
        },
        font={"family": "DejaVu Sans, Verdana, sans-serif", "size": 12, "color": _INK},
        colorway=list(COLOURS),
        plot_bgcolor="white",
        paper_bgcolor="white",
        margin={"l": 70, "r": 30, "t": 40 + 20 * len(lines), "b": 60},
        height=height,
        hoverlabel={"align": "left"},
    )
    figure.update_xaxes(gridcolor=_GRID, linecolor=_GRID, zerolinecolor=_GRID, automargin=True)
    figure.update_yaxes(gridcolor=_GRID, linecolor=_GRID, zerolinecolor=_GRID, automargin=True)
    if x is not None:
        figure.update_xaxes(title=_literal(x))
    if y is not None:
        figure.update_yaxes(title=_literal(y))
    if not figure.data:
        figure.add_annotation(text="no rows", showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5, font_size=14)
    return figure


def _literal(text: str) -> str:
    """Return text that Plotly shows as it is: it knows some HTML tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shorten(name: object, characters: int = 28) -> str:
    """Return a name that fits beside an axis, as Plotly shows it literally."""
    text = str(name)
    return _literal(text if len(text) <= characters else f"{text[: characters - 1]}…")
