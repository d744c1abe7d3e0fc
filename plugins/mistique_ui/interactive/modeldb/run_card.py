"""The card of a run: what it made, its main facts, where to go on."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from mistique_core.errors import NotFoundError
from mistique_core.modeldb.filter.syntax import Field
from mistique_core.modeldb.filter.write import write_field
from mistique_ui.formats import format_number, format_seconds
from mistique_ui.interactive.parts import badge, facts, moment
from mistique_ui.interactive.viewer import Viewer

MOST_VALUES = 12


def run_card(viewer: Viewer, run_id: int) -> Any:
    """Return the card.

    Raises
    ------
    NotFoundError
        If there is no such run.
    HTTPException
        403 if the user may not see it.
    """
    viewer.may.see("run", [run_id])
    names = viewer.db.explore.names(f"id = {run_id}", readable_dags=viewer.readable)
    columns = [("metrics", name) for name in names.metrics[:MOST_VALUES]]
    columns += [("params", name) for name in names.hyperparameters[:MOST_VALUES]]
    asked = [write_field(Field(group, name)) for group, name in columns]
    found = viewer.db.search(f"id = {run_id}", readable_dags=viewer.readable, columns=asked).runs
    if not found:
        raise NotFoundError(f"run {run_id} does not exist; it may have been deleted since the page was opened")
    run = found[0]
    models = viewer.db.explore.main_models([run_id]).get(run_id, ())
    links = [
        html.Li(dcc.Link(item.type_name, href=viewer.address(f"/app/models/{item.id}")))
        for item in models[:MOST_VALUES]
    ]
    page = viewer.address("/run", dag_id=run.dag_id, run_id=run.run_id)
    return [
        html.H3([run.label, " ", badge(run.state, run.state), *([" ", badge(run.run_type)] if run.run_type else [])]),
        facts(
            [
                ("Started", moment(run.started_at)),
                ("Took", format_seconds(run.seconds)),
                ("Author", run.author),
                ("Tags", ", ".join(run.tags) or None),
                ("Life stage", ", ".join(life for life in run.life_stages if life) or None),
            ]
        ),
        html.P(run.description) if run.description else None,
        _values("Metrics", run.metrics, len(names.metrics)),
        _values("Hyperparameters", run.hyperparameters, len(names.hyperparameters)),
        html.H4("Models"),
        html.Ul(links, className="plain") if links else html.P("It fitted no model.", className="soft"),
        html.P([html.A("The run, stage by stage", href=page)]),
    ]


def _values(title: str, values: dict[str, Any], total: int) -> Any:
    if not values:
        return None
    rows = [
        html.Tr([html.Th(name, scope="row"), html.Td(format_number(value)[:80], className="num")])
        for name, value in list(values.items())[:MOST_VALUES]
    ]
    rest = total - len(rows)
    more = html.P(f"and {rest:,} more on the model's page", className="soft") if rest > 0 else None
    return html.Div([html.H4(title), html.Table(html.Tbody(rows), className="compact"), more])
