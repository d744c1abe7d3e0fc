"""One example: what each model predicts for it, its nearest neighbours, and its values at every stage of a pipeline."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dash import ALL, Dash, Input, Output, State, ctx, html, no_update

from mistique_core.errors import MistiqueError, NotFoundError
from mistique_core.predictions import Assembled, Assembler, Matrix, nearest
from mistique_core.predictions.levels import STEPS
from mistique_core.predictions.problem import class_of_column
from mistique_ui.formats import format_number
from mistique_ui.interactive.intermediates.pictures import images
from mistique_ui.interactive.intermediates.subject import images_beside
from mistique_ui.interactive.page import MOST
from mistique_ui.interactive.parts import badge, card, nothing, problem
from mistique_ui.interactive.predictions.asked import Asked, assembled, assembler_of
from mistique_ui.interactive.predictions.explorer_pane import model_of, truth_text, values_at
from mistique_ui.interactive.predictions.rows import path_of
from mistique_ui.interactive.predictions.selection import Selection
from mistique_ui.interactive.router import explained
from mistique_ui.interactive.viewer import current_viewer

if TYPE_CHECKING:
    from mistique_core.predictions import PredictionSet
    from mistique_ui.interactive.intermediates.subject import Subject
    from mistique_ui.interactive.viewer import Viewer

log = logging.getLogger(__name__)

NEIGHBOURS = 10
MOST_VALUES = 80
MOST_MODELS = 60


def pane() -> Any:
    """Return the frame of the pane."""
    return html.Div(id="predictions-example-pane", **{"aria-live": "polite"})


def register(app: Dash) -> None:
    """Add the pane's callbacks."""

    @app.callback(
        Output("predictions-example-pane", "children"),
        Input("predictions-asked", "data"),
        Input("predictions-example", "data"),
    )
    def show(given: Any, example: Any) -> Any:
        row = row_of(example)
        if row is None:
            hint = "Click a cell of the matrix, or a row of the table, to see it at every stage of its pipeline."
            return card(nothing("No example is chosen", hint), title="Example")
        viewer = current_viewer()
        asked = Asked.from_json(given)
        try:
            return _example(viewer, assembled(viewer, asked), asked, row, example)
        except Exception as error:
            return card(problem(*explained(error)), title=f"Example {row}")

    @app.callback(
        Output("predictions-example", "data", allow_duplicate=True),
        Input({"type": "predictions-neighbour", "row": ALL}, "n_clicks"),
        State("predictions-example", "data"),
        prevent_initial_call=True,
    )
    def go(clicks: Any, example: Any) -> Any:
        chosen = ctx.triggered_id
        if not isinstance(clicks, list) or not any(clicks) or not isinstance(chosen, Mapping):
            return no_update
        row = row_of(chosen)
        if row is None:
            return no_update
        return {"row": row, "model": example.get("model") if isinstance(example, Mapping) else None}

    @app.callback(
        Output("predictions-selected", "data", allow_duplicate=True),
        Output("predictions-go-order", "data", allow_duplicate=True),
        Input("predictions-take-neighbours", "n_clicks"),
        State("predictions-asked", "data"),
        State("predictions-example", "data"),
        prevent_initial_call=True,
    )
    def take(clicks: int, given: Any, example: Any) -> Any:
        row = row_of(example)
        if not clicks or row is None:
            return no_update, no_update
        matrix = assembled(current_viewer(), Asked.from_json(given)).matrix
        near = nearest(matrix, matrix.position(row), NEIGHBOURS).positions
        rows = (row, *(int(matrix.row_ids[at]) for at in near))
        return str(Selection(rows)), f"near:{row}"


def row_of(example: Any) -> int | None:
    """Return the row id that a browser says."""
    row = example.get("row") if isinstance(example, Mapping) else None
    return row if isinstance(row, int) and 0 <= row <= MOST * 2**31 else None


