"""The columns in which a row is most unlike its group."""

from __future__ import annotations

import plotly.graph_objects as go

from mistique_core.diagnostics.figures.ranked_bars import draw_ranked
from mistique_core.diagnostics.figures.style import shorten
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.wording import number


def draw(result: DiagnosticResult) -> go.Figure:
    """Return bars of z-scores; hovering shows value, average and deviation."""
    table = result.frame
    row = result.facts["row_id"]
    texts = [
        f"{shorten(name, 60)}<br>row_id {row}: {number(value)}<br>average: {number(average)} ± {number(deviation)}"
        f"<br>z = {number(score)}"
        for name, value, average, deviation, score in zip(
            table.index, table["value"], table["average"], table["deviation"], table["z"], strict=True
        )
    ]
    return draw_ranked(
        list(table.index),
        table["z"].to_numpy(),
        texts,
        title=result.sentence,
        x=f"row {row} minus the average, in standard deviations of the group",
        y="column",
    )
