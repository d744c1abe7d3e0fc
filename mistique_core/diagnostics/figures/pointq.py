"""The values of some rows: maps as heatmaps, else a table or one bar a column."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mistique_core.diagnostics.figures.maps import draw_maps
from mistique_core.diagnostics.figures.style import COLOURS, shorten, styled
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.wording import number

_MOST_LINES = 6
_FEW_COLUMNS = 2
_TABLE_COLUMNS, _TABLE_ROWS = 12, 30


def draw(result: DiagnosticResult) -> go.Figure:
    """Return maps, or the numbers of up to six rows over the columns, or a table."""
    maps = result.arrays.get("maps")
    if maps is not None:
        units = result.arrays["units"]
        order = [(row, unit) for row in range(len(maps)) for unit in range(len(units))]
        titles = [f"unit {units[unit]}, row {result.row_id[row]}" for row, unit in order]
        moved = maps.transpose(0, maps.ndim - 1, *range(1, maps.ndim - 1))
        return draw_maps(moved.reshape(-1, *maps.shape[1:-1]), titles, result.sentence)
    numbers = result.frame.select_dtypes(["number", "bool", "boolean"])
    if numbers.shape[1] > _FEW_COLUMNS and numbers.shape[1] == result.frame.shape[1] and len(numbers) <= _MOST_LINES:
        return _lines(result, numbers)
    return _table(result)


def _lines(result: DiagnosticResult, numbers: pd.DataFrame) -> go.Figure:
    figure = go.Figure()
    names = [shorten(name) for name in numbers.columns]
    for place, (row, values) in enumerate(numbers.astype("Float64").iterrows()):
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
    shown = result.frame.iloc[:_TABLE_ROWS, :_TABLE_COLUMNS]
    cells = [[number(value) for value in shown[name]] for name in shown.columns]
    table = go.Table(
        header={"values": ["row_id", *(shorten(name) for name in shown.columns)], "align": "left"},
        cells={
            "values": [[str(row) for row in shown.index], *[[shorten(v) for v in c] for c in cells]],
            "align": "left",
        },
    )
    return styled(go.Figure(table), result.sentence)
