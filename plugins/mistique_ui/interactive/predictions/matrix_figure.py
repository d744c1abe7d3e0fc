"""The prediction matrix as a picture: correctness from wrong (orange) to right (blue), the truth in grey beside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from mistique_core.predictions import Matrix, Viewport
from mistique_core.predictions.levels import STEPS
from mistique_ui.interactive.theme import DIVERGING

HEIGHT = 560
_TRUTH_SHARE = 0.028
_GREY = ((0.0, "#e4e7eb"), (1.0, "#333b46"))
_LONG_NAME = 22


def matrix_figure(matrix: Matrix, seen: Viewport, first: int, stop: int, models: Sequence[int]) -> go.Figure:
    """Return what is seen of a matrix.

    Parameters
    ----------
    matrix
        The cells; their names and classes.
    seen
        Bins of rows, which cover at least those shown.
    first, stop
        The rows that are shown, by position in the order.
    models
        The columns, in their order.
    """
    middle = seen.start + (seen.step - 1) / 2
    bins = len(seen.rows)
    where = np.array([_rows_of(seen, at) for at in range(bins)])
    percent = np.rint(seen.correctness[:, list(models)] * (100 / STEPS)).astype(np.uint8)
    names = [matrix.names[at] for at in models]
    common = {"y0": middle, "dy": seen.step, "xgap": 0, "ygap": 0, "zsmooth": False}
    figure = go.Figure()
    figure.add_heatmap(
        z=np.rint(seen.truth[:, None] * (100 / STEPS)).astype(np.uint8),
        x=["truth"],
        zmin=0,
        zmax=100,
        colorscale=[list(step) for step in _GREY],
        showscale=False,
        xaxis="x2",
        customdata=where[:, None],
        hovertemplate=f"{_truth_says(matrix)}<br>%{{customdata}}<extra></extra>",
        **common,
    )
    figure.add_heatmap(
        z=percent,
        x=list(range(len(names))),
        zmin=0,
        zmax=100,
        colorscale=[list(step) for step in DIVERGING],
        customdata=np.broadcast_to(where[:, None], percent.shape) if bins * len(names) < 6_000 else None,
        hovertemplate=_hover(matrix, few=bins * len(names) < 6_000),
        colorbar={
            "title": {"text": "Correctness", "side": "right"},
            "thickness": 12,
            "tickvals": [0, 25, 50, 75, 100],
            "ticktext": ["0 wrong", "0.25", "0.5", "0.75", "1 right"],
            "outlinewidth": 0,
        },
        **common,
    )
    shown = [_short(name) for name in names]
    every = -(-len(names) // 50)
    figure.update_layout(
        xaxis={
            "domain": [_TRUTH_SHARE + 0.012, 1],
            "side": "top",
            "fixedrange": True,
            "showgrid": False,
            "tickvals": list(range(0, len(names), every)),
            "ticktext": shown[::every],
            "range": [-0.5, len(names) - 0.5],
            "tickangle": 0 if len(names) <= 10 else -60,
            "zeroline": False,
        },
        xaxis2={"domain": [0, _TRUTH_SHARE], "side": "top", "fixedrange": True, "showgrid": False, "anchor": "y"},
        yaxis={
            "range": [stop - 0.5, first - 0.5],
            "title": "Rows in the chosen order",
            "tickformat": ",d",
            "zeroline": False,
            "anchor": "x2",
        },
        margin={"l": 76, "r": 10, "t": 40 if len(names) <= 10 else 120, "b": 14},
        dragmode="zoom",
        hovermode="closest",
    )
    return figure


def _rows_of(seen: Viewport, at: int) -> str:
    low = seen.start + at * seen.step
    high = low + int(seen.rows[at]) - 1
    return f"row {low:,}" if low == high else f"rows {low:,} to {high:,}"


def _truth_says(matrix: Matrix) -> str:
    problem = matrix.problem
    if problem.kind == "regression":
        return "truth: %{z} % of its ranks"
    if problem.positive is not None:
        return f"truth: %{{z}} % {_plain(problem.classes[problem.positive])}"
    return "truth: class at %{z} % of the list"


def _hover(matrix: Matrix, *, few: bool) -> str:
    what = "1 - |error|" if matrix.problem.kind == "regression" else "probability of the truth"
    return f"{what}: %{{z}} %" + ("<br>%{customdata}" if few else "<br>at row %{y:,.0f}") + "<extra></extra>"


def _short(name: str) -> str:
    return _plain(name if len(name) <= _LONG_NAME else f"{name[: _LONG_NAME - 1]}…")


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "% {")
