"""Any number of runs side by side: what differs first, metrics against hyperparameters, curves together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html

from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.modeldb.compare.records import RunTable
from mistique_core.modeldb.explore.curves import Curve
from mistique_core.modeldb.explore.thinning import thinned
from mistique_core.modeldb.filter.syntax import Field
from mistique_core.modeldb.filter.write import write_field
from mistique_core.modeldb.found_runs import found_runs
from mistique_core.modeldb.search_records import FoundRun
from mistique_ui.interactive import given
from mistique_ui.interactive.modeldb.compare_table import (
    MOST_ACROSS,
    differing_fields,
    first_fields,
    names_down,
    runs_down,
)
from mistique_ui.interactive.modeldb.custom_chart import POINTS, custom_figure
from mistique_ui.interactive.modeldb.run_table import MOST_COMPARED
from mistique_ui.interactive.modeldb.table_view import checked_columns, merged, names_of
from mistique_ui.interactive.modeldb.timeline import escaped
from mistique_ui.interactive.page import Arguments, Page
from mistique_ui.interactive.parts import badge, card, crumbs, heading, labelled, nothing
from mistique_ui.interactive.theme import SERIES, TEMPLATE, graph, grid
from mistique_ui.interactive.viewer import Viewer, current_viewer

ADDRESS = "compare-address"
MOST_CURVES = 50
MOST_STEPS = 500
_OPTIONS = 300
_DASHES = ("solid", "dot", "dash", "longdash", "dashdot")


def layout(viewer: Viewer, arguments: Arguments) -> Any:
    """Return the page."""
    above = crumbs(("Projects", viewer.address("/app/projects")), ("Models", viewer.address("/app/models")))
    run_ids = list(dict.fromkeys(arguments.numbers("runs", MOST_COMPARED)))
    if len(run_ids) < 2:
        return [
            heading("Comparison", above=above),
            nothing("Choose runs to compare", "Select two or more in the table of models, then press Compare."),
        ]
    runs, links = _runs(viewer, run_ids)
    table = viewer.db.compare.runs(run_ids)
    shown = list(checked_columns(list(names_of(arguments.query.get("columns", ""))))) or first_fields(table)
    said = (
        f"{table.differing_parameters:,} of {len(table.parameter_names):,} hyperparameters and "
        f"{table.differing_metrics:,} of {len(table.metric_names):,} metrics differ."
    )
    return [
        heading(f"Comparison of {len(run_ids):,} runs", above=above),
        dcc.Location(id=ADDRESS, refresh=False),
        dcc.Store(id="compare-scope", data={"runs": run_ids}),
        html.P(said, className="soft"),
        _few(table, runs, links, arguments) if len(runs) <= MOST_ACROSS else _many(table, runs, links, shown),
        _chart(table, arguments),
        _curves(viewer, runs),
    ]


def register(app: Dash) -> None:
    """Add the callbacks."""

    @app.callback(
        Output("compare-grid", "columnDefs"),
        Output("compare-grid", "rowData"),
        Output(ADDRESS, "search", allow_duplicate=True),
        Input("compare-columns", "value"),
        State("compare-scope", "data"),
        State(ADDRESS, "search"),
        prevent_initial_call=True,
    )
    def choose(columns: Any, scope: Any, address: Any) -> Any:
        viewer = current_viewer()
        fields = checked_columns(columns or [])
        run_ids = _scope(viewer, scope)
        runs, links = _runs(viewer, run_ids)
        definitions, rows = runs_down(viewer.db.compare.runs(run_ids), runs, links, fields)
        return definitions, rows, merged(address, {"columns": ", ".join(fields)})

    @app.callback(
        Output("compare-few", "rowData"),
        Output(ADDRESS, "search", allow_duplicate=True),
        Input("compare-equal", "value"),
        State("compare-scope", "data"),
        State(ADDRESS, "search"),
        prevent_initial_call=True,
    )
    def with_equal(value: Any, scope: Any, address: Any) -> Any:
        viewer = current_viewer()
        table = viewer.db.compare.runs(_scope(viewer, scope))
        _, rows = names_down(table, [""] * len(table.run_ids), with_equal=bool(value))
        return rows, merged(address, {"equal": "1" if value else ""})

    @app.callback(
        Output("compare-chart", "figure"),
        Output("compare-note", "children"),
        Output(ADDRESS, "search", allow_duplicate=True),
        Input("compare-y", "value"),
        Input("compare-x", "value"),
        State("compare-scope", "data"),
        State(ADDRESS, "search"),
        prevent_initial_call="initial_duplicate",
    )
    def draw(y: Any, x: Any, scope: Any, address: Any) -> Any:
        viewer = current_viewer()
        measured, across = checked_columns([y, x])[0], checked_columns([x])[0]
        if not measured.startswith("metrics."):
            raise InvalidInputError(f"{measured} is no metric; choose one of the list")
        values = viewer.db.explore.values(
            "", [measured, across, "type"], readable_dags=viewer.readable, run_ids=_scope(viewer, scope)
        )
        figure, note = custom_figure(values, measured, across, "type", POINTS)
        figure.update_layout(template=TEMPLATE, height=340)
        return figure, note, merged(address, {"y": measured, "x": across})

    @app.callback(
        Output("compare-curve", "figure"),
        Input("compare-curve-name", "value"),
        State("compare-scope", "data"),
        prevent_initial_call=True,
    )
    def curve(name: Any, scope: Any) -> Any:
        viewer = current_viewer()
        runs, _ = _runs(viewer, _scope(viewer, scope)[:MOST_CURVES])
        wanted = given.text(name, "curve")
        curves = [item for item in viewer.db.explore.curves([run.id for run in runs]) if item.name == wanted]
        return _curves_figure(curves, runs).update_layout(template=TEMPLATE, height=340)


def _scope(viewer: Viewer, scope: Any) -> list[int]:
    if not isinstance(scope, dict):
        raise InvalidInputError("the scope of the page is not what it wrote; reload the page")
    run_ids = given.numbers(scope.get("runs"), "runs", MOST_COMPARED)
    if len(run_ids) < 2:
        raise InvalidInputError(f"{len(run_ids)} runs are too few to compare; choose two or more")
    viewer.may.see("run", run_ids)
    return run_ids


def _runs(viewer: Viewer, run_ids: Sequence[int]) -> tuple[list[FoundRun], list[str]]:
    """Return the runs, and where the page of each one's main model is; raises for one that is hidden or gone."""
    viewer.may.see("run", run_ids)
    with viewer.catalogue.read() as connection:
        runs = list(found_runs(connection, run_ids))
    missing = set(run_ids) - {run.id for run in runs}
    if missing:
        raise NotFoundError(f"run {min(missing)} does not exist; take it out of the address, or select runs anew")
    models = viewer.db.explore.main_models(run_ids)
    links = [
        viewer.address(f"/app/models/{models[run.id][0].id}")
        if run.id in models
        else viewer.address("/run", dag_id=run.dag_id, run_id=run.run_id)
        for run in runs
    ]
    return runs, links


