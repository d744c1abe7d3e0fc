"""The page of the PredictionVisualizer (thesis chapter 6): address, controls, and the panes' common state."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from mistique_core.errors import MistiqueError, NotFoundError
from mistique_core.predictions import Assembled, summarise
from mistique_ui.interactive.page import Arguments, Page
from mistique_ui.interactive.parts import heading, nothing, problem
from mistique_ui.interactive.predictions import (
    example_pane,
    explorer_pane,
    likeness_pane,
    matrix_pane,
    summary_pane,
)
from mistique_ui.interactive.predictions.asked import (
    CACHE,
    Asked,
    assembled,
    assembler_of,
    chosen_sets,
    sets_of,
    text,
    threshold_of,
)
from mistique_ui.interactive.predictions.controls import controls, positive_field
from mistique_ui.interactive.predictions.rows import group_options, selected
from mistique_ui.interactive.router import explained
from mistique_ui.interactive.viewer import Viewer, current_viewer

_KEEP = (
    "let the Predict stage of its pipeline keep the label, such as params: {keep: [label]}, "
    "and trigger it again; docs/predictions.md shows how"
)


def layout(viewer: Viewer, arguments: Arguments) -> Any:
    """Return the page."""
    query = arguments.query
    project = arguments.number("project", 0) or _first_project(viewer)
    if not project:
        return [heading("Predictions"), nothing("There are no predictions yet", f"To see some, {_KEEP}.")]
    models = tuple(item for item in query.get("models", "").split(",") if item)
    asked = Asked(project, models, query.get("label"), query.get("positive"), threshold_of(query.get("threshold")))
    asked = Asked.from_json(asked.to_json())
    sets = sets_of(viewer, project)
    if not sets:
        none = nothing("No model of this project has predictions beside a label", f"To see some, {_KEEP}.")
        return [heading("Predictions"), none, _projects(viewer)]
    try:
        chosen, label = chosen_sets(sets, asked)
        found = assembled(viewer, asked)
    except MistiqueError as error:
        return [heading("Predictions"), nothing(*explained(error)), _projects(viewer)]
    order = query.get("order", "error")
    return [
        heading("Predictions"),
        controls(viewer, asked, sets, chosen, label, found.matrix.problem),
        html.Div(_notes(found), id="predictions-notes"),
        _state(asked, query),
        summary_pane.pane(
            [
                html.Div(
                    [
                        dcc.RadioItems(
                            id="predictions-scope",
                            options=_scopes(None),
                            value="selected" if query.get("selected") else "all",
                            inline=True,
                            className="choice",
                        )
                    ],
                    className="controls",
                ),
                html.Div(id="predictions-summary"),
            ]
        ),
        matrix_pane.pane(order, query.get("columns", "chosen"), matrix_pane.order_options(found.matrix, order)),
        likeness_pane.pane(group_options(viewer, found.sets[0]), query.get("group"), len(found.sets)),
        explorer_pane.pane(query.get("stage")),
        example_pane.pane(),
    ]


def register(app: Dash) -> None:
    """Add the callbacks of the page and its panes."""
    _register_controls(app)
    _register_summary(app)
    _register_address(app)
    for part in (matrix_pane, likeness_pane, explorer_pane, example_pane):
        part.register(app)


def _register_controls(app: Dash) -> None:
    @app.callback(
        Output("predictions-go", "href"),
        Input("predictions-project", "value"),
        State("predictions-asked", "data"),
        prevent_initial_call=True,
    )
    def other_project(project: Any, given: Any) -> Any:
        if not isinstance(project, int) or project == Asked.from_json(given).project:
            return no_update
        return current_viewer().address("/app/predictions", project=project)

    @app.callback(
        Output("predictions-asked", "data"),
        Output("predictions-notes", "children"),
        Output("predictions-positive-field", "children"),
        Output("predictions-threshold-field", "hidden"),
        Input("predictions-models", "value"),
        Input("predictions-label", "value"),
        Input("predictions-positive", "value"),
        Input("predictions-threshold", "value"),
        State("predictions-asked", "data"),
        prevent_initial_call=True,
    )
    def choose(models: Any, label: Any, positive: Any, threshold: Any, given: Any) -> Any:
        before = Asked.from_json(given)
        viewer = current_viewer()
        if not models:
            raise NotFoundError("no model is chosen; choose at least one")
        asked = Asked.from_json(
            {"project": before.project, "models": models, "label": label, "positive": positive, "threshold": threshold}
        )
        if asked.label != before.label and before.label is not None:
            asked = Asked(asked.project, asked.models, asked.label, None, asked.threshold)
        try:
            found = assembled(viewer, asked)
        except MistiqueError as error:
            return no_update, problem(*explained(error)), no_update, no_update
        if asked == before:
            return no_update, _notes(found), no_update, no_update
        kind = found.matrix.problem
        field = positive_field(kind) if asked.label != before.label else no_update
        return asked.to_json(), _notes(found), field, kind.kind != "binary"


def _register_summary(app: Dash) -> None:
    @app.callback(
        Output("predictions-summary", "children"),
        Output("predictions-scope", "options"),
        Input("predictions-asked", "data"),
        Input("predictions-scope", "value"),
        Input("predictions-selected", "data"),
    )
    def show(given: Any, scope: Any, selection: Any) -> Any:
        viewer = current_viewer()
        asked = Asked.from_json(given)
        found = assembled(viewer, asked)
        try:
            chosen = selected(viewer, found.matrix, text(selection, "the selection"))
        except Exception as error:
            return problem(*explained(error)), _scopes(None)
        scopes = _scopes(None if chosen is None else len(chosen))
        if scope != "selected" and ctx.triggered_id == "predictions-selected":
            return no_update, scopes
        rows = None
        if scope == "selected" and chosen is not None:
            rows = chosen.copy()
            rows.sort()
        made = summarise(assembler_of(viewer), CACHE, found, threshold=asked.threshold, positions=rows)
        content = summary_pane.summary(made, found.matrix.problem, asked.label or found.sets[0].labels[0])
        return content, scopes


def _register_address(app: Dash) -> None:
    @app.callback(
        Output("predictions-address", "search"),
        Input("predictions-asked", "data"),
        Input("predictions-order", "value"),
        Input("predictions-columns", "value"),
        Input("predictions-span", "data"),
        Input("predictions-selected", "data"),
        Input("predictions-group", "value"),
        Input("predictions-stage", "value"),
        Input("predictions-example", "data"),
    )
    def write(
        given: Any, order: Any, columns: Any, span: Any, selection: Any, group: Any, stage: Any, example: Any
    ) -> Any:
        asked = Asked.from_json(given)
        row = example_pane.row_of(example)
        pairs = {
            "project": asked.project,
            "models": ",".join(asked.models),
            "label": asked.label,
            "positive": asked.positive,
            "threshold": asked.threshold,
            "order": None if order == "error" else text(order, "the order"),
            "columns": None if columns == "chosen" else text(columns, "the order of models"),
            "rows": f"{span[0]}-{span[1]}" if isinstance(span, list) and len(span) == 2 else None,
            "selected": text(selection, "the selection"),
            "group": text(group, "the column"),
            "stage": text(stage, "the stage"),
            "example": row,
            "model": example.get("model") if row is not None else None,
        }
        return "?" + urlencode({name: value for name, value in pairs.items() if value not in (None, "")}, safe=",:@")


def _state(asked: Asked, query: Any) -> Any:
    low, _, high = query.get("rows", "").partition("-")
    span = [int(low), int(high)] if low.isdecimal() and high.isdecimal() and len(low + high) < 30 else None
    example = query.get("example", "")
    row = {"row": int(example), "model": query.get("model")} if example.isdecimal() and len(example) < 19 else None
    return html.Div(
        [
            dcc.Location(id="predictions-address", refresh=False),
            dcc.Location(id="predictions-go", refresh="callback-nav"),
            dcc.Store(id="predictions-asked", data=asked.to_json()),
            dcc.Store(id="predictions-span", data=span),
            dcc.Store(id="predictions-selected", data=query.get("selected", "")),
            dcc.Store(id="predictions-example", data=row),
            dcc.Store(id="predictions-go-order"),
        ]
    )


def _notes(found: Assembled) -> list[Any]:
    """Return what is said about rows and models that are not shown."""
    notes = []
    if found.rows_left_out:
        notes.append(
            f"{found.rows_left_out:,} rows are left out: not all chosen models predict them, or they have no label. "
            f"All panes are of the {found.matrix.rows:,} rows that the models share."
        )
    notes += [f"{name} is left out: {reason}." for name, reason in found.left_out.items()]
    return [html.P(note, className="note") for note in notes]


def _scopes(rows: int | None) -> list[dict[str, Any]]:
    return [
        {"label": "All rows", "value": "all"},
        {
            "label": "The selected rows" if rows is None else f"The {rows:,} selected rows",
            "value": "selected",
            "disabled": rows is None,
        },
    ]


def _projects(viewer: Viewer) -> Any:
    """Return where to go from a page that shows nothing."""
    links = [
        html.Li(dcc.Link(item.name, href=viewer.address("/app/predictions", project=item.id)))
        for item in viewer.db.browse.projects(readable_dags=viewer.readable, most_metrics=0)
    ]
    return html.Section([html.P("All comparable predictions of a project:"), html.Ul(links)], className="elsewhere")


def _first_project(viewer: Viewer) -> int:
    """Return the first project with predictions, else the first one, else 0."""
    projects = [item.id for item in viewer.db.browse.projects(readable_dags=viewer.readable, most_metrics=0)]
    for project in projects:
        if sets_of(viewer, project):
            return project
    return projects[0] if projects else 0


PREDICTIONS = Page("/predictions", "predictions", "Predictions", layout, register)
