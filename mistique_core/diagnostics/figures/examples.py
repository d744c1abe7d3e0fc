"""Examples as the images that they are, each with what the answer says of it, and its map where there is one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mistique_core.diagnostics.figures.style import SEQUENTIAL, shorten, styled
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.png import png_address
from mistique_core.diagnostics.wording import number

_FEWEST_COLUMNS, _MOST_COLUMNS, _MOST_LINES = 4, 6, 3
_MOST_SIDE = 256
"""Pixels: of larger images every n-th one is drawn."""
_WIDTH, _LINE_PIXELS, _GAP_PIXELS, _BETWEEN_PIXELS = 800, 15, 14, 4


def draw_examples(
    result: DiagnosticResult,
    images: npt.NDArray[np.uint8],
    captions: Sequence[Sequence[str]],
    maps: npt.NDArray[Any] | None = None,
    *,
    asked: int = 0,
) -> go.Figure:
    """Return a figure of images side by side.

    Parameters
    ----------
    result
        The answer, whose sentence is the title.
    images
        uint8, (examples, height, width, 1 or 3).
    captions
        Lines above each image; the first three are shown.
    maps
        (examples, height, width) activations, drawn below the images on one colour scale.
    asked
        How many of the images, the first ones, are no rows of the answer but what was asked for.
    """
    shown = len(images)
    sentence = result.sentence
    if len(result.frame) > shown - asked:
        sentence = f"{sentence} The first {shown - asked} of {len(result.frame):,} are shown."
    columns = min(max(shown, _FEWEST_COLUMNS), _MOST_COLUMNS)
    layers = 1 if maps is None else 2
    blocks = math.ceil(shown / columns)
    figure = make_subplots(rows=blocks * layers, cols=columns, horizontal_spacing=0.02)
    for place, image in enumerate(images):
        row, column = place // columns * layers + 1, place % columns + 1
        figure.add_trace(_picture(image, captions[place]), row=row, col=column)
        if maps is not None:
            figure.add_trace(_heatmap(maps[place], captions[place]), row=row + 1, col=column)
    styled(figure, sentence)
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, autorange="reversed", constrain="domain")
    lines = min(max(map(len, captions)), _MOST_LINES)
    cell = _WIDTH * 0.78 / columns * images.shape[1] / images.shape[2]
    plot = _lay_out(figure, blocks, layers, cell, lines * _LINE_PIXELS + _GAP_PIXELS)
    for place in range(shown):
        row, column = place // columns * layers + 1, place % columns + 1
        _caption(figure, captions[place][:_MOST_LINES], row, column)
        for layer in range(layers):
            (axis,) = figure.select_xaxes(row=row + layer, col=column)
            figure.update_yaxes(scaleanchor=axis.plotly_name.replace("axis", ""), row=row + layer, col=column)
    if maps is not None:
        figure.update_layout(coloraxis={"colorscale": SEQUENTIAL, "colorbar": {"title": "activation"}})
    margin = {"l": 20, "r": 20, "b": 20, "t": figure.layout.margin.t}
    return figure.update_layout(width=_WIDTH, height=int(plot + margin["t"] + margin["b"]), margin=margin)


def _lay_out(figure: go.Figure, blocks: int, layers: int, cell: float, head: float) -> float:
    """Place the rows of a grid: captions, images, and close below them their maps; return its height in pixels."""
    block = head + layers * cell + (layers - 1) * _BETWEEN_PIXELS
    plot = blocks * block
    for number_of_block in range(blocks):
        for layer in range(layers):
            top = number_of_block * block + head + layer * (cell + _BETWEEN_PIXELS)
            domain = [max(0.0, 1 - (top + cell) / plot), 1 - top / plot]
            figure.update_yaxes(domain=domain, row=number_of_block * layers + layer + 1)
    return plot


def captions_of(result: DiagnosticResult) -> list[list[str]]:
    """Return for each row of an answer its row id and value, then one line for each further column."""
    frame = result.frame
    found = []
    for row, values in zip(frame.index, frame.itertuples(index=False, name=None), strict=True):
        first = f"row {row}: {number(values[0])}" if values else f"row {row}"
        rest = [f"{name}: {number(value)}" for name, value in zip(frame.columns[1:], values[1:], strict=True)]
        found.append([first, *rest])
    return found


def _picture(image: npt.NDArray[np.uint8], caption: Sequence[str]) -> go.Image:
    step = -(-max(image.shape[:2]) // _MOST_SIDE)
    text = "<br>".join(shorten(line, 60) for line in caption)
    return go.Image(source=png_address(image[::step, ::step]), hovertemplate=f"{text}<extra></extra>")


def _heatmap(plane: npt.NDArray[Any], caption: Sequence[str]) -> go.Heatmap:
    text = "<br>".join(shorten(line, 60) for line in caption)
    return go.Heatmap(
        z=np.atleast_2d(plane.astype(np.float64)),
        coloraxis="coloraxis",
        hovertemplate=f"{text}<br>y %{{y}}, x %{{x}}<br>%{{z:.4g}}<extra></extra>",
    )


def _caption(figure: go.Figure, lines: Sequence[str], row: int, column: int) -> None:
    (x,) = figure.select_xaxes(row=row, col=column)
    (y,) = figure.select_yaxes(row=row, col=column)
    figure.add_annotation(
        text="<br>".join(shorten(line, 22) for line in lines),
        x=sum(x.domain) / 2,
        y=y.domain[1],
        xref="paper",
        yref="paper",
        xanchor="center",
        yanchor="bottom",
        showarrow=False,
        font={"size": 11},
    )
