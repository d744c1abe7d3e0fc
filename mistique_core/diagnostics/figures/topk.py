"""The rows with the highest values: the images that they are, their maps, or bars."""

from __future__ import annotations

import plotly.graph_objects as go

from mistique_core.diagnostics.figures.examples import captions_of, draw_examples
from mistique_core.diagnostics.figures.hover import row_texts
from mistique_core.diagnostics.figures.maps import draw_maps
from mistique_core.diagnostics.figures.style import COLOURS, styled
from mistique_core.diagnostics.result import DiagnosticResult


def draw(result: DiagnosticResult) -> go.Figure:
    """Return images, maps or bars, one a row in its rank; hovering shows all columns."""
    column = result.frame.iloc[:, 0]
    images = result.images()
    if images is not None:
        return draw_examples(result, images, captions_of(result), result.arrays.get("maps"))
    if "maps" in result.arrays:
        titles = [f"row {row}: {value:.4g}" for row, value in column.items()]
        return draw_maps(result.arrays["maps"], titles, result.sentence)
    values = column.cat.codes if hasattr(column, "cat") else column
    bars = go.Bar(
        x=[str(row) for row in result.row_id],
        y=values.tolist(),
        marker_color=COLOURS[0],
        customdata=row_texts(result.frame),
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure = styled(go.Figure(bars), result.sentence, "row_id", str(column.name))
    figure.update_xaxes(type="category")
    if hasattr(column, "cat"):
        names = [str(name) for name in column.cat.categories]
        figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names)
    return figure
