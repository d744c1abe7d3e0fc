"""A layer of a network: averages of units by class (ActiVis), and the examples that excite a unit most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from dash import html

from mistique_core.diagnostics.result import as_json
from mistique_ui.interactive.answer_table import answer_table
from mistique_ui.interactive.intermediates.pictures import MOST_IMAGES, images
from mistique_ui.interactive.intermediates.reading import answered
from mistique_ui.interactive.intermediates.subject import Subject, images_beside
from mistique_ui.interactive.theme import SEQUENTIAL, graph

if TYPE_CHECKING:
    from mistique_core.diagnostics import DiagnosticResult
    from mistique_ui.interactive.viewer import Viewer

MOST_UNITS_DRAWN = 512


def heatmap(viewer: Viewer, subject: Subject, group: str | None) -> Any:
    """Return the average of each unit over the examples of each class, as a heatmap of units by classes."""
    request: dict[str, Any] = {"keys": [subject.key], **({"group": group} if group else {})}

    def show(result: DiagnosticResult) -> Any:
        table = result.frame
        averages = table.to_numpy(dtype=np.float64)
        spread = np.nan_to_num(averages.max(axis=1) - averages.min(axis=1), nan=-1.0)
        order = np.argsort(-spread, kind="stable")[:MOST_UNITS_DRAWN] if len(table) > MOST_UNITS_DRAWN else None
        shown = table if order is None else table.iloc[np.sort(order)]
        note = None
        if order is not None:
            note = f"The {MOST_UNITS_DRAWN} units of {len(table):,} whose averages differ most between classes."
        figure = go.Figure(
            go.Heatmap(
                z=[[as_json(value) for value in row] for row in shown.to_numpy(dtype=np.float64).T],
                x=[str(name) for name in shown.index],
                y=[str(name) for name in shown.columns],
                colorscale=SEQUENTIAL,
                colorbar={"title": "average", "thickness": 12},
                hovertemplate="unit %{x}<br>class %{y}<br>average %{z:.4g}<extra></extra>",
            )
        )
        figure.update_xaxes(title="unit", type="category", nticks=30)
        figure.update_yaxes(title=str(result.facts["group"] or "all rows"), type="category", autorange="reversed")
        return [
            html.P(result.sentence, className="sentence"),
            html.P(note, className="soft") if note else None,
            graph("intermediates-heat", figure, height=max(240, 130 + 24 * shown.shape[1]), label=result.sentence),
        ]

    return answered(viewer, "intermediates-heat-ask", "vis", request, show)


def top_rows(viewer: Viewer, subject: Subject, unit: str, count: int, *, largest: bool) -> Any:
    """Return the examples with the largest, or smallest, values of a unit: as images where there are some."""
    request = {"key": f"{subject.key}.{unit}", "k": min(count, MOST_IMAGES), "largest": largest}
    beside = subject if subject.is_images else images_beside(viewer, subject.record.model_version_id)

    def show(result: DiagnosticResult) -> Any:
        told: list[Any] = [html.P(result.sentence, className="sentence", id="intermediates-top-sentence")]
        if beside is not None:
            values = [as_json(value) for value in result.frame.iloc[:, 0]]
            captions = [f"row {row}: {value:.4g}" for row, value in zip(result.row_id, values, strict=True)]
            told.append(images(viewer, beside, result.row_id.tolist(), captions))
        table = answer_table("intermediates-top-table", result.to_json())
        return [*told, table if beside is None else html.Details([html.Summary("As a table"), table])]

    return answered(viewer, "intermediates-top-ask", "topk", request, show)