def _few(table: RunTable, runs: Sequence[FoundRun], links: Sequence[str], arguments: Arguments) -> Any:
    equal = arguments.query.get("equal") == "1"
    columns, rows = names_down(table, [run.label for run in runs], with_equal=equal)
    heads = [
        html.Li(
            [
                dcc.Link(run.label, href=link),
                " ",
                badge(run.state, run.state),
                *([" ", badge(run.run_type)] if run.run_type else []),
            ]
        )
        for run, link in zip(runs, links, strict=True)
    ]
    check = dcc.Checklist(
        id="compare-equal", options=[{"label": "show what is equal, too", "value": "1"}], value=["1"] if equal else []
    )
    height = f"{min(520, 90 + 34 * max(3, len(rows)))}px"
    return card(
        [
            html.Ul(heads, className="legend"),
            check,
            grid(
                "compare-few",
                columns,
                rows,
                defaultColDef={"filter": False},
                style={"height": height},
                dashGridOptions={"tooltipShowDelay": 400},
            ),
        ],
        title="Hyperparameters and metrics",
    )


def _many(table: RunTable, runs: Sequence[FoundRun], links: Sequence[str], shown: Sequence[str]) -> Any:
    columns, rows = runs_down(table, runs, links, shown)
    names = differing_fields(table)
    options = list(dict.fromkeys([*shown, *names[:_OPTIONS]]))
    chooser = dcc.Dropdown(
        id="compare-columns",
        options=[{"label": item, "value": item} for item in options],
        value=list(shown),
        multi=True,
    )
    more = f" The first {_OPTIONS} of {len(names):,} that differ can be chosen." if len(names) > _OPTIONS else ""
    return card(
        [
            html.Div(html.Div(labelled("Columns", chooser), className="grow"), className="controls"),
            html.P(f"Those that differ come first.{more}", className="soft"),
            grid("compare-grid", columns, rows, defaultColDef={"filter": False}, style={"height": "440px"}),
        ],
        title="Hyperparameters and metrics",
    )


