"""What one of two models gets wrong, as images; or how often each is right, together and alone."""

from __future__ import annotations

import plotly.graph_objects as go

from mistique_core.diagnostics.figures.examples import captions_of, draw_examples
from mistique_core.diagnostics.figures.style import SEQUENTIAL, shorten, styled
from mistique_core.diagnostics.result import DiagnosticResult


def draw(result: DiagnosticResult) -> go.Figure:
    """Return the images that the rows are, else the four cases as a heatmap; the rows are on its upper right."""
    facts = result.facts
    images = result.images()
    if images is not None:
        return draw_examples(result, images, captions_of(result))
    first, second = (shorten(name, 40) for name in facts["names"])
    ids = ", ".join(map(str, result.row_id[:8])) + (", …" if len(result.row_id) > 8 else "")
    counts = [
        [facts["both_right_rows"], facts["only_a_right_rows"]],
        [facts["only_b_right_rows"], facts["both_wrong_rows"]],
    ]
    heatmap = go.Heatmap(
        z=counts,
        x=["right", "wrong"],
        y=["right", "wrong"],
        colorscale=SEQUENTIAL,
        zmin=0,
        texttemplate="%{z:,d}",
        textfont={"size": 20},
        customdata=[["", f"<br>row_id {ids}"], ["", ""]],
        hovertemplate=f"{first} %{{y}}, {second} %{{x}}<br>%{{z:,d}} examples%{{customdata}}<extra></extra>",
        colorbar={"title": "examples"},
        xgap=2,
        ygap=2,
    )
    figure = styled(go.Figure(heatmap), result.sentence, facts["names"][1], facts["names"][0])
    return figure.update_yaxes(autorange="reversed")
