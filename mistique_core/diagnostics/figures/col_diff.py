"""Where two columns differ: one against the other, or counts of pairs of labels."""

from __future__ import annotations

import plotly.graph_objects as go

from mistique_core.diagnostics.figures.hover import row_texts
from mistique_core.diagnostics.figures.style import COLOURS, shorten, styled
from mistique_core.diagnostics.result import DiagnosticResult

_MOST_PAIRS = 30


def draw(result: DiagnosticResult) -> go.Figure:
    """Return the share that differs by group if there are groups, else the differing values against each other."""
    groups = result.facts.get("groups")
    if groups:
        return _by_group(result, groups)
    first, second = result.frame.iloc[:, 0], result.frame.iloc[:, 1]
    few = max(first.nunique(), second.nunique()) <= _MOST_PAIRS**0.5
    if few or not all(column.dtype.kind in "iufb" for column in (first, second)):
        return _pairs(result)
    points = go.Scattergl(
        x=first.tolist(),
        y=second.tolist(),
        mode="markers",
        marker={"color": COLOURS[0], "size": 6, "opacity": 0.6},
        customdata=row_texts(result.frame),
        hovertemplate="%{customdata}<extra></extra>",
    )
    ends = [min(first.min(), second.min()), max(first.max(), second.max())]
    equal = go.Scatter(x=ends, y=ends, mode="lines", line={"color": "#8A979E", "dash": "dash"}, hoverinfo="skip")
    figure = styled(go.Figure([equal, points]), result.sentence, str(first.name), str(second.name))
    return figure.update_layout(showlegend=False)


def _by_group(result: DiagnosticResult, groups: list[dict[str, object]]) -> go.Figure:
    bars = go.Bar(
        x=[f"{shorten(item['group'])}<br>{item['compared_rows']:,} rows" for item in groups],
        y=[item["different_rows"] / item["compared_rows"] for item in groups],  # type: ignore[operator]
        customdata=[[item["different_rows"], item["compared_rows"]] for item in groups],
        hovertemplate="%{x}<br>%{customdata[0]} of %{customdata[1]} examples differ (%{y:.1%})<extra></extra>",
        marker_color=COLOURS[0],
    )
    figure = styled(go.Figure(bars), result.sentence, str(result.facts["group"]), "share of examples that differ")
    figure.update_xaxes(type="category")
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return figure


def _pairs(result: DiagnosticResult) -> go.Figure:
    texts = result.frame.iloc[:, :2].astype(object).map(str)
    counts = texts.groupby(list(texts.columns)).size().sort_values(ascending=False).head(_MOST_PAIRS)
    bars = go.Bar(
        x=counts.tolist(),
        y=[f"{shorten(a, 18)} → {shorten(b, 18)}" for a, b in counts.index],
        orientation="h",
        marker_color=COLOURS[0],
        hovertemplate="%{y}: %{x} examples<extra></extra>",
    )
    figure = styled(go.Figure(bars), result.sentence, "examples", "first → second value")
    figure.update_yaxes(autorange="reversed", type="category")
    return figure
