"""The models of the project whose metric is nearest to that of one model (thesis Table 4.1: similar models)."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from mistique_core.modeldb.browse.records import ModelDetail
from mistique_core.modeldb.find.likeness import Criterion
from mistique_ui.formats import format_number
from mistique_ui.interactive.parts import card
from mistique_ui.interactive.viewer import Viewer

MOST_SIMILAR = 8
_MOST_CANDIDATES = 200
"""Of the nearest ones; those that the viewer may not see, or that have no such metric, are left out."""


def similar_models(viewer: Viewer, found: ModelDetail) -> Any:
    """Return the card; nothing for a model without metrics, or without others to compare it with."""
    if not found.metrics:
        return None
    metric, values = next(iter(found.metrics.items()))
    near = viewer.db.find.similar_models(found.model.id, [Criterion.PROJECT, metric], _MOST_CANDIDATES)
    rows, runs = [], [found.run.id]
    for model_id in viewer.may.visible("model", near):
        other = viewer.db.browse.model(model_id)
        if metric not in other.metrics:
            break  # the nearest come first, those without the metric last
        value = next(iter(other.metrics[metric].values()))
        runs.append(other.run.id)
        link = dcc.Link(other.run.label, href=viewer.address(f"/app/models/{model_id}"))
        cells = [html.Td(other.model.type_name), html.Td(format_number(value), className="num")]
        rows.append(html.Tr([html.Th(link, scope="row"), *cells]))
        if len(rows) == MOST_SIMILAR:
            break
    if not rows:
        return None
    head = html.Thead(html.Tr([html.Th("Model"), html.Th("Type"), html.Th(metric, className="num")]))
    table = html.Table([head, html.Tbody(rows)], className="compact", id="model-similar")
    compared = ",".join(str(run) for run in dict.fromkeys(runs))
    said = f"Of this project, those whose {metric} is nearest to {format_number(next(iter(values.values())))}. "
    link = dcc.Link("Compare these runs", href=viewer.address("/app/compare", runs=compared))
    return card(
        [html.P([said, link], className="soft"), html.Div(table, className="bounded", tabIndex=0)],
        title="Similar models",
    )