def _example(viewer: Viewer, found: Assembled, asked: Asked, row: int, example: Any) -> Any:
    matrix = found.matrix
    position = matrix.position(row)
    item = model_of(found, example)
    head = html.P(
        [
            "Truth: ",
            html.Strong(
                format_number(truth_text(matrix, position))
                if matrix.problem.kind == "regression"
                else truth_text(matrix, position)
            ),
            f" · mean correctness {_mean(matrix, position):.3f} over {len(matrix.names)} models",
        ]
    )
    beside = images_beside(viewer, item.version_id)
    return card(
        [
            head,
            None if beside is None else images(viewer, beside, [row], others=True),
            html.Div(
                [
                    html.Section([html.H3("Predictions"), _predictions(assembler_of(viewer), found, asked, position)]),
                    html.Section(
                        [
                            html.H3("Nearest examples, by what the models predict"),
                            _neighbours(matrix, position),
                            None if beside is None else _pictured_neighbours(viewer, beside, matrix, position),
                        ]
                    ),
                ],
                className="columns",
            ),
            html.H3(f"At every stage of {item.model}@{item.version}"),
            html.Div(_stages(viewer, found, item, row), className="stages"),
        ],
        title=f"Example {row}",
    )


def _truth(matrix: Matrix, position: int) -> str:
    truth = truth_text(matrix, position)
    return format_number(truth) if matrix.problem.kind == "regression" else str(truth)


def _mean(matrix: Matrix, position: int) -> float:
    cells = [int(matrix.correctness(at, slice(position, position + 1))[0]) for at in range(len(matrix.names))]
    return sum(cells) / (len(cells) * STEPS)


def _predictions(assembler: Assembler, found: Assembled, asked: Asked, position: int) -> Any:
    matrix, kind = found.matrix, found.matrix.problem.kind
    what = "Predicted" if kind == "regression" else "Decides"
    detail = {
        "binary": f"Probability of {matrix.problem.classes[matrix.problem.positive or 0]}" if kind == "binary" else "",
        "multiclass": "Probability of the truth",
        "regression": "Error",
    }[kind]
    rows = []
    for at, item in enumerate(found.sets[:MOST_MODELS]):
        right = bool(matrix.is_right(at, asked.threshold)[position])
        shown, number = _shown(assembler, found, asked, at, position)
        sign = badge("right", "success") if right else badge("wrong", "failed")
        rows.append(
            html.Tr(
                [
                    html.Th(matrix.names[at], scope="row"),
                    html.Td(shown),
                    html.Td(number, className="num"),
                    html.Td(sign),
                ],
                title=item.name,
            )
        )
    head = html.Tr([html.Th("Model"), html.Th(what), html.Th(detail, className="num"), html.Th("")])
    more = len(found.sets) - len(rows)
    note = [html.P(f"{more} further models are not listed.", className="soft")] if more > 0 else []
    return html.Div([html.Table([html.Thead(head), html.Tbody(rows)], className="compact"), *note], className="scrolls")


def _shown(assembler: Assembler, found: Assembled, asked: Asked, at: int, position: int) -> tuple[str, str]:
    """Return what a model decides for a row, and its exact probability or error."""
    matrix, item = found.matrix, found.sets[at]
    here = matrix.row_ids[position : position + 1]
    if matrix.problem.kind == "regression":
        assert item.prediction is not None  # or it would have been left out
        value = float(assembler.value(item, item.prediction, int(here[0])))
        return format_number(value), format_number(value - float(matrix.truth.values[position]))
    decided = matrix.decisions(at, asked.threshold)[position]
    classes = matrix.problem.classes
    asked_for = int(matrix.truth.codes[position])
    name = classes[int(decided)]
    if matrix.problem.positive is not None:
        asked_for = matrix.problem.positive
        name = classes[asked_for if decided else 1 - asked_for]
    column = next((found for found in item.probabilities if class_of_column(found) == classes[asked_for]), None)
    if column is not None:
        return name, f"{assembler.value(item, column, int(here[0])):.4f}"
    if not item.probabilities:
        return name, "–"
    return name, f"{assembler.positive_probabilities(item, matrix.truth, here)[0]:.4f}"