def _chart(table: RunTable, arguments: Arguments) -> Any:
    metrics = [write_field(Field("metrics", name)) for name in table.metric_names[:_OPTIONS]]
    params = [write_field(Field("params", name)) for name in table.parameter_names[:_OPTIONS]]
    if not metrics:
        return card(
            html.P("No metric is recorded of these runs.", className="soft"), title="Metric against hyperparameter"
        )
    across = [*params, "type", "model", "id", "started", "seconds", *metrics]
    y = arguments.query.get("y") if arguments.query.get("y", "").startswith("metrics.") else metrics[0]
    varied = [name for name in differing_fields(table) if name.startswith("params.")]
    x = arguments.query.get("x") or (varied[0] if varied else "type")

    def choice(name: str, options: Sequence[str], value: str) -> Any:
        every = [{"label": item, "value": item} for item in dict.fromkeys([value, *options])]
        return dcc.Dropdown(id=name, options=every, value=value, clearable=False, maxHeight=320)

    controls = [
        labelled("y", choice("compare-y", metrics, str(y))),
        labelled("Against x", choice("compare-x", across, str(x))),
    ]
    return card(
        [
            html.Div(controls, className="controls"),
            html.P(id="compare-note", className="soft", **{"aria-live": "polite"}),
            graph("compare-chart", height=340, label="A metric of the runs; the table above has the numbers"),
        ],
        title="Metric against hyperparameter",
    )


def _curves(viewer: Viewer, runs: Sequence[FoundRun]) -> Any:
    drawn = runs[:MOST_CURVES]
    curves = viewer.db.explore.curves([run.id for run in drawn])
    if not curves:
        text = "None of these runs recorded a history; boosted models, networks and iterative solvers do."
        return card(html.P(text, className="soft"), title="Curves")
    names = sorted({curve.name for curve in curves}, key=lambda name: (-sum(c.name == name for c in curves), name))
    choice = dcc.Dropdown(
        id="compare-curve-name",
        options=[{"label": name, "value": name} for name in names],
        value=names[0],
        clearable=False,
    )
    figure = _curves_figure([curve for curve in curves if curve.name == names[0]], drawn)
    note = f"Of the first {MOST_CURVES} runs." if len(drawn) < len(runs) else ""
    return card(
        [
            html.Div(labelled("Curve", choice), className="controls"),
            html.P(note, className="soft") if note else None,
            graph("compare-curve", figure, height=340, label="Curves of the runs, together"),
        ],
        title="Curves",
    )


def _curves_figure(curves: Sequence[Curve], runs: Sequence[FoundRun]) -> go.Figure:
    labels = {run.id: run.label for run in runs}
    figure = go.Figure()
    several = {curve.run_id for curve in curves if sum(other.run_id == curve.run_id for other in curves) > 1}
    for number, curve in enumerate(curves):
        name = labels[curve.run_id] + (f" {curve.stage}" if curve.run_id in several else "")
        series = np.asarray(curve.values, np.float64)
        rows = thinned(series, MOST_STEPS)
        figure.add_scatter(
            x=(rows + 1).tolist(),
            y=series[rows],
            mode="lines+markers" if len(rows) == 1 else "lines",
            name=escaped(name),
            line={"color": SERIES[number % len(SERIES)], "dash": _DASHES[(number // len(SERIES)) % len(_DASHES)]},
            hovertemplate=f"{escaped(name)}<br>%{{y:.5g}} after %{{x}}<extra></extra>",
        )
    figure.update_layout(
        showlegend=True,
        xaxis={"title": "Iteration"},
        yaxis={"title": escaped(curves[0].name) if curves else ""},
        margin={"t": 10},
    )
    return figure


COMPARE = Page("/compare", "models", "Comparison", layout, register)
