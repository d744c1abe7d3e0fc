"""A table of shares, as numbers on shades where there is room, else as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from dash import html

from mistique_ui.interactive.theme import graph

MOST_ACROSS, MOST_DOWN = 14, 80
_LONG_NAME = 24


def share_table(name: str, values: Any, across: Sequence[str], down: Sequence[str], corner: str, what: str) -> Any:
    """Return a table of shares.

    Parameters
    ----------
    name
        Id of the component.
    values
        (down, across) float64, 0 to 1; NaN is left empty.
    across, down
        Names of columns and rows.
    corner
        What the rows are.
    what
        What a share is, for a screen reader and for the hover text.
    """
    cells = np.asarray(values, dtype=np.float64)
    known = cells[~np.isnan(cells)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if len(across) > MOST_ACROSS or len(down) > MOST_DOWN:
        return _picture(name, cells, across, down, what)
    head = html.Tr([html.Th(corner, className="soft"), *(html.Th(_short(item), title=item) for item in across)])
    rows = []
    for at, of in enumerate(down):
        shown = []
        for value in cells[at]:
            if np.isnan(value):
                shown.append(html.Td("–", className="num soft"))
                continue
            shade = 0.04 + 0.5 * (value - low) / max(high - low, 1e-9)
            shown.append(
                html.Td(f"{value:.1%}", className="num", style={"background": f"rgba(0, 114, 178, {shade:.2f})"})
            )
        rows.append(html.Tr([html.Th(_short(of), scope="row", title=of), *shown]))
    table = html.Table([html.Thead(head), html.Tbody(rows)], className="compact shares-table", id=name)
    return html.Div(table, className="scrolls", role="region", tabIndex=0, **{"aria-label": what})


def _picture(name: str, cells: Any, across: Sequence[str], down: Sequence[str], what: str) -> Any:
    figure = go.Figure(
        go.Heatmap(
            z=cells,
            x=list(range(len(across))),
            y=list(range(len(down))),
            colorscale="Cividis",
            customdata=[[f"{_plain(of)}, {_plain(item)}" for item in across] for of in down],
            hovertemplate=f"%{{customdata}}<br>{what}: %{{z:.2%}}<extra></extra>",
            colorbar={"thickness": 12, "tickformat": ".0%", "outlinewidth": 0},
        )
    )
    for axis, names in (("xaxis", across), ("yaxis", down)):
        every = -(-len(names) // 30)
        ticks = {
            "tickvals": list(range(0, len(names), every)),
            "ticktext": [_plain(_short(item)) for item in names[::every]],
        }
        figure.update_layout({axis: {**ticks, "showgrid": False, "zeroline": False}})
    figure.update_layout(margin={"t": 10, "l": 40, "r": 8, "b": 30}, xaxis_tickangle=-60)
    figure.update_yaxes(autorange="reversed")
    return graph(name, figure, height=int(min(max(320, 90 + 9 * len(down)), 900)), label=what)


def _short(name: str) -> str:
    return name if len(name) <= _LONG_NAME else f"{name[: _LONG_NAME - 1]}…"


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "% {")