def _neighbours(matrix: Matrix, position: int) -> Any:
    near = nearest(matrix, position, NEIGHBOURS)
    rows = []
    for at, far in zip(near.positions, near.distances, strict=True):
        row = int(matrix.row_ids[at])
        button = html.Button(
            f"{row}",
            id={"type": "predictions-neighbour", "row": row},
            n_clicks=0,
            className="link",
            title=f"Show example {row}",
        )
        truth = truth_text(matrix, int(at))
        other = (
            html.Span(" differs", className="bad")
            if truth != truth_text(matrix, position) and matrix.problem.classes
            else None
        )
        shown = format_number(truth) if matrix.problem.kind == "regression" else str(truth)
        rows.append(
            html.Tr(
                [
                    html.Td(button),
                    html.Td([shown, other]),
                    html.Td(f"{_mean(matrix, int(at)):.3f}", className="num"),
                    html.Td(f"{far:.4f}", className="num"),
                ]
            )
        )
    head = html.Tr(
        [
            html.Th("Row"),
            html.Th("Truth"),
            html.Th("Mean correctness", className="num"),
            html.Th("Distance", className="num"),
        ]
    )
    return html.Div(
        [
            html.Table([html.Thead(head), html.Tbody(rows)], className="compact"),
            html.P(
                html.Button("Select them, and order all rows by distance", id="predictions-take-neighbours", n_clicks=0)
            ),
        ],
        className="scrolls",
    )


def _pictured_neighbours(viewer: Viewer, beside: Subject, matrix: Matrix, position: int) -> Any:
    rows = [int(matrix.row_ids[at]) for at in nearest(matrix, position, NEIGHBOURS).positions]
    return images(viewer, beside, rows, others=True) if rows else None


def _stages(viewer: Viewer, found: Assembled, item: PredictionSet, row: int) -> list[Any]:
    """Return the example at each stage: what that stage has changed, and the rest folded away."""
    _, path = path_of(viewer, item)
    parts: list[Any] = []
    before: dict[str, str] = {}
    for node in path:
        try:
            _, frame = values_at(viewer, item, node.name, [row])
            values = {str(name): _value(frame[name].iloc[0]) for name in frame.columns}
            content = _values(values, before, len(node.columns))
            before |= values
        except NotFoundError as error:
            log.debug("%s of row %d: %s", node.name, row, error)
            content = html.P("It does not hold this example, or nothing but maps.", className="soft")
        except MistiqueError as error:
            content = html.P("; ".join(part for part in explained(error) if part), className="soft")
        made = "logged by hand" if node.stage is None else node.stage.operator
        title = html.Summary([html.Strong(node.name), html.Span(f" {made}", className="soft")])
        parts.append(html.Details([title, content], open=True))
    return parts


def _values(values: Mapping[str, str], before: Mapping[str, str], columns: int) -> Any:
    new = {name: value for name, value in values.items() if before.get(name) != value}
    same = {name: value for name, value in values.items() if name not in new}
    parts: list[Any] = []
    if new:
        parts.append(_list(new))
    else:
        parts.append(html.P("It changes no value of this example.", className="soft"))
    if same:
        more = html.Summary(f"{len(same):,} {'column' if len(same) == 1 else 'columns'} as before", className="soft")
        parts.append(html.Details([more, _list(same)], className="folded"))
    if columns > len(values):
        parts.append(html.P(f"{columns - len(values):,} further columns are not shown.", className="soft"))
    return html.Div(parts)


def _list(values: Mapping[str, str]) -> html.Dl:
    shown = list(values.items())[:MOST_VALUES]
    cells = [html.Div([html.Dt(name, title=name), html.Dd(value)]) for name, value in shown]
    if len(values) > len(shown):
        cells.append(html.Div([html.Dt("…"), html.Dd(f"and {len(values) - len(shown):,} more")]))
    return html.Dl(cells, className="values")


def _value(value: Any) -> str:
    if isinstance(value, float) or getattr(getattr(value, "dtype", None), "kind", "") == "f":
        return format_number(float(value))
    return str(value)[:200]
