"""One project: its runs over time with a card of each, charts of one's own, and its models (thesis Fig. 4-4 to 4-7)."""

from __future__ import annotations

from typing import Any

import numpy as np
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update

from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.explore.records import NamedValues
from mistique_core.modeldb.filter.syntax import Field
from mistique_core.modeldb.filter.write import write_field
from mistique_ui.interactive import given
from mistique_ui.interactive.modeldb import run_table
from mistique_ui.interactive.modeldb.custom_chart import HOW, POINTS, custom_figure
from mistique_ui.interactive.modeldb.project_of import project_name
from mistique_ui.interactive.modeldb.run_card import run_card
from mistique_ui.interactive.modeldb.table_view import TableView, checked_columns, merged, names_of, view_of
from mistique_ui.interactive.modeldb.timeline import Timeline, detail_figure, overview_figure, seconds_of
from mistique_ui.interactive.page import Arguments, Page
from mistique_ui.interactive.parts import card, crumbs, heading, labelled, nothing
from mistique_ui.interactive.theme import TEMPLATE, graph
from mistique_ui.interactive.viewer import Viewer, current_viewer

MOST_METRICS = 8
FIRST_METRICS = 1
_OPTIONS = 60
_KEYS = ("type", "author", "state", "run_type", "model", "tag", "dag_id", "life", "version", "seconds", "started")
_X_AXES = (("time", "Time of start"), ("id", "Run number"))


def layout(viewer: Viewer, arguments: Arguments) -> Any:
    """Return the page."""
    row = arguments.number("project_id")
    name = project_name(viewer, row)
    names = viewer.db.explore.names(TableView().query(name), readable_dags=viewer.readable)
    table = viewer.address(f"/app/projects/{row}/models")
    return [
        heading(
            name,
            above=crumbs(("Projects", viewer.address("/app/projects"))),
            beside=dcc.Link("Table of models on a page of its own", href=table),
        ),
        dcc.Location(id=run_table.ADDRESS, refresh=False),
        dcc.Store(id="project-scope", data={"project": row}),
        dcc.Store(id="project-zone"),
        dcc.Store(id="project-range", data=_range_said(arguments)),
        *(_charts(arguments, names) if names.metrics else [_no_metrics()]),
        html.H2("Models"),
        run_table.run_table(viewer, name, row, view_of(arguments.query), height=420),
    ]


def _no_metrics() -> Any:
    return nothing(
        "No run of this project has a metric yet",
        "Add an Evaluate stage, or log metrics in a script, to see its runs over time; the table below lists all runs.",
    )


def _charts(arguments: Arguments, names: NamedValues) -> list[Any]:
    query = arguments.query
    metrics = [write_field(Field("metrics", name)) for name in names.metrics]
    params = [write_field(Field("params", name)) for name in names.hyperparameters]
    shown = [item for item in names_of(query.get("metrics", "")) if item.startswith("metrics.")] or metrics[
        :FIRST_METRICS
    ]
    keys = [*_KEYS, *params]
    timeline = html.Div(
        [
            html.Div(
                [
                    html.Div(
                        labelled("Metrics", _dropdown("project-metrics", metrics, shown, multi=True)), className="grow"
                    ),
                    labelled(
                        "Across",
                        dcc.Dropdown(
                            id="project-x",
                            options=[{"label": label, "value": value} for value, label in _X_AXES],
                            value="id" if query.get("x") == "id" else "time",
                            clearable=False,
                        ),
                    ),
                    html.Button("Show all", id="project-all", type="button"),
                ],
                className="controls",
            ),
            html.P(id="project-note", className="soft", **{"aria-live": "polite"}),
            graph("project-detail", height=330, label="Metrics of the runs; the table below has the numbers"),
            graph(
                "project-overview",
                height=64,
                label="All runs; drag across to choose a part",
                config={"displayModeBar": False},
            ),
            html.P("Drag across the strip to look at a part; click on a point for its run.", className="soft hint"),
        ]
    )
    aside = html.Div(html.P("Click on a point to see its run here.", className="soft"), id="project-card")
    y = query.get("y") if query.get("y", "").startswith("metrics.") else metrics[0]
    own = html.Div(
        [
            html.Div(
                [
                    labelled("y", _dropdown("project-chart-y", metrics, y)),
                    labelled(
                        "Against x", _dropdown("project-chart-x", [*keys, *metrics], query.get("against") or "type")
                    ),
                    labelled(
                        "One colour each", _dropdown("project-chart-group", keys, query.get("by") or None, clear=True)
                    ),
                    labelled(
                        "Show",
                        _dropdown(
                            "project-chart-how", list(HOW), query.get("show") if query.get("show") in HOW else "average"
                        ),
                    ),
                ],
                className="controls",
            ),
            html.P(id="project-chart-note", className="soft", **{"aria-live": "polite"}),
            graph("project-chart", height=340, label="Chart of your own"),
        ]
    )
    return [
        html.Div(
            [card(timeline, title="Runs over time"), card(aside, title="Run", id="project-aside")], className="beside"
        ),
        card(own, title="Charts of your own"),
    ]


