"""Small heatmaps side by side: the maps of some examples or units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mistique_core.diagnostics.figures.style import SEQUENTIAL, shorten, styled

MOST_MAPS = 24
_WIDTH, _TITLE_PIXELS = 800, 34


def draw_maps(
    maps: npt.NDArray[Any],
    titles: Sequence[str],
    sentence: str,
    *,
    unit: str = "activation",
    columns: int | None = None,
) -> go.Figure:
    """Return a figure of the first maps on one colour scale.

    Parameters
    ----------
    maps
        (maps, ...) of one or two dimensions each; further ones are drawn one below the other.
    titles
        One a map.
    sentence
        Title of the whole.
    unit
        What the colours show.
    columns
        Maps side by side; default at most six.
    """
    shown = [_plane(item) for item in maps[:MOST_MAPS]]
    if len(maps) > MOST_MAPS:
        sentence = f"{sentence} The first {MOST_MAPS} of {len(maps)} maps."
    columns = columns or min(len(shown), 6) or 1
    rows = max(1, math.ceil(len(shown) / columns))
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[shorten(title, 22) for title in titles[: len(shown)]],
        horizontal_spacing=0.02,
        vertical_spacing=0.25 / rows,
    )
    for place, plane in enumerate(shown):
        figure.add_trace(
            go.Heatmap(
                z=plane,
                coloraxis="coloraxis",
                hovertemplate=f"{shorten(titles[place], 60)}<br>y %{{y}}, x %{{x}}<br>%{{z:.4g}}<extra></extra>",
            ),
            row=place // columns + 1,
            col=place % columns + 1,
        )
    size = _WIDTH * 0.78 / columns
    tallest = max((plane.shape[0] / plane.shape[1] for plane in shown), default=1.0)
    styled(figure, sentence, height=int(140 + rows * (size * tallest + _TITLE_PIXELS)))
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, autorange="reversed", constrain="domain")
    for place in range(len(shown)):
        axis = "x" if place == 0 else f"x{place + 1}"
        figure.update_yaxes(scaleanchor=axis, row=place // columns + 1, col=place % columns + 1)
    figure.update_annotations(font_size=11)
    colours = {"colorscale": SEQUENTIAL, "colorbar": {"title": unit}}
    return figure.update_layout(
        coloraxis=colours, width=_WIDTH, margin={"l": 20, "r": 20, "b": 20, "t": figure.layout.margin.t + 20}
    )


def _plane(item: npt.NDArray[Any]) -> npt.NDArray[Any]:
    plane = np.atleast_2d(item.astype(np.float64))
    return plane.reshape(-1, plane.shape[-1])
