"""From what was logged to what is stored, as a figure and as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from dash import html

from mistique_core.store.savings import Savings
from mistique_ui.formats import format_bytes
from mistique_ui.interactive.theme import SERIES, graph


@dataclass(frozen=True)
class Step:
    """One mechanism: its name, the bytes that it saved, and how."""

    name: str
    saved_bytes: int
    how: str


def steps_of(savings: Savings) -> list[Step]:
    """Return the mechanisms in the order in which a value meets them."""
    return [
        Step("Reuse", savings.reused_bytes, "outputs taken over from an equal stage, which did not run"),
        Step("Exact dedup, columns", savings.repeated_bytes, "columns that were computed and were stored already"),
        Step("Not kept", savings.not_kept_bytes, "columns that a policy let go; a re-run makes them again"),
        Step("Quantization", savings.quantized_bytes, "lossy schemes: fewer bits a value, or pooled maps"),
        Step("Exact dedup, row blocks", savings.repeated_chunks_bytes, "row blocks that another column holds already"),
        Step("Approximate dedup", savings.similar_bytes, "differences to a similar chunk; no value changes"),
        Step("Encoding", savings.encoded_bytes, "narrow codes and compression, without loss"),
    ]


def steps_figure(savings: Savings) -> Any:
    """Return the waterfall from logged to stored bytes."""
    steps = steps_of(savings)
    names = [
        f"Logged  {format_bytes(savings.logged_bytes)}",
        *(f"{step.name}  {_signed(-step.saved_bytes)}" for step in steps),
        f"Stored  {format_bytes(savings.stored_bytes)}",
    ]
    figure = go.Figure(
        go.Waterfall(
            orientation="h",
            y=names,
            x=[savings.logged_bytes, *(-step.saved_bytes for step in steps), 0],
            measure=["absolute", *("relative" for _ in steps), "total"],
            decreasing={"marker": {"color": SERIES[0]}},
            increasing={"marker": {"color": SERIES[1]}},
            totals={"marker": {"color": SERIES[2]}},
            connector={"line": {"color": "rgba(128, 140, 155, .5)", "width": 1}},
            hovertemplate="%{y}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title="bytes", tickformat="~s", rangemode="tozero", range=[0, savings.logged_bytes or 1])
    figure.update_layout(showlegend=False, margin={"t": 10, "l": 240})
    return graph("storage-steps", figure, height=330, label="Bytes from what was logged to what is stored")


def steps_table(savings: Savings) -> html.Table:
    """Return the same numbers to read."""
    whole = max(savings.logged_bytes, 1)
    rows = [("Logged by stages", savings.logged_bytes, "values as they are in memory, row ids included")]
    rows += [(step.name, -step.saved_bytes, step.how) for step in steps_of(savings)]
    rows.append(("Stored", savings.stored_bytes, "encoded column chunks, each once"))
    head = html.Thead(html.Tr([html.Th("Step"), html.Th("Bytes", className="num"), html.Th("Share", className="num")]))
    body = [
        html.Tr(
            [
                html.Th([name, html.Span(how, className="sub")], scope="row"),
                html.Td(_signed(size), className="num"),
                html.Td(f"{abs(size) / whole:.1%}", className="num"),
            ]
        )
        for name, size, how in rows
    ]
    return html.Table([head, html.Tbody(body)], className="compact", id="storage-steps-table")


def _signed(size: int) -> str:
    return f"−{format_bytes(-size)}" if size < 0 else format_bytes(size)
