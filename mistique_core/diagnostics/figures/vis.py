"""Averages by class as a heatmap, or average maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from mistique_core.diagnostics.figures.maps import MOST_MAPS, draw_maps
from mistique_core.diagnostics.figures.style import DIVERGING, SEQUENTIAL, shorten, styled
from mistique_core.diagnostics.result import DiagnosticResult

_MOST_NAMES = 40


def draw(result: DiagnosticResult) -> go.Figure:
    """Return classes by units, coloured by average; columns of a table by their distance from the overall average."""
    table = result.frame
    if "maps" in result.arrays:
        return _maps(result)
    averages = table.to_numpy(dtype=np.float64)
    figure = go.Figure()
    hover = "%{y}<br>%{x}<br>average %{customdata:.4g}<extra></extra>"
    if result.facts["is_units"]:
        shown = averages
        colours: dict[str, Any] = {"colorscale": SEQUENTIAL, "colorbar": {"title": "average"}}
    else:
        overall, deviation = result.arrays["overall"][:, None], result.arrays["deviation"][:, None]
        with np.errstate(invalid="ignore"):
            shown = np.divide(averages - overall, deviation, out=np.zeros_like(averages), where=deviation > 0)
        shown = np.where(np.isnan(averages), np.nan, shown)
        colours = {"colorscale": DIVERGING, "zmid": 0, "colorbar": {"title": "deviations<br>from the<br>average"}}
    names = [shorten(name) for name in table.index]
    classes = [shorten(name) for name in table.columns]
    many = len(names) > _MOST_NAMES
    tall = not result.facts["is_units"] and not many
    if tall:
        figure.add_heatmap(z=shown, x=classes, y=names, customdata=averages, hovertemplate=hover, **colours)
    else:
        figure.add_heatmap(z=shown.T, x=names, y=classes, customdata=averages.T, hovertemplate=hover, **colours)
    group = result.facts["group"] or "all rows"
    unit = "unit" if result.facts["is_units"] else "column"
    styled(
        figure,
        result.sentence,
        group if tall else unit,
        unit if tall else group,
        height=max(360, 150 + 22 * (len(names) if tall else len(classes))),
    )
    figure.update_yaxes(type="category", autorange="reversed")
    return figure.update_xaxes(type="category", showticklabels=not many or tall, nticks=_MOST_NAMES)


def _maps(result: DiagnosticResult) -> go.Figure:
    """Return the average maps of the units that differ most between classes, a row of maps a unit."""
    averages, names, classes = result.arrays["maps"], list(result.frame.index), list(result.frame.columns)
    spread = np.nan_to_num(result.frame.max(axis=1) - result.frame.min(axis=1), nan=-1.0)
    units = np.argsort(-spread, kind="stable")[: max(1, MOST_MAPS // len(classes))]
    chosen = [(unit, place) for unit in units for place in range(len(classes))]
    maps = np.stack([averages[place, ..., unit] for unit, place in chosen])
    titles = [f"unit {names[unit]}, {classes[place]}" for unit, place in chosen]
    return draw_maps(maps, titles, result.sentence, unit="average", columns=len(classes))
