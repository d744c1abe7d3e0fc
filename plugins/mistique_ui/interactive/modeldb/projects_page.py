"""All projects at a glance (thesis Fig. 4-3): model types, and the range of each metric."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, dcc, html

from mistique_core.modeldb.browse.records import ProjectOverview
from mistique_ui.formats import format_number
from mistique_ui.interactive import given
from mistique_ui.interactive.page import Arguments, Page
from mistique_ui.interactive.parts import badge, breakable, heading, labelled, moment, nothing
from mistique_ui.interactive.theme import SERIES
from mistique_ui.interactive.viewer import Viewer, current_viewer

MOST_METRICS = 6
MOST_TYPES = 7


def layout(viewer: Viewer, arguments: Arguments) -> Any:
    """Return the page."""
    found = viewer.db.browse.projects(readable_dags=viewer.readable, most_metrics=MOST_METRICS)
    search = dcc.Input(
        id="projects-search",
        type="search",
        placeholder="name, author, tag, model type",
        value=arguments.query.get("search", ""),
        debounce=0.2,
    )
    return [
        heading("Projects", beside=labelled("Search", search)),
        html.Div(_cards(viewer, found, arguments.query.get("search", "")), id="projects-cards"),
    ]


def register(app: Dash) -> None:
    """Add the callback of the search."""

    @app.callback(Output("projects-cards", "children"), Input("projects-search", "value"), prevent_initial_call=True)
    def search(value: Any) -> Any:
        wanted = given.text(value, "search")
        viewer = current_viewer()
        found = viewer.db.browse.projects(readable_dags=viewer.readable, most_metrics=MOST_METRICS)
        return _cards(viewer, found, wanted)


def _cards(viewer: Viewer, found: tuple[ProjectOverview, ...], search: str) -> Any:
    if not found:
        return nothing(
            "Nothing is recorded yet",
            "Trigger a DAG with stage operators, or call mistique_core.modeldb.autolog() in a script.",
        )
    words = search.lower().split()
    fitting = [item for item in found if all(word in _text(item) for word in words)]
    if not fitting:
        return nothing(f"No project fits {search!r}", "Search for a part of a name, an author, a tag or a model type.")
    return html.Ul([html.Li(_card(viewer, item)) for item in fitting], className="projects")


def _text(item: ProjectOverview) -> str:
    return " ".join([item.name, item.author or "", item.description or "", *item.tags, *item.model_types]).lower()


def _card(viewer: Viewer, item: ProjectOverview) -> html.Article:
    about = [text for text in (item.author, item.description) if text]
    return html.Article(
        [
            html.Div(
                [
                    html.H2(dcc.Link(item.name, href=viewer.address(f"/app/projects/{item.id}"))),
                    html.Span([badge(name) for name in item.tags]),
                ],
                className="row",
            ),
            html.P(" · ".join(about), className="soft") if about else None,
            html.P(
                [
                    f"{item.models:,} {'model' if item.models == 1 else 'models and transformers'} in {item.runs:,} "
                    f"{'run' if item.runs == 1 else 'runs'}, last ",
                    moment(item.updated_at),
                ]
            ),
            _types(item.model_types),
            _metrics(item),
        ],
        className="card",
    )


def _types(types: dict[str, int]) -> Any:
    """Return a bar whose parts are the model types, and its legend."""
    if not types:
        return html.P("No models yet.", className="soft")
    shown = list(types.items())[:MOST_TYPES]
    others = sum(types.values()) - sum(count for _, count in shown)
    if others:
        shown.append(("others", others))
    parts = [
        html.Span(style={"flexGrow": count, "background": SERIES[at % len(SERIES)]}, title=f"{name}: {count:,}")
        for at, (name, count) in enumerate(shown)
    ]
    legend = [
        html.Li([html.Span(className="swatch", style={"background": SERIES[at % len(SERIES)]}), f"{name} {count:,}"])
        for at, (name, count) in enumerate(shown)
    ]
    return html.Div(
        [html.Div(parts, className="shares", **{"aria-hidden": "true"}), html.Ul(legend, className="legend")]
    )


def _metrics(item: ProjectOverview) -> Any:
    if not item.metrics:
        return None
    head = html.Thead(
        html.Tr([html.Th("Metric"), *(html.Th(name, className="num") for name in ("min", "mean", "max"))])
    )
    rows = [
        html.Tr(
            [
                html.Th(breakable(name), scope="row", title=name),
                *(
                    html.Td(format_number(value), className="num")
                    for value in (summary.minimum, summary.mean, summary.maximum)
                ),
            ]
        )
        for name, summary in item.metrics.items()
    ]
    return html.Table([head, html.Tbody(rows)], className="compact")


PROJECTS = Page("/projects", "projects", "Projects", layout, register)
