"""The Prediction Matrix pane: order, zoom, selection (thesis 6.2.1). A viewport is answered by a few bins of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update

from mistique_core.errors import InvalidInputError
from mistique_core.predictions import Matrix, view
from mistique_core.predictions.clusters import model_order
from mistique_core.predictions.ordering import Order
from mistique_core.predictions.viewport import MOST_BINS
from mistique_ui.interactive.parts import card, labelled
from mistique_ui.interactive.predictions.asked import CACHE, Asked, assembled, text
from mistique_ui.interactive.predictions.matrix_view import matrix_view
from mistique_ui.interactive.predictions.rows import shown_in
from mistique_ui.interactive.predictions.selection import Selection
from mistique_ui.interactive.viewer import current_viewer

COLUMN_ORDERS = {"chosen": "by name", "similar": "similar ones together", "worst": "worst first", "best": "best first"}
BUTTONS = {"all": "All rows", "in": "Zoom in", "out": "Zoom out", "up": "Up", "down": "Down"}
_LEAST_ROWS = 4


@dataclass(frozen=True)
class Span:
    """Rows that are shown, by position in the order: from the first (inclusive) to the last (exclusive)."""

    first: int
    stop: int

    @classmethod
    def of(cls, given: Any, rows: int) -> Span:
        """Return what a browser says, within the rows that there are; all of them for anything else."""
        if isinstance(given, list) and len(given) == 2 and all(isinstance(item, int) for item in given):
            first, stop = max(given[0], 0), min(given[1], rows)
            if first < stop:
                return cls(first, stop)
        return cls(0, rows)

    def moved(self, button: str, rows: int) -> Span:
        """Return what a button leads to."""
        size = self.stop - self.first
        middle = (self.first + self.stop) // 2
        if button == "all":
            return Span(0, rows)
        if button in ("in", "out"):
            half = max(size // 4 if button == "in" else size, _LEAST_ROWS // 2)
            return Span(max(middle - half, 0), min(middle + half, rows))
        step = max(size // 2, 1) * (-1 if button == "up" else 1)
        first = min(max(self.first + step, 0), max(rows - size, 0))
        return Span(first, min(first + size, rows))

    def asked(self, change: Any, rows: int) -> Span:
        """Return what a drag, a wheel or a key asks for."""
        ends = [change.get("first"), change.get("stop")] if isinstance(change, Mapping) else []
        if len(ends) != 2 or not all(isinstance(item, int) for item in ends):
            raise InvalidInputError("the matrix does not say which rows to show; press 'All rows'")
        first, stop = (min(max(item, 0), rows) for item in ends)
        if stop - first < _LEAST_ROWS:
            first = max(min(first, rows - _LEAST_ROWS), 0)
            stop = min(first + _LEAST_ROWS, rows)
        return Span(first, stop)


def order_options(matrix: Matrix, current: str) -> list[dict[str, str]]:
    """Return the orders of rows that can be chosen."""
    options = [
        {"label": "mean error, worst first", "value": "error"},
        {"label": "disagreement of models", "value": "disagreement"},
        {"label": "the truth", "value": "truth"},
        {"label": "clusters of similar rows", "value": "clusters"},
        {"label": "row id", "value": "row_id"},
        *({"label": f"error of {name}", "value": f"model:{name}"} for name in matrix.names),
    ]
    order = Order.parse(current)
    if order.kind == "near":
        options.append({"label": f"nearest to row {order.of}", "value": current})
    if order.kind == "group":
        options.append({"label": f"groups of {order.of.rpartition('.')[2]}", "value": current})
    return options


def column_order(matrix: Matrix, name: str) -> list[int]:
    """Return the models in the order that is chosen."""
    models = list(range(len(matrix.names)))
    if name == "similar":
        return CACHE.get(("columns", matrix.address), lambda: _Places(model_order(matrix))).places
    if name in ("worst", "best"):
        totals = CACHE.get(("totals", matrix.address), lambda: _Places(_totals(matrix))).places
        return sorted(models, key=lambda at: totals[at] if name == "worst" else -totals[at])
    return models


def pane(order: str, columns: str, options: list[dict[str, str]]) -> Any:
    """Return the frame of the pane."""
    buttons = [html.Button(label, id=f"predictions-{name}", n_clicks=0) for name, label in BUTTONS.items()]
    return card(
        [
            html.Div(
                [
                    labelled(
                        "Rows ordered by",
                        dcc.Dropdown(id="predictions-order", options=options, value=order, clearable=False),
                    ),
                    labelled(
                        "Models ordered",
                        dcc.Dropdown(id="predictions-columns", options=COLUMN_ORDERS, value=columns, clearable=False),
                    ),
                    html.Div(buttons, className="buttons", role="group", **{"aria-label": "Rows that are shown"}),
                    html.Button("Select these rows", id="predictions-select", n_clicks=0, className="primary"),
                ],
                className="controls",
            ),
            html.P(id="predictions-shown", className="soft", **{"aria-live": "polite"}),
            html.Div(
                id="predictions-matrix",
                tabIndex=0,
                role="application",
                **{"aria-label": "Prediction matrix. Arrows move the rows, plus and minus zoom, Home shows all"},
            ),
            dcc.Store(id="predictions-view"),
            dcc.Store(id="predictions-gesture"),
            dcc.Store(id="predictions-clicked"),
            dcc.Store(id="predictions-drawn"),
        ],
        title="Prediction matrix",
    )


def register(app: Dash) -> None:
    """Add the pane's callbacks."""

    @app.callback(
        Output("predictions-view", "data"),
        Output("predictions-span", "data"),
        Output("predictions-shown", "children"),
        Input("predictions-asked", "data"),
        Input("predictions-order", "value"),
        Input("predictions-columns", "value"),
        Input("predictions-gesture", "data"),
        *(Input(f"predictions-{name}", "n_clicks") for name in BUTTONS),
        State("predictions-span", "data"),
    )
    def show(asked: Any, order: Any, columns: Any, change: Any, *rest: Any) -> Any:
        viewer = current_viewer()
        matrix = assembled(viewer, Asked.from_json(asked)).matrix
        span = Span.of(rest[-1], matrix.rows)
        triggers = {str(name).partition(".")[0].removeprefix("predictions-") for name in ctx.triggered_prop_ids}
        if triggers == {"gesture"}:
            span = span.asked(change, matrix.rows)
        elif len(triggers) == 1 and triggers <= set(BUTTONS):
            span = span.moved(triggers.pop(), matrix.rows)
        shown = shown_in(viewer, matrix, text(order, "the order"))
        seen = view(shown, span.first, span.stop, MOST_BINS)
        models = column_order(matrix, text(columns, "the order of models") or "chosen")
        picture = matrix_view(matrix, seen, span.first, span.stop, models)
        return picture, [span.first, span.stop], _status(matrix, span, seen.step)

    app.clientside_callback(
        ClientsideFunction("predictions", "draw"),
        Output("predictions-drawn", "data"),
        Input("predictions-view", "data"),
    )

    @app.callback(
        Output("predictions-order", "options"),
        Output("predictions-order", "value"),
        Input("predictions-asked", "data"),
        Input("predictions-go-order", "data"),
        State("predictions-order", "value"),
        prevent_initial_call=True,
    )
    def offer(asked: Any, wanted: Any, current: Any) -> Any:
        viewer = current_viewer()
        matrix = assembled(viewer, Asked.from_json(asked)).matrix
        chosen = text(wanted if ctx.triggered_id == "predictions-go-order" else current, "the order") or "error"
        order = Order.parse(chosen)
        if order.kind == "model" and order.of not in matrix.names:
            chosen = "error"
        return order_options(matrix, chosen), chosen

    @app.callback(
        Output("predictions-selected", "data", allow_duplicate=True),
        Input("predictions-select", "n_clicks"),
        State("predictions-span", "data"),
        State("predictions-order", "value"),
        prevent_initial_call=True,
    )
    def select(clicks: int, span: Any, order: Any) -> Any:
        shown = Span.of(span, 2**62)
        chosen = str(Order.parse(text(order, "the order") or "error"))
        return str(Selection(order=chosen, span=(shown.first, shown.stop))) if clicks else no_update

    @app.callback(
        Output("predictions-example", "data", allow_duplicate=True),
        Output("predictions-selected", "data", allow_duplicate=True),
        Input("predictions-clicked", "data"),
        State("predictions-asked", "data"),
        State("predictions-order", "value"),
        State("predictions-columns", "value"),
        State("predictions-span", "data"),
        prevent_initial_call=True,
    )
    def click(event: Any, asked: Any, order: Any, columns: Any, span: Any) -> Any:
        viewer = current_viewer()
        found = assembled(viewer, Asked.from_json(asked))
        across, down = _clicked(event)
        shown = shown_in(viewer, found.matrix, text(order, "the order"))
        seen = Span.of(span, found.matrix.rows)
        step = view(shown, seen.first, seen.stop, MOST_BINS).step
        first = min(down, found.matrix.rows - 1) // step * step
        chosen = found.matrix.row_ids[shown.permutation[first : first + step]]
        name = None
        if across is not None:
            places = column_order(found.matrix, text(columns, "the order of models") or "chosen")
            if 0 <= across < len(places):
                name = found.sets[places[across]].name
        selection: Any = no_update
        if step > 1:
            selection = str(Selection(order=str(shown_order(order)), span=(first, first + len(chosen))))
        return {"row": int(chosen[0]), "model": name}, selection


def shown_order(order: Any) -> Order:
    """Return the order that a control says."""
    return Order.parse(text(order, "the order") or "error")


def _clicked(event: Any) -> tuple[int | None, int]:
    """Return the column (``None`` for the truth) and the row of a click."""
    across, down = (event.get("model"), event.get("row")) if isinstance(event, Mapping) else (None, None)
    if not isinstance(across, int) or not isinstance(down, int) or down < 0:
        raise InvalidInputError("the click names no cell; click into the matrix again")
    return (across if across >= 0 else None), down


@dataclass(frozen=True)
class _Places:
    places: list[int]

    @property
    def nbytes(self) -> int:
        return 64 + 8 * len(self.places)


def _totals(matrix: Matrix) -> list[int]:
    return [int(matrix.correctness(at).sum(dtype="int64")) for at in range(len(matrix.names))]


def _status(matrix: Matrix, span: Span, step: int) -> str:
    each = "a line is one row" if step == 1 else f"a line is the mean of {step:,} rows"
    return (
        f"Rows {span.first:,} to {span.stop - 1:,} of {matrix.rows:,}, {len(matrix.names):,} models; {each}. "
        "Drag to zoom, double-click for all rows, click a cell for its example; shift and wheel zoom, too."
    )
