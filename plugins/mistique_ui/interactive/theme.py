"""How figures and tables look: colours that colour-blind viewers can tell apart, readable in light and dark."""

from __future__ import annotations

from typing import Any

import dash_ag_grid as dag
import plotly.graph_objects as go
from dash import dcc, html

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c8c8c")
"""Okabe and Ito's palette, without its yellow, which is not seen on white."""
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "x", "cross", "triangle-down", "star")
DIVERGING = ((0.0, "#d55e00"), (0.5, "#f2efe9"), (1.0, "#0072b2"))
"""From wrong to right, from negative to positive."""
SEQUENTIAL = "Cividis"

_GRID = "rgba(128, 140, 155, .25)"
_TEXT = "#7a8796"

TEMPLATE = go.layout.Template(
    layout=go.Layout(
        colorway=list(SERIES),
        font={"family": "system-ui, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif", "size": 12, "color": _TEXT},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 56, "r": 16, "t": 36, "b": 44},
        xaxis={"gridcolor": _GRID, "zerolinecolor": _GRID, "linecolor": _GRID, "automargin": True},
        yaxis={"gridcolor": _GRID, "zerolinecolor": _GRID, "linecolor": _GRID, "automargin": True},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        hoverlabel={"align": "left"},
        colorscale={"sequential": SEQUENTIAL, "diverging": [list(step) for step in DIVERGING]},
    )
)


def graph(name: str, figure: go.Figure | None = None, *, height: int = 360, label: str = "", **options: Any) -> Any:
    """Return a figure in its place on the page.

    Parameters
    ----------
    name
        Id of the component.
    figure
        What is drawn; ``None`` where a callback draws it.
    height
        In pixels; the width is the page's.
    label
        What a screen reader says.
    """
    shown = go.Figure() if figure is None else figure
    shown.update_layout(template=TEMPLATE, height=height)
    config = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["lasso2d", "autoScale2d"]}
    figure_part = dcc.Graph(
        id=name, figure=shown, config=config | options.pop("config", {}), style={"height": f"{height}px"}, **options
    )
    return html.Div(figure_part, role="img" if label else None, className="plot", **{"aria-label": label or name})


def grid(name: str, columns: list[dict[str, Any]], rows: list[dict[str, Any]] | None = None, **options: Any) -> Any:
    """Return a table that sorts, filters and scrolls.

    Parameters
    ----------
    name
        Id of the component.
    columns
        Definitions of AG Grid's columns. No code is accepted in them, and no HTML in values.
    rows
        All rows; ``None`` where the server is asked for each block (``rowModelType="infinite"``, a callback from
        ``getRowsRequest`` to ``getRowsResponse``).
    """
    defaults = {"sortable": True, "resizable": True, "filter": rows is not None, "minWidth": 80}
    grid_options = {
        "animateRows": False,
        "ensureDomOrder": True,
        "enableCellTextSelection": True,
        "theme": {"function": "themeQuartz"},
        "suppressFieldDotNotation": True,
    }
    if rows is None:
        options.setdefault("rowModelType", "infinite")
        grid_options |= {"cacheBlockSize": 100, "maxBlocksInCache": 20, "infiniteInitialRowCount": 1}
    else:
        options["rowData"] = rows
    return dag.AgGrid(
        id=name,
        columnDefs=columns,
        defaultColDef=defaults | options.pop("defaultColDef", {}),
        dashGridOptions=grid_options | options.pop("dashGridOptions", {}),
        className="mistique-grid",
        **options,
    )
