"""The values of some rows: maps as heatmaps, bars of numbers on one scale, else a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from mistique_core.diagnostics.figures.maps import draw_maps
from mistique_core.diagnostics.figures.style import COLOURS, shorten, styled
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.wording import number

_MOST_LINES = 6
_FEW_COLUMNS = 2
_LARGEST_RATIO = 50
_WIDE, _LONG = 8, 40


def draw(result: DiagnosticResult) -> go.Figure:
    """Return maps, the numbers of up to six rows over columns of one scale, or a table."""
    maps = result.arrays.get("maps")
    if maps is not None:
        units = result.arrays["units"]
        order = [(row, unit) for row in range(len(maps)) for unit in range(len(units))]
        titles = [f"unit {units[unit]}, row {result.row_id[row]}" for row, unit in order]
        moved = maps.transpose(0, maps.ndim - 1, *range(1, maps.ndim - 1))
        return draw_maps(moved.reshape(-1, *maps.shape[1:-1]), titles, result.sentence)
    numbers = result.frame.select_dtypes(["number", "bool", "boolean"]).astype("Float64")
    if numbers.shape[1] == result.frame.shape[1] and len(numbers) <= _MOST_LINES and _share_a_scale(numbers):
        return _bars(result, numbers)
    return _table(result)


def _share_a_scale(numbers: pd.DataFrame) -> bool:
    """Whether several columns can be seen on one axis."""
    if numbers.shape[1] <= _FEW_COLUMNS:
        return False
    sizes = np.abs(numbers.to_numpy("float64", na_value=np.nan))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return bool(sizes.size) and float(sizes.max()) <= _LARGEST_RATIO * float(np.median(sizes))


def _bars(result: DiagnosticResult, numbers: pd.DataFrame) -> go.Figure:
    figure = go.Figure()
    names = [shorten(name) for name in numbers.columns]
    for place, (row, values) in enumerate(numbers.iterrows()):
        figure.add_bar(
            x=names,
            y=[None if pd.isna(value) else float(value) for value in values],
            name=f"row {row}",
            marker_color=COLOURS[place],
            hovertemplate=f"row_id {row}<br>%{{x}} = %{{y}}<extra></extra>",
        )
    figure.update_layout(showlegend=True)
    return styled(figure, result.sentence, "column", "value")


def _table(result: DiagnosticResult) -> go.Figure:
    """Return a table of the rows; of their columns, where there are more of these."""
    frame = result.frame
    if frame.shape[1] > len(frame):
        shown = frame.iloc[:_WIDE, :_LONG]
        head = ["column", *(f"row {row}" for row in shown.index)]
        cells = [[shorten(name, 40) for name in shown.columns]]
        cells += [[shorten(number(value)) for value in shown.iloc[place]] for place in range(len(shown))]
    else:
        shown = frame.iloc[:_LONG, :_WIDE]
        head = ["row_id", *(shorten(name) for name in shown.columns)]
        cells = [[str(row) for row in shown.index]]
        cells += [[shorten(number(value)) for value in shown[name]] for name in shown.columns]
    table = go.Table(
        header={"values": head, "align": "left", "fill_color": "#DCE6EC", "height": 26},
        cells={"values": cells, "align": "left", "fill_color": "#F7F9FA", "height": 24},
    )
    title = result.sentence
    if shown.size < frame.size:
        title = f"{title} {shown.shape[0]} of {frame.shape[0]} rows and {shown.shape[1]} of {frame.shape[1]} columns."
    return styled(go.Figure(table), title, height=200 + 24 * len(cells[0]))
