"""A histogram, or counts of values; the shares of each group where there are several."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from mistique_core.diagnostics.figures.style import COLOURS, shorten, styled
from mistique_core.diagnostics.result import DiagnosticResult

_MOST_VALUES = 30


def draw(result: DiagnosticResult) -> go.Figure:
    """Return bars of rows; where there are groups, lines or bars of the share of each group's rows."""
    table = result.frame
    column = str(result.facts["column"])
    if table.index.name == "bin":
        return _binned(result, table, column)
    shown = table if len(table) <= _MOST_VALUES else table.loc[table.sum(axis=1).nlargest(_MOST_VALUES).index]
    figure = go.Figure()
    for place, name in enumerate(shown.columns):
        counts = shown[name]
        figure.add_bar(
            x=[shorten(value) for value in shown.index],
            y=_heights(result, table[name], counts),
            name=shorten(name),
            marker_color=COLOURS[place % len(COLOURS)],
            customdata=counts.tolist(),
            hovertemplate=f"{shorten(name)}<br>%{{x}}: %{{customdata:,}} rows<extra></extra>",
        )
    return _finished(figure, result, column).update_xaxes(type="category")


def _binned(result: DiagnosticResult, table: pd.DataFrame, column: str) -> go.Figure:
    low, high = table["from"], table["to"]
    middle = low + (high - low) / 2
    groups = [name for name in table.columns if name not in ("from", "to")]
    figure = go.Figure()
    for place, name in enumerate(groups):
        texts = [f"{a} to {b}: {n:,} rows" for a, b, n in zip(_texts(low), _texts(high), table[name], strict=True)]
        common: dict[str, Any] = {
            "y": _heights(result, table[name], table[name]),
            "name": shorten(name),
            "customdata": texts,
            "hovertemplate": f"{shorten(name)}<br>%{{customdata}}<extra></extra>",
        }
        if len(groups) == 1:
            width = None if low.dtype.kind in "Mm" else (high - low).tolist()
            figure.add_bar(x=middle.tolist(), width=width, marker_color=COLOURS[0], **common)
        else:
            line = {"shape": "hvh", "color": COLOURS[place % len(COLOURS)], "dash": _dash(place)}
            figure.add_scatter(x=middle.tolist(), mode="lines", line=line, **common)
    figure.update_layout(bargap=0.02)
    return _finished(figure, result, column)


def _finished(figure: go.Figure, result: DiagnosticResult, column: str) -> go.Figure:
    grouped = "group" in result.facts
    styled(figure, result.sentence, column, "share of the group's rows" if grouped else "rows")
    if grouped:
        figure.update_yaxes(tickformat=".0%")
        figure.update_layout(showlegend=True, legend_title_text=shorten(result.facts["group"]))
    else:
        figure.update_layout(showlegend=False)
    return figure.update_yaxes(rangemode="tozero")


def _heights(result: DiagnosticResult, whole: pd.Series, shown: pd.Series) -> list[float]:
    total = int(whole.sum())
    return (shown / total).tolist() if "group" in result.facts and total else shown.tolist()


def _dash(place: int) -> str:
    return ("solid", "dash", "dot", "dashdot")[place // len(COLOURS) % 4]


def _texts(bounds: pd.Series) -> list[str]:
    return [f"{value:.4g}" if isinstance(value, float) else str(value) for value in bounds]
