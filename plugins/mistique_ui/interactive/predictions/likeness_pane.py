"""Where models differ: churn between each two of them, and their performance in groups of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from dash import Dash, Input, Output, State, dcc, html, no_update

from mistique_core.model import IntermediateKey
from mistique_core.predictions import Assembled, churn
from mistique_core.predictions.groups import group_accuracy, group_correctness
from mistique_ui.interactive.parts import card, labelled, problem
from mistique_ui.interactive.predictions.asked import Asked, assembled, text
from mistique_ui.interactive.predictions.matrix_pane import column_order
from mistique_ui.interactive.predictions.rows import groups
from mistique_ui.interactive.predictions.share_table import share_table
from mistique_ui.interactive.router import explained
from mistique_ui.interactive.viewer import current_viewer

MOST_SHOWN_GROUPS = 60
SIDE_BY_SIDE = 5
"""Models up to which both tables fit beside each other."""
MEASURES = {"right": "share of right decisions", "correctness": "mean correctness"}


def pane(options: list[dict[str, str]], group: str | None, models: int) -> Any:
    """Return the frame of the pane: two cards, beside each other where their tables are narrow enough."""
    return html.Div(
        [
            card(
                [
                    html.P(
                        "The share of rows for which two models decide differently; models in the order of the matrix.",
                        className="soft",
                        id="predictions-churn-says",
                    ),
                    html.Div(id="predictions-churn"),
                ],
                title="Churn between models",
            ),
            card(
                [
                    html.Div(
                        [
                            html.Div(
                                labelled(
                                    "Group rows by",
                                    dcc.Dropdown(
                                        id="predictions-group", options=options, value=group, placeholder="a column"
                                    ),
                                    "A column of any stage; numbers with many values are cut at their quantiles",
                                ),
                                className="wide-field",
                            ),
                            labelled(
                                "Show",
                                dcc.Dropdown(
                                    id="predictions-measure", options=MEASURES, value="right", clearable=False
                                ),
                            ),
                            html.Button("Order rows by these groups", id="predictions-group-order", n_clicks=0),
                        ],
                        className="controls",
                    ),
                    html.Div(id="predictions-groups"),
                ],
                title="Performance in groups",
            ),
        ],
        className="columns" if models <= SIDE_BY_SIDE else None,
    )


def register(app: Dash) -> None:
    """Add the pane's callbacks."""

    @app.callback(
        Output("predictions-churn", "children"),
        Input("predictions-asked", "data"),
        Input("predictions-columns", "value"),
    )
    def show_churn(given: Any, columns: Any) -> Any:
        asked = Asked.from_json(given)
        found = assembled(current_viewer(), asked)
        return churn_part(found, asked, text(columns, "the order of models") or "chosen")

    @app.callback(
        Output("predictions-groups", "children"),
        Input("predictions-asked", "data"),
        Input("predictions-group", "value"),
        Input("predictions-measure", "value"),
        Input("predictions-columns", "value"),
    )
    def show_groups(given: Any, group: Any, measure: Any, columns: Any) -> Any:
        key = text(group, "the column")
        if key is None:
            return html.P("Choose a column, such as a feature, to see where models fail.", className="soft")
        asked = Asked.from_json(given)
        viewer = current_viewer()
        found = assembled(viewer, asked)
        try:
            return _groups(viewer, found, asked, key, str(measure), text(columns, "the order") or "chosen")
        except Exception as error:
            return problem(*explained(error))

    @app.callback(
        Output("predictions-go-order", "data"),
        Input("predictions-group-order", "n_clicks"),
        State("predictions-group", "value"),
        prevent_initial_call=True,
    )
    def order(clicks: int, group: Any) -> Any:
        key = text(group, "the column")
        return f"group:{IntermediateKey.parse(key)}" if clicks and key else no_update


def churn_part(found: Assembled, asked: Asked, columns: str) -> Any:
    """Return the table of churn."""
    names = found.matrix.names
    if len(names) < 2:
        return html.P("Choose two models or more.", className="soft")
    places = column_order(found.matrix, columns)
    shares = churn(found.matrix, asked.threshold)[np.ix_(places, places)]
    np.fill_diagonal(shares, np.nan)
    shown = [names[at] for at in places]
    return share_table("predictions-churn-table", shares, shown, shown, "", "Share of rows decided differently")


def _groups(viewer: Any, found: Assembled, asked: Asked, key: str, measure: str, columns: str) -> Any:
    matrix = found.matrix
    by = groups(viewer, matrix, key)
    by_decision = measure != "correctness"
    values = group_accuracy(matrix, by, asked.threshold) if by_decision else group_correctness(matrix, by)
    places = column_order(matrix, columns)
    down = [f"{name} ({size:,})" for name, size in zip(by.names, by.sizes, strict=True)][:MOST_SHOWN_GROUPS]
    what = MEASURES.get(measure, MEASURES["right"])
    table = share_table(
        "predictions-groups-table",
        values[:MOST_SHOWN_GROUPS, places],
        [matrix.names[at] for at in places],
        down,
        IntermediateKey.parse(key).column,
        what,
    )
    more = len(by.names) - len(down)
    note = [html.P(f"{more} further groups are not shown.", className="soft")] if more > 0 else []
    if matrix.problem.kind == "regression" and by_decision:
        note.append(html.P("Right: an error of at most a tenth of the label's standard deviation.", className="soft"))
    return [table, *note]
