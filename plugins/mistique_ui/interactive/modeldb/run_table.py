"""The table of runs of a project, or of all: controls, group bar and grid, filled by the server page by page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update

from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.explore.groups import GROUPED
from mistique_core.modeldb.explore.records import NamedValues
from mistique_core.modeldb.filter.syntax import Field
from mistique_core.modeldb.filter.write import write_field
from mistique_ui.interactive import given
from mistique_ui.interactive.modeldb.group_bar import BLOCK, group_bar
from mistique_ui.interactive.modeldb.project_of import project_name
from mistique_ui.interactive.modeldb.run_rows import FACTS, column_definitions, row
from mistique_ui.interactive.modeldb.table_view import LONGEST, TableView, checked_columns, merged, sorted_by, view_of
from mistique_ui.interactive.page import written
from mistique_ui.interactive.parts import labelled, problem
from mistique_ui.interactive.theme import grid
from mistique_ui.interactive.viewer import Viewer, current_viewer

ADDRESS = "modeldb-address"
MOST_ROWS = 1_000
MOST_SELECTED = 100_000
MOST_COMPARED = 1_000
FIRST_METRICS = 5
_OPTIONS = 50
_GROUP_LABELS = {
    "type": "Model type",
    "run_type": "Run type",
    "state": "State",
    "life": "Life stage",
    "tag": "Tag",
    "model": "Model",
    "project": "Project",
    "author": "Author",
    "source": "Recorded by",
    "dag_id": "DAG or script",
    "experiment": "Experiment",
}


def run_table(
    viewer: Viewer, project: str | None, project_id: int | None, view: TableView, *, height: int = 480
) -> Any:
    """Return the table.

    Parameters
    ----------
    viewer
        Who looks.
    project, project_id
        The project whose runs are shown; ``None`` for all.
    view
        What the address says.
    height
        Of the grid, in pixels.
    """
    names = viewer.db.explore.names(TableView().query(project), readable_dags=viewer.readable)
    shown = _chosen(view, names)
    settled = replace(view, columns=shown)
    state, bar, columns, error = _answer(viewer, settled, project)
    return html.Div(
        [
            dcc.Store(id="models-scope", data={"project": project_id}),
            dcc.Store(id="models-state", data=state),
            html.Div(_controls(view, shown, names, with_project=project is None), className="controls"),
            html.Div(error, id="models-problem", **{"aria-live": "polite"}),
            html.Div(bar, id="models-bar"),
            html.Div(
                [
                    html.Span("", id="models-total", **{"aria-live": "polite"}),
                    html.Span(_selection(viewer, []), id="models-compare"),
                ],
                className="row tools",
            ),
            grid(
                "models-grid",
                columns,
                style={"height": f"{height}px"},
                getRowId="params.data.key",
                dashGridOptions={
                    "rowSelection": {"mode": "multiRow", "checkboxes": True, "headerCheckbox": False},
                    "selectionColumnDef": {"pinned": "left", "width": 44},
                    "tooltipShowDelay": 400,
                    "multiSortKey": "ctrl",
                },
            ),
        ]
    )


def register(app: Dash) -> None:
    """Add the callbacks; the table is on several pages, never twice on one."""

    @app.callback(
        Output("models-state", "data"),
        Output("models-bar", "children"),
        Output("models-grid", "columnDefs"),
        Output("models-problem", "children"),
        Output(ADDRESS, "search", allow_duplicate=True),
        Input("models-search", "value"),
        Input("models-filter", "value"),
        Input("models-invert", "value"),
        Input("models-group", "value"),
        Input("models-columns", "value"),
        State("models-state", "data"),
        State("models-scope", "data"),
        State(ADDRESS, "search"),
        prevent_initial_call=True,
    )
    def ask(
        search: Any, text: Any, invert: Any, group: Any, columns: Any, state: Any, scope: Any, address: Any
    ) -> tuple[Any, ...]:
        viewer = current_viewer()
        said = {
            "filter": given.text(text, "filter", LONGEST),
            "search": given.text(search, "search"),
            "invert": "1" if invert else "",
            "group": given.text(group, "group") or "none",
        }
        view = replace(view_of(said), columns=checked_columns(columns or []), sort=view_of(_said(state)).sort)
        state, bar, definitions, error = _answer(viewer, view, project_of_scope(viewer, scope))
        if error is not None:
            return no_update, no_update, no_update, error, no_update
        same_columns = ctx.triggered_id != "models-columns"
        return state, bar, no_update if same_columns else definitions, None, merged(address, view.arguments())

    @app.callback(
        Output("models-grid", "getRowsResponse"),
        Output("models-total", "children"),
        Output(ADDRESS, "search", allow_duplicate=True),
        Input("models-grid", "getRowsRequest"),
        State("models-state", "data"),
        State("models-scope", "data"),
        State(ADDRESS, "search"),
        prevent_initial_call=True,
    )
    def rows(request: Any, state: Any, scope: Any, address: Any) -> tuple[Any, ...]:
        if not isinstance(request, dict):
            return no_update, no_update, no_update
        viewer = current_viewer()
        start = given.number(request.get("startRow"), "startRow")
        end = given.number(request.get("endRow"), "endRow", start + 1, start + MOST_ROWS)
        view = sorted_by(view_of(_said(state)), request.get("sortModel") or [])
        try:
            query = view.query(project_of_scope(viewer, scope))
        except InvalidInputError:  # what is wrong with the filter is said beside it
            return {"rowData": [], "rowCount": 0}, "", no_update
        shown = view.columns or ()
        found = viewer.db.search(
            query,
            readable_dags=viewer.readable,
            columns=[name for name in shown if name.startswith(("metrics.", "params."))],
            limit=end - start,
            offset=start,
        )
        models = viewer.db.explore.main_models([run.id for run in found.runs])
        answer = {
            "rowData": [row(viewer, run, models.get(run.id, ()), shown) for run in found.runs],
            "rowCount": found.total,
        }
        total = [f"{found.total:,} {'run' if found.total == 1 else 'runs'}"]
        total += [html.Span(f" · {hint}", className="soft") for hint in found.hints]
        return answer, total, merged(address, {"sort": view.arguments()["sort"]}) if start == 0 else no_update

    @app.callback(
        Output("models-filter", "value"),
        Input({"type": BLOCK, "condition": ALL, "at": ALL}, "n_clicks"),
        State("models-filter", "value"),
        prevent_initial_call=True,
    )
    def restrict(clicks: Any, text: Any) -> Any:
        chosen = ctx.triggered_id
        if not isinstance(clicks, list) or not any(clicks) or not isinstance(chosen, dict):
            return no_update
        filtered = view_of({"filter": given.text(text, "filter", LONGEST)})
        return filtered.restricted(given.text(chosen["condition"], "condition"))

    @app.callback(
        Output("models-columns", "options"),
        Input("models-columns", "search_value"),
        State("models-columns", "value"),
        State("models-scope", "data"),
        prevent_initial_call=True,
    )
    def find_columns(search: Any, chosen: Any, scope: Any) -> Any:
        viewer = current_viewer()
        names = viewer.db.explore.names(
            TableView().query(project_of_scope(viewer, scope)), readable_dags=viewer.readable
        )
        return _options(names, checked_columns(chosen or []), given.text(search, "search"))

    @app.callback(Output("models-compare", "children"), Input("models-grid", "selectedRows"), prevent_initial_call=True)
    def select(selected: Any) -> Any:
        rows = selected if isinstance(selected, list) else []
        found = given.numbers([item.get("run") for item in rows if isinstance(item, dict)], "runs", MOST_SELECTED)
        return _selection(current_viewer(), found)

    app.clientside_callback(
        ClientsideFunction("modeldb", "reload"), Output("models-grid", "id"), Input("models-state", "data"),
        prevent_initial_call=True,
    )  # fmt: skip


def _answer(viewer: Viewer, view: TableView, project: str | None) -> tuple[Any, ...]:
    """Return state, bar, columns and error of a view."""
    try:
        query = view.query(project)
        bar = None
        if view.group != "none":
            bar = group_bar(viewer.db.explore.groups(query, view.group, readable_dags=viewer.readable))
    except InvalidInputError as error:
        shown = html.Div([problem("The filter cannot be read."), html.Pre(str(error.args[0]))])
        return view.arguments(), None, column_definitions(view.columns or (), view.sort), shown
    return view.arguments(), bar, column_definitions(view.columns or (), view.sort), None


def _controls(view: TableView, columns: tuple[str, ...], names: NamedValues, *, with_project: bool) -> list[Any]:
    grouped = [name for name in GROUPED if with_project or name != "project"]
    groups = [{"label": _GROUP_LABELS[name], "value": name} for name in grouped]
    groups += [{"label": name, "value": write_field(Field("params", name))} for name in names.hyperparameters[:200]]
    return [
        labelled(
            "Search",
            dcc.Input(
                id="models-search", type="search", value=view.search, debounce=0.3, placeholder="name, type, tag"
            ),
        ),
        html.Div(
            labelled(
                "Filter",
                dcc.Input(
                    id="models-filter",
                    type="text",
                    value=view.filter,
                    debounce=True,
                    placeholder="metrics.auc > 0.9 and params.C < 1 and not tags.draft",
                    spellCheck=False,
                ),
                "Fields: metrics.NAME, params.NAME, tags.NAME, metadata.PATH, type, state, model, author, started, ...",
            ),
            className="grow",
        ),
        labelled(
            "Invert",
            dcc.Checklist(
                id="models-invert",
                options=[{"label": "show what does not fit", "value": "1"}],
                value=["1"] if view.inverted else [],
            ),
        ),
        labelled(
            "Group bar",
            dcc.Dropdown(
                id="models-group", options=groups, value=view.group, clearable=True, className="medium", maxHeight=320
            ),
        ),
        html.Div(
            labelled(
                "Columns",
                dcc.Dropdown(
                    id="models-columns",
                    options=_options(names, columns, ""),
                    value=list(columns),
                    multi=True,
                    placeholder="metrics, hyperparameters, facts",
                    maxHeight=320,
                ),
                f"Names of the {names.runs} newest runs; type to find one",
            ),
            className="grow",
        ),
    ]


def _chosen(view: TableView, names: NamedValues) -> tuple[str, ...]:
    """Return the columns of a view: what it says, else some metrics, and what its filter names."""
    if view.columns is not None:
        return view.columns
    first = [write_field(Field("metrics", name)) for name in names.metrics[:FIRST_METRICS]]
    try:
        named = view.query().fields()
    except InvalidInputError:
        named = ()
    return tuple(
        dict.fromkeys([*first, *(write_field(field) for field in named if field.group in ("metrics", "params"))])
    )


def _options(names: NamedValues, chosen: tuple[str, ...], search: str) -> list[dict[str, str]]:
    """Return what can be chosen: what is chosen already, and of the rest what has the searched text."""
    every = [write_field(Field("metrics", name)) for name in names.metrics]
    every += [write_field(Field("params", name)) for name in names.hyperparameters]
    every += list(FACTS)
    words = search.lower().split()
    fitting = [name for name in every if all(word in name.lower() for word in words)]
    kept = dict.fromkeys([*chosen, *fitting[:_OPTIONS]])
    return [{"label": name, "value": name} for name in kept]


def _selection(viewer: Viewer, runs: list[int]) -> Any:
    if len(runs) < 2:
        return html.Span("Select two runs or more to compare them", className="soft")
    if len(runs) > MOST_COMPARED:
        return html.Span(
            f"{len(runs):,} runs are too many to compare; select at most {MOST_COMPARED:,}", className="bad"
        )
    address = viewer.address("/app/compare", runs=written(runs))
    return dcc.Link(f"Compare {len(runs):,} runs", href=address, className="button")


def _said(state: Any) -> dict[str, str]:
    if not isinstance(state, dict) or not all(isinstance(value, str) for value in state.values()):
        raise InvalidInputError("the state of the table is not what the page wrote; reload the page")
    return state


def project_of_scope(viewer: Viewer, scope: Any) -> str | None:
    """Return the name of the project of the table, which the user may see."""
    if not isinstance(scope, dict) or "project" not in scope:
        raise InvalidInputError("the scope of the table is not what the page wrote; reload the page")
    row = scope["project"]
    return None if row is None else project_name(viewer, given.number(row, "project"))
