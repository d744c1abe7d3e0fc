"""The Input Data Explorer: the selected rows at any stage of a pipeline (thesis 6.2.3, and its future work)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from dash import Dash, Input, Output, Patch, State, ctx, dcc, html, no_update

from mistique_core.catalogue.version_stages import IntermediateNode
from mistique_core.errors import NotFoundError
from mistique_core.frames import LogicalType
from mistique_core.model.whole_number import whole_number
from mistique_core.predictions import Assembled, Matrix, PredictionSet
from mistique_core.predictions.levels import STEPS
from mistique_core.predictions.orders import total_correctness
from mistique_ui.interactive.parts import card, labelled, problem
from mistique_ui.interactive.predictions.asked import Asked, assembled, text
from mistique_ui.interactive.predictions.rows import key_of, path_of, selected, shown_in
from mistique_ui.interactive.predictions.selection import Selection
from mistique_ui.interactive.router import explained
from mistique_ui.interactive.theme import grid
from mistique_ui.interactive.viewer import current_viewer

if TYPE_CHECKING:
    import pandas as pd

    from mistique_ui.interactive.viewer import Viewer

MOST_ROWS, MOST_COLUMNS = 1_000, 200


def pane(stage: str | None) -> Any:
    """Return the frame of the pane."""
    return card(
        [
            html.Div(
                [
                    html.Div(
                        labelled(
                            "Data of stage",
                            dcc.Dropdown(id="predictions-stage", options=[], value=stage, clearable=False),
                            "Any intermediate on the way to the predictions",
                        ),
                        className="wide-field",
                    ),
                    labelled("Search", dcc.Input(id="predictions-search", type="search", placeholder="any value")),
                    html.Button("Select the marked rows", id="predictions-mark", n_clicks=0),
                    html.Button("Select all rows again", id="predictions-clear", n_clicks=0),
                ],
                className="controls",
            ),
            html.P(id="predictions-data-says", className="soft", **{"aria-live": "polite"}),
            html.Div(id="predictions-data"),
        ],
        title="Input data",
    )


def register(app: Dash) -> None:
    """Add the pane's callbacks."""

    @app.callback(
        Output("predictions-stage", "options"),
        Output("predictions-stage", "value"),
        Input("predictions-asked", "data"),
        Input("predictions-example", "data"),
        State("predictions-stage", "value"),
    )
    def offer(given: Any, example: Any, current: Any) -> Any:
        viewer = current_viewer()
        found = assembled(viewer, Asked.from_json(given))
        item = model_of(found, example)
        _, path = path_of(viewer, item)
        names = [node.name for node in path]
        options = [
            {"label": f"{node.name} ({node.rows:,} rows, {len(node.columns):,} columns)", "value": node.name}
            for node in path
        ]
        chosen = text(current, "the stage")
        return options, chosen if chosen in names else names[0]

    @app.callback(
        Output("predictions-data", "children"),
        Output("predictions-data-says", "children"),
        Input("predictions-asked", "data"),
        Input("predictions-selected", "data"),
        Input("predictions-stage", "value"),
        Input("predictions-order", "value"),
        State("predictions-example", "data"),
        State("predictions-search", "value"),
    )
    def show(given: Any, selection: Any, stage: Any, order: Any, example: Any, words: Any) -> Any:
        name = text(stage, "the stage")
        if name is None:
            return no_update, no_update
        viewer = current_viewer()
        found = assembled(viewer, Asked.from_json(given))
        try:
            chosen = selected(viewer, found.matrix, text(selection, "the selection"))
            places = shown_in(viewer, found.matrix, text(order, "the order")).permutation if chosen is None else chosen
            item = model_of(found, example)
            rows = np.asarray(places[:MOST_ROWS], dtype=np.int64)
            table = _table(viewer, found.matrix, item, name, rows, text(words, "the search") or "")
        except Exception as error:
            return problem(*explained(error)), ""
        total = found.matrix.rows if chosen is None else len(chosen)
        what = "selected rows" if chosen is not None else "rows in the order of the matrix"
        first = f"The first {MOST_ROWS:,} of {total:,}" if total > MOST_ROWS else f"{total:,}"
        return table, f"{first} {what}, at stage {name} of {item.model}. Click a row for its example."

    @app.callback(
        Output("predictions-grid", "dashGridOptions"),
        Input("predictions-search", "value"),
        prevent_initial_call=True,
    )
    def search(words: Any) -> Any:
        change = Patch()
        change["quickFilterText"] = text(words, "the search") or ""
        return change

    @app.callback(
        Output("predictions-example", "data", allow_duplicate=True),
        Input("predictions-grid", "cellClicked"),
        State("predictions-example", "data"),
        prevent_initial_call=True,
    )
    def click(cell: Any, example: Any) -> Any:
        row = cell.get("rowId") if isinstance(cell, dict) else None
        number = whole_number(row, most=2**63 - 1) if isinstance(row, str) else None
        if number is None:
            return no_update
        return {"row": number, "model": example.get("model") if isinstance(example, dict) else None}

    @app.callback(
        Output("predictions-selected", "data", allow_duplicate=True),
        Input("predictions-mark", "n_clicks"),
        Input("predictions-clear", "n_clicks"),
        State("predictions-grid", "selectedRows"),
        prevent_initial_call=True,
    )
    def mark(_marked: int, _cleared: int, rows: Any) -> Any:
        if ctx.triggered_id == "predictions-clear":
            return ""
        ids = [row.get("row_id") for row in (rows if isinstance(rows, list) else []) if isinstance(row, dict)]
        if not ids:
            raise NotFoundError("no row is marked; mark rows by their boxes in the table")
        return str(Selection.parse("rows:" + ",".join(str(item) for item in ids)))