def register(app: Dash) -> None:
    """Add the callbacks of the charts; those of the table are registered with the page of models."""
    app.clientside_callback(
        ClientsideFunction("modeldb", "zone"), Output("project-zone", "data"), Input("project-scope", "data")
    )

    @app.callback(
        Output("project-detail", "figure"),
        Output("project-overview", "figure"),
        Output("project-note", "children"),
        Output("project-range", "data"),
        Output(run_table.ADDRESS, "search", allow_duplicate=True),
        Input("project-zone", "data"),
        Input("project-metrics", "value"),
        Input("project-x", "value"),
        Input("project-overview", "selectedData"),
        Input("project-all", "n_clicks"),
        State("project-range", "data"),
        State("project-scope", "data"),
        State(run_table.ADDRESS, "search"),
        prevent_initial_call=True,
    )
    def draw(
        zone: Any, metrics: Any, x: Any, brushed: Any, clicks: Any, kept: Any, scope: Any, address: Any
    ) -> tuple[Any, ...]:
        del clicks
        viewer = current_viewer()
        shown = _metrics_of(metrics)
        by_time = given.choice(x or "time", "x", [value for value, _ in _X_AXES]) == "time"
        low, high = _range(brushed, kept, given.text(zone, "zone", 80) or "UTC", by_time=by_time)
        values = viewer.db.explore.values(
            TableView().query(run_table.project_of_scope(viewer, scope)),
            [*shown, "type"],
            readable_dags=viewer.readable,
        )
        timeline = Timeline(values, shown, by_time, given.text(zone, "zone", 80) or "UTC")
        detail, total, drawn = detail_figure(timeline, low, high)
        note = f"{total:,} values of {len(values.run_ids):,} runs"
        if drawn < total:
            note += f"; {drawn:,} are drawn, the smallest and largest of each stretch; choose a part to see more"
        without = len(values.run_ids) - int(_known(timeline).sum())
        if without:
            note += f"; {without:,} runs have none of these metrics (failed or running ones, and other kinds)"
        said = {
            "metrics": ", ".join(shown),
            "x": "" if by_time else "id",
            "from": str(low or ""),
            "to": str(high or ""),
        }
        strip = no_update if ctx.triggered_id == "project-overview" else overview_figure(timeline, low, high)
        return _styled(detail, 330), _styled(strip, 64), note, {"from": low, "to": high}, merged(address, said)

    @app.callback(
        Output("project-card", "children"),
        Input("project-detail", "clickData"),
        Input("project-chart", "clickData"),
        prevent_initial_call=True,
    )
    def click(first: Any, second: Any) -> Any:
        chosen = second if ctx.triggered_id == "project-chart" else first
        try:
            run = chosen["points"][0]["customdata"]
        except (TypeError, KeyError, IndexError):
            return no_update
        if ctx.triggered_id == "project-chart" and "curveNumber" in chosen["points"][0] and not isinstance(run, int):
            return no_update
        return run_card(current_viewer(), given.number(run, "run"))

    @app.callback(
        Output("project-chart", "figure"),
        Output("project-chart-note", "children"),
        Output(run_table.ADDRESS, "search", allow_duplicate=True),
        Input("project-zone", "data"),
        Input("project-chart-y", "value"),
        Input("project-chart-x", "value"),
        Input("project-chart-group", "value"),
        Input("project-chart-how", "value"),
        State("project-scope", "data"),
        State(run_table.ADDRESS, "search"),
        prevent_initial_call=True,
    )
    def chart(zone: Any, y: Any, x: Any, group: Any, how: Any, scope: Any, address: Any) -> tuple[Any, ...]:
        del zone
        viewer = current_viewer()
        [measured] = _metrics_of([y])
        [across] = checked_columns([x])
        by = checked_columns([group])[0] if group else None
        chosen = given.choice(how or POINTS, "show", HOW)
        fields = [measured, across, *([] if by is None else [by])]
        query = TableView().query(run_table.project_of_scope(viewer, scope))
        values = viewer.db.explore.values(query, fields, readable_dags=viewer.readable)
        figure, note = custom_figure(values, measured, across, by, chosen)
        said = {"y": measured, "against": across, "by": by or "", "show": chosen}
        return _styled(figure, 340), note, merged(address, said)

    for name in ("project-metrics", "project-chart-y", "project-chart-x", "project-chart-group"):
        _register_names(app, name)


