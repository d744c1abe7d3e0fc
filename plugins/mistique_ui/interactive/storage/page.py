"""Storage: what was logged and what is stored, what saved how much, what each intermediate is worth, and its health."""

from __future__ import annotations

from typing import Any

import dash
from dash import Dash, Input, Output, State, dcc, html

from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.browse import StoredVersion, stored_intermediates, stored_versions
from mistique_core.modeldb.query_records import last_report
from mistique_core.modeldb.runs import list_models
from mistique_core.store.statistics import StoreStatistics, collect_statistics
from mistique_ui.formats import format_bytes, format_number
from mistique_ui.interactive.page import Arguments, Page
from mistique_ui.interactive.parts import badge, card, facts, heading, labelled, moment, nothing
from mistique_ui.interactive.permalink import permalink, register_permalink
from mistique_ui.interactive.storage.budget import budget_card, dry_run
from mistique_ui.interactive.storage.steps import steps_figure, steps_table
from mistique_ui.interactive.storage.tables import models_grid, schemes_grid, worth_grid
from mistique_ui.interactive.viewer import Viewer, current_viewer

MOST_WEIGHED = 200
_LOADING = {"type": "dot", "delay_show": 200}


def layout(viewer: Viewer, arguments: Arguments) -> Any:
    """Return the page: sizes at once, what has to be counted by callbacks."""
    stats = collect_statistics(viewer.catalogue, viewer.location)
    if not stats.intermediates:
        return [
            heading("Storage"),
            nothing(
                "The store is empty",
                "Trigger a DAG with stage operators, or call store.log_intermediates(): every stage's output is "
                "stored here, once.",
            ),
        ]
    with viewer.catalogue.read() as connection:
        visible = set(list_models(connection, viewer.readable))
        versions = stored_versions(connection, readable_dags=viewer.readable)
    models = [item for item in stats.models if (item.project, item.model) in visible]
    chosen = _chosen(versions, arguments.number("version", 0))
    return [
        permalink("storage"),
        dcc.Store(id="storage-loaded", data=True),
        heading("Storage"),
        _sizes(stats),
        html.Div(
            [
                card(dcc.Loading(html.Div(id="storage-saved"), **_LOADING), title="From logged to stored"),
                html.Div(
                    [
                        card(dcc.Loading(html.Div(id="storage-by-scheme"), **_LOADING), title="By scheme"),
                        _check(viewer),
                    ]
                ),
            ],
            className="columns",
        ),
        card(
            [
                models_grid(models)
                if models
                else html.P("You may read none of the DAGs that filled this store.", className="soft"),
                html.P(
                    "A column that several stages or models share is stored once; the model that logged it first "
                    "carries its bytes.",
                    className="soft",
                ),
            ],
            title="By project and model",
        ),
        _worth(versions, chosen),
        budget_card(viewer),
        html.P(
            ["Location: ", html.Code(stats.location), ". Catalogue: ", html.Code(stats.catalogue)], className="soft"
        ),
    ]


def register(app: Dash) -> None:
    """Add the callbacks."""
    register_permalink(app, "storage")

    @app.callback(
        Output("storage-saved", "children"),
        Output("storage-by-scheme", "children"),
        Input("storage-loaded", "data"),
    )
    def saved(_: Any) -> tuple[Any, Any]:
        found = current_viewer().store.savings()
        return [steps_figure(found), steps_table(found)], schemes_grid(found.schemes)

    @app.callback(
        Output("storage-weighed", "children"),
        Output("storage-permalink", "data"),
        Input("storage-version", "value"),
    )
    def weigh(version: Any) -> tuple[Any, Any]:
        viewer = current_viewer()
        if version is None:
            return html.P("Choose a model version above.", className="soft"), dash.no_update
        number = _version(viewer, version)
        with viewer.catalogue.read() as connection:
            items = stored_intermediates(connection, number)
        shown = viewer.store.worth([item.id for item in items[:MOST_WEIGHED]])
        note = f"The first {MOST_WEIGHED} of {len(items):,} intermediates." if len(items) > MOST_WEIGHED else None
        return [worth_grid(shown), html.P(note, className="soft") if note else None], f"?version={number}"

    @app.callback(
        Output("storage-tried", "children"),
        Input("storage-try", "n_clicks"),
        State("storage-version", "value"),
        State("storage-limit", "value"),
        prevent_initial_call=True,
    )
    def try_budget(_: int | None, version: Any, megabytes: Any) -> Any:
        viewer = current_viewer()
        return dry_run(viewer, None if version is None else _version(viewer, version), megabytes)


def _version(viewer: Viewer, value: Any) -> int:
    """Return the id of a model version that a browser names; raises where it is none, or not this user's to see."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
        raise InvalidInputError(f"version={str(value)[:40]!r} is no model version; choose one of the list")
    viewer.may.see("version", [value])
    return value


def _chosen(versions: list[StoredVersion], wanted: int) -> int | None:
    ids = [item.id for item in versions]
    return wanted if wanted in ids else ids[0] if ids else None


def _sizes(stats: StoreStatistics) -> Any:
    ratio = stats.logical_bytes / stats.partition_bytes if stats.partition_bytes else None
    return facts(
        [
            ("Logged by stages", format_bytes(stats.logical_bytes)),
            ("Partition files", format_bytes(stats.partition_bytes)),
            ("Logged per stored byte", None if ratio is None else f"{ratio:.1f}×"),
            ("Encoded chunks", format_bytes(stats.chunk_bytes)),
            ("Learned objects, before encoding", format_bytes(stats.fitted_bytes)),
            ("Catalogue", format_bytes(stats.catalogue_bytes)),
            ("Intermediates", format_number(stats.intermediates)),
            ("Chunks", format_number(stats.chunks)),
            ("Partitions", format_number(stats.partitions)),
            ("Differences to similar chunks", format_number(stats.delta_chunks)),
        ]
    )


def _worth(versions: list[StoredVersion], chosen: int | None) -> Any:
    picker = dcc.Dropdown(
        id="storage-version",
        options=[{"label": f"{item.label} ({item.state})", "value": item.id} for item in versions],
        value=chosen,
        clearable=False,
    )
    return card(
        [
            html.P(
                "Gamma (thesis Eq. 5.5) is the query time saved per GB stored: what costs much to re-run, is asked "
                "for often and takes little. A budget lets go of the lowest first.",
                className="soft",
            ),
            html.Div(labelled("Model version", picker), className="controls wide-control"),
            dcc.Loading(html.Div(id="storage-weighed"), **_LOADING),
        ],
        title="What each intermediate is worth",
    )


def _check(viewer: Viewer) -> Any:
    with viewer.catalogue.read() as connection:
        report = last_report(connection, "maintenance", "Check", readable_dags=viewer.readable)
    how = [html.Code("mistique check --read-data"), " reads and verifies every byte"]
    if viewer.airflow:
        how += ["; the DAG ", html.Code("mistique_maintenance"), " does the same on a schedule and records it here"]
    if report is None:
        return card(html.P(["No check is recorded. ", *how, "."]), title="Health", id="storage-check")
    answer = report.answer or {}
    bad = bool(answer.get("is_bad")) or report.error is not None
    return card(
        [
            html.P(
                [badge("look at it", "failed") if bad else badge("sound", "success"), " ", moment(report.created_at)]
            ),
            html.P(report.error or str(answer.get("sentence", ""))),
            html.P(html.A("The report", href=viewer.address(f"/query/{report.id}"))),
            html.P(how, className="soft"),
        ],
        title="Health",
        id="storage-check",
    )


STORAGE = Page("/storage", "storage", "Storage", layout, register)