def model_of(found: Assembled, example: Any) -> PredictionSet:
    """Return the model whose pipeline is shown: the one that was clicked, else the first."""
    name = example.get("model") if isinstance(example, dict) else None
    return next((item for item in found.sets if item.name == name), found.sets[0])


def values_at(viewer: Viewer, item: PredictionSet, stage: str, row_ids: Any) -> tuple[IntermediateNode, pd.DataFrame]:
    """Return those of some rows that a stage holds, in their order; units whose values are maps are left out.

    Raises
    ------
    NotFoundError
        If there is no such intermediate, or it holds none of the rows.
    MistiqueError
        If it is not stored.
    """
    graph, path = path_of(viewer, item)
    node = next((found for found in path if found.name == stage), None)
    if node is None:
        raise NotFoundError(f"{item.model} has no stage output {stage[:80]!r}; choose one of the list")
    names = [column.name for column in node.columns if not LogicalType.from_json(column.logical_type).map_shape]
    if not names:
        raise NotFoundError(f"{stage!r} holds maps, which are no table; see them on the page of its intermediate")
    is_whole = len(names) == len(node.columns) <= MOST_COLUMNS
    keys = [key_of(graph, node)] if is_whole else [key_of(graph, node, name) for name in names[:MOST_COLUMNS]]
    try:
        frame = viewer.store.get_intermediates(keys, row_id=row_ids, strategy="read").frame
    except NotFoundError:
        known = viewer.store.get_intermediates(key_of(graph, node, names[0]), strategy="read").row_id
        held = np.asarray(row_ids)[np.isin(row_ids, known)]
        if not len(held):
            raise NotFoundError(f"{stage!r} holds none of these rows; choose another stage") from None
        frame = viewer.store.get_intermediates(keys, row_id=held, strategy="read").frame
    return node, frame


def plain(value: Any) -> Any:
    """Return a stored value as the browser can show and sort it."""
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else str(value)
    return str(value)[:300]


def truth_text(matrix: Matrix, position: int) -> Any:
    """Return what is true for a row."""
    if matrix.problem.kind == "regression":
        return plain(matrix.truth.values[position])
    return matrix.problem.classes[matrix.truth.codes[position]]


def _table(viewer: Viewer, matrix: Matrix, item: PredictionSet, stage: str, places: Any, words: str) -> Any:
    node, frame = values_at(viewer, item, stage, matrix.row_ids[places])
    held = matrix.positions(frame.index.to_numpy())
    means = total_correctness(matrix)[held] / (len(matrix.names) * STEPS)
    rows = []
    for at, (row_id, values) in enumerate(zip(frame.index, frame.itertuples(index=False, name=None), strict=True)):
        row = {f"c{number}": plain(value) for number, value in enumerate(values)}
        place = int(held[at])
        mean = round(float(means[at]), 4)
        own = {"id": str(row_id), "row_id": int(row_id), "truth": truth_text(matrix, place), "mean": mean}
        rows.append(own | row)
    number = {"type": "rightAligned", "valueFormatter": {"function": "significant(params.value)"}}
    columns: list[dict[str, Any]] = [
        {"field": "row_id", "headerName": "Row", "pinned": "left", "width": 92, "type": "rightAligned"},
        {"field": "truth", "headerName": "Truth", "pinned": "left", "width": 96},
        {
            "field": "mean",
            "headerName": "Mean correctness",
            "pinned": "left",
            "width": 128,
            "wrapHeaderText": True,
            **number,
        },
    ]
    for at, name in enumerate(frame.columns):
        kind = number if frame[name].dtype.kind in "iuf" else {}
        columns.append({"field": f"c{at}", "headerName": str(name), "minWidth": 110, **kind})
    more = len(node.columns) - len(frame.columns)
    note = [html.P(f"{more:,} further columns are not shown.", className="soft")] if more > 0 else []
    return [
        grid(
            "predictions-grid",
            columns,
            rows,
            getRowId="params.data.id",
            style={"height": "390px"},
            dashGridOptions={
                "rowSelection": {"mode": "multiRow", "enableClickSelection": False},
                "pagination": True,
                "paginationPageSize": 100,
                "quickFilterText": words,
            },
        ),
        *note,
    ]