def _register_names(app: Dash, name: str) -> None:
    @app.callback(
        Output(name, "options"),
        Input(name, "search_value"),
        State(name, "value"),
        State("project-scope", "data"),
        prevent_initial_call=True,
    )
    def find(search: Any, chosen: Any, scope: Any) -> Any:
        viewer = current_viewer()
        query = TableView().query(run_table.project_of_scope(viewer, scope))
        names = viewer.db.explore.names(query, readable_dags=viewer.readable)
        metrics = [write_field(Field("metrics", item)) for item in names.metrics]
        params = [write_field(Field("params", item)) for item in names.hyperparameters]
        every = metrics if name in ("project-metrics", "project-chart-y") else [*_KEYS, *params]
        every = [*every, *metrics] if name == "project-chart-x" else every
        kept = checked_columns(chosen if isinstance(chosen, list) else [chosen] if chosen else [])
        words = given.text(search, "search").lower().split()
        return _options([item for item in every if all(word in item.lower() for word in words)], kept)


def _dropdown(name: str, options: list[str], value: Any, *, multi: bool = False, clear: bool = False) -> Any:
    kept = value if isinstance(value, list) else [value] if value else []
    return dcc.Dropdown(
        id=name, options=_options(options, kept), value=value, multi=multi, clearable=multi or clear, maxHeight=320
    )


def _options(names: Any, kept: Any) -> list[dict[str, str]]:
    return [{"label": item, "value": item} for item in dict.fromkeys([*kept, *list(names)[:_OPTIONS]])]


def _metrics_of(value: Any) -> tuple[str, ...]:
    """Return checked metrics; raises where there is none, or too many."""
    found = checked_columns(value if isinstance(value, list) else [value])
    if not found or not all(item.startswith("metrics.") for item in found):
        raise InvalidInputError("no metric is chosen; choose one or more of the list")
    if len(found) > MOST_METRICS:
        raise InvalidInputError(f"{len(found)} metrics are too many for one chart; choose at most {MOST_METRICS}")
    return found


def _range(brushed: Any, kept: Any, zone: str, *, by_time: bool) -> tuple[Any, Any]:
    """Return the range of x that is looked at; (None, None) for all."""
    low = high = None
    if ctx.triggered_id == "project-overview":
        try:
            low, high = brushed["range"]["x"]
        except (TypeError, KeyError, ValueError):
            return None, None
    elif ctx.triggered_id not in ("project-all", "project-x") and isinstance(kept, dict):
        low, high = kept.get("from"), kept.get("to")
    if low is None or high is None:
        return None, None
    try:
        ends = [seconds_of(item, zone) if by_time else float(item) for item in (low, high)]
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{str(low)[:40]} to {str(high)[:40]} is no range of the axis; choose another"
        ) from error
    ordered = (low, high) if ends[0] <= ends[1] else (high, low)
    return tuple(str(item)[:26] for item in ordered) if by_time else tuple(float(item) for item in ordered)


def _range_said(arguments: Arguments) -> dict[str, str | None]:
    return {"from": arguments.query.get("from") or None, "to": arguments.query.get("to") or None}


def _known(timeline: Timeline) -> Any:
    return ~np.isnan(np.stack([timeline.values.numbers[item] for item in timeline.metrics])).all(axis=0)


def _styled(figure: Any, height: int) -> Any:
    return figure if figure is no_update else figure.update_layout(template=TEMPLATE, height=height)


PROJECT = Page("/projects/{project_id}", "projects", "Project", layout, register)
