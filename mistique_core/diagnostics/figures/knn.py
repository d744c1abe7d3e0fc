"""The nearest rows: the images that they are, or bars of their distances."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from mistique_core.diagnostics.figures.examples import captions_of, draw_examples
from mistique_core.diagnostics.figures.hover import row_texts
from mistique_core.diagnostics.figures.style import COLOURS, shorten, styled
from mistique_core.diagnostics.images import MOST_IMAGES
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.groups import groups_of
from mistique_core.diagnostics.wording import number

_MOST_COLOURS = 7


def draw(result: DiagnosticResult) -> go.Figure:
    """Return the row and its neighbours as images, else bars of distances, coloured by the first further column.

    Bars are of one colour where that column has many values.
    """
    frame = result.frame
    asked = int(result.facts["row_id"])
    images = result.images(np.array([asked, *result.row_id[: MOST_IMAGES - 1]], dtype=np.int64))
    if images is not None and len(frame):
        own = [f"row {asked}, asked for", *(f"{name}: {number(value)}" for name, value in result.facts["row"].items())]
        return draw_examples(result, images, [own, *captions_of(result)], asked=1)
    names = [str(row) for row in result.row_id]
    texts = row_texts(frame)
    figure = go.Figure()
    companion = frame.columns[1] if frame.shape[1] > 1 and frame.iloc[:, 1].nunique() <= _MOST_COLOURS else None
    if companion is None or not len(frame):
        figure.add_bar(x=names, y=frame["distance"].tolist(), customdata=texts, marker_color=COLOURS[0])
    else:
        groups = groups_of(frame[companion])
        for code, name in enumerate(groups.names):
            chosen = [place for place, of in enumerate(groups.codes) if of == code]
            figure.add_bar(
                x=[names[place] for place in chosen],
                y=[frame["distance"].iloc[place] for place in chosen],
                customdata=[texts[place] for place in chosen],
                name=shorten(name),
                marker_color=COLOURS[code],
            )
        own = result.facts["row"].get(str(companion))
        title = f"{shorten(companion)}<br>(row {result.facts['row_id']}: {shorten(own)})"
        figure.update_layout(showlegend=True, legend_title_text=title)
    figure.update_traces(hovertemplate="%{customdata}<extra></extra>")
    styled(figure, result.sentence, "row_id, nearest first", f"{result.facts['metric']} distance")
    return figure.update_xaxes(type="category", categoryorder="array", categoryarray=names)
