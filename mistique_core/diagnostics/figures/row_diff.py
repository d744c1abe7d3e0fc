"""The columns in which two rows differ most."""

from __future__ import annotations

import plotly.graph_objects as go

from mistique_core.diagnostics.figures.ranked_bars import draw_ranked
from mistique_core.diagnostics.figures.style import shorten
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.wording import number


def draw(result: DiagnosticResult) -> go.Figure:
    """Return bars of differences; hovering shows both values."""
    table = result.frame
    measure = str(result.facts["measure"])
    first, second = table.columns[:2]
    texts = [
        "<br>".join(
            [
                shorten(name, 60),
                f"{first}: {shorten(number(a))}",
                f"{second}: {shorten(number(b))}",
                f"{number(size)} {measure}",
            ]
        )
        for name, a, b, size in zip(table.index, table[first], table[second], table[measure], strict=True)
    ]
    unit = "standard deviations of the column" if measure == "deviations" else "units of the column"
    return draw_ranked(
        list(table.index),
        table[measure].to_numpy(),
        texts,
        title=result.sentence,
        x=f"{second} minus {first}, in {unit}",
        y="column",
    )
