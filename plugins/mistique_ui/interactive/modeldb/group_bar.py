"""The bar of groups: one block for each value, as wide as its share, with its count; a click filters by it."""

from __future__ import annotations

from typing import Any

from dash import html

from mistique_core.modeldb.explore.records import RunGroups
from mistique_ui.interactive.theme import SERIES

BLOCK = "models-block"
_LIGHT = ("#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c", "#009e73")
"""Colours on which dark text is read better than white one."""
_WIDE = 0.055
"""Share from which a block holds its label."""


def group_bar(found: RunGroups) -> Any:
    """Return the bar and its legend; blocks are buttons, since they filter."""
    if not found.groups:
        return None
    blocks, legend = [], []
    for at, group in enumerate(found.groups):
        colour = SERIES[at % len(SERIES)]
        share = group.count / max(found.total, 1)
        label = f"{group.label}: {group.count:,} of {found.total:,} runs"
        blocks.append(
            html.Button(
                [html.Span(group.label), html.Strong(f"{group.count:,}")] if share >= _WIDE else None,
                id={"type": BLOCK, "condition": group.condition, "at": at},
                title=f"{label}; show only these" if group.condition else label,
                disabled=not group.condition,
                style={"flexGrow": group.count, "background": colour, "color": "#111" if colour in _LIGHT else "#fff"},
                **{"aria-label": label},
            )
        )
        if share < _WIDE:
            swatch = html.Span(className="swatch", style={"background": colour})
            legend.append(html.Li([swatch, f"{group.label} {group.count:,}"]))
    if found.others:
        text = f"{found.others:,} more values, {found.others_count:,} runs"
        blocks.append(html.Span(title=text, style={"flexGrow": found.others_count}, className="rest"))
        legend.append(html.Li(text))
    return html.Div(
        [html.Div(blocks, className="blocks", role="group"), html.Ul(legend, className="legend") if legend else None]
    )
