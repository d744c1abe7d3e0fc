"""Ask: any technique, from a form that its description draws; answered at once where it can be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import dash
from dash import ALL, MATCH, Dash, Input, Output, State, dcc, html
from fastapi import HTTPException

from mistique_core.diagnostics import TECHNIQUES, Technique, find_technique
from mistique_core.errors import InvalidInputError, MistiqueError
from mistique_core.modeldb.browse import suggest_keys
from mistique_ui.interactive import ask_button
from mistique_ui.interactive.page import Arguments, Page
from mistique_ui.interactive.parts import card, heading, labelled, problem
from mistique_ui.interactive.permalink import permalink, register_permalink
from mistique_ui.interactive.question.answerable import answer, judge
from mistique_ui.interactive.question.form import FIELD, MOST_TEXT, form, request_of
from mistique_ui.interactive.question.views import answer_view, code_view, plan_view
from mistique_ui.interactive.router import explained
from mistique_ui.interactive.viewer import Viewer, current_viewer

DEFAULT = "col_dist"
MOST_ADDRESS = 6_000
MOST_FILE_BYTES = 64_000_000
_VALUES = {"type": FIELD, "name": ALL}


def layout(viewer: Viewer, arguments: Arguments) -> Any:
    """Return the page; its address holds the technique and what is filled in."""
    technique = find_technique(arguments.query.get("technique", DEFAULT))
    given = _given(arguments.query.get("request", ""))
    choice = dcc.Dropdown(
        id="ask-technique",
        options=[{"label": f"{item.title}: {item.question}", "value": item.name} for item in TECHNIQUES.values()],
        value=technique.name,
        clearable=False,
        maxHeight=480,
    )
    return [
        permalink("ask"),
        dcc.Download(id="ask-file"),
        heading("Ask"),
        html.Div(
            [
                card(
                    [
                        html.Div(labelled("Technique", choice), className="ask-technique"),
                        html.Div(form(technique, given), id="ask-form"),
                    ],
                    title="Question",
                ),
                html.Div(
                    [
                        card(html.Div(id="ask-plan", **{"aria-live": "polite"}), title="Plan"),
                        dcc.Loading(html.Div(id="ask-answer", **{"aria-live": "polite"}), type="dot", delay_show=300),
                        html.Div(id="ask-repeat"),
                    ],
                    className="ask-result",
                ),
            ],
            className="ask-columns",
        ),
    ]


def register(app: Dash) -> None:
    """Add the callbacks of the page, and those of all buttons that ask the query DAG."""
    ask_button.register(app)
    register_permalink(app, "ask")

    @app.callback(
        Output("ask-form", "children"),
        Input("ask-technique", "value"),
        State(_VALUES, "id"),
        State(_VALUES, "value"),
        prevent_initial_call=True,
    )
    def draw(technique: Any, ids: Any, values: Any) -> Any:
        found = find_technique(technique)
        return form(found, request_of(found, _names(ids), values))

    @app.callback(
        Output({"type": FIELD, "name": MATCH}, "options"),
        Input({"type": FIELD, "name": MATCH}, "search_value"),
        State({"type": FIELD, "name": MATCH}, "value"),
        State({"type": FIELD, "name": MATCH}, "id"),
        State("ask-technique", "value"),
    )
    def suggest(text: Any, value: Any, name: Any, technique: Any) -> Any:
        found = find_technique(technique)
        parameter = next((item for item in found.parameters if item.name == _name(name)), None)
        if parameter is None or parameter.kind not in ("column", "columns", "keys"):
            return dash.no_update
        written = text if isinstance(text, str) else ""
        if len(written) > MOST_TEXT:
            raise InvalidInputError(f"a key of {len(written):,} characters is too long; shorten it")
        viewer = current_viewer()
        with viewer.catalogue.read() as connection:
            keys = suggest_keys(
                connection, written, whole=parameter.kind == "keys", readable_dags=viewer.readable, limit=100
            )
        chosen = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
        typed = [written] if written.count(".") >= (2 if parameter.kind == "keys" else 3) else []
        return [{"label": key, "value": key} for key in dict.fromkeys([*keys, *typed, *chosen])]

    @app.callback(
        Output("ask-plan", "children"),
        Output("ask-answer", "children"),
        Output("ask-repeat", "children"),
        Output("ask-permalink", "data"),
        Input(_VALUES, "value"),
        State(_VALUES, "id"),
        State("ask-technique", "value"),
    )
    def ask(values: Any, ids: Any, technique: Any) -> tuple[Any, Any, Any, Any]:
        viewer = current_viewer()
        found = find_technique(technique)
        try:
            parameters = request_of(found, _names(ids), values)
            missing = [item for item in found.parameters if item.required and item.name not in parameters]
            address = _address(found, parameters)
            if missing:
                return _unfinished(missing[0].title, missing[0].help), None, None, address
            plan, shown, is_here = _asked(viewer, found, parameters)
            repeat = code_view(viewer, found.name, parameters) if is_here or viewer.airflow else None
            return plan, shown, repeat, address
        except (MistiqueError, HTTPException) as error:
            return problem(*explained(error)), None, None, dash.no_update

    @app.callback(
        Output("ask-file", "data"),
        Input("ask-csv", "n_clicks"),
        Input("ask-parquet", "n_clicks"),
        State(_VALUES, "value"),
        State(_VALUES, "id"),
        State("ask-technique", "value"),
        prevent_initial_call=True,
    )
    def download(csv: Any, parquet: Any, values: Any, ids: Any, technique: Any) -> Any:
        if not csv and not parquet:
            return dash.no_update
        suffix = "parquet" if dash.ctx.triggered_id == "ask-parquet" else "csv"
        found = find_technique(technique)
        return _file(current_viewer(), found, request_of(found, _names(ids), values), suffix)


def _asked(viewer: Viewer, technique: Technique, parameters: Mapping[str, Any]) -> tuple[Any, Any, bool]:
    """Return the plan, the answer or what asks it elsewhere, and whether it was answered here."""
    judged = judge(viewer, technique.name, parameters)
    plan = plan_view(judged)
    if judged.why_not:
        button = ask_button.ask_button(viewer, "ask-here", technique.name, parameters, why=judged.why_not)
        return plan, card(button, title="Answer"), False
    try:
        return plan, card(answer_view(answer(viewer, technique.name, parameters)), title="Answer"), True
    except MistiqueError as error:
        return plan, card(problem(*explained(error)), title="Answer"), True


def _file(viewer: Viewer, technique: Technique, parameters: Mapping[str, Any], suffix: str) -> Any:
    import tempfile
    from pathlib import Path

    judged = judge(viewer, technique.name, parameters)
    if judged.why_not:
        raise InvalidInputError(f"{judged.why_not} Ask the query DAG, whose answer can be downloaded")
    with tempfile.TemporaryDirectory() as folder:
        path = answer(viewer, technique.name, parameters).save(Path(folder) / f"{technique.name}.{suffix}")
        size = path.stat().st_size
        if size > MOST_FILE_BYTES:
            raise InvalidInputError(
                f"The file would have {size:,} bytes, more than {MOST_FILE_BYTES:,}; run the Python code below instead"
            )
        return dcc.send_bytes(path.read_bytes(), path.name)


def _unfinished(title: str, help_text: str) -> Any:
    return html.P([html.Strong(f"Fill in {title}. "), help_text], className="soft")


def _given(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidInputError(f"request={text[:80]!r} is no JSON object; open the page from its link, or empty it")
    return found


def _address(technique: Technique, parameters: Mapping[str, Any]) -> Any:
    defaults = {item.name: item.default for item in technique.parameters if not item.required}
    kept = {name: value for name, value in parameters.items() if name not in defaults or defaults[name] != value}
    query = {"technique": technique.name, **({"request": json.dumps(kept, separators=(",", ":"))} if kept else {})}
    address = f"?{urlencode(query)}"
    return address if len(address) <= MOST_ADDRESS else dash.no_update


def _names(ids: Any) -> list[str]:
    return [_name(item) for item in ids]


def _name(value: Any) -> str:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise InvalidInputError("the form is not the one of this page; load the page again")
    return str(value["name"])


ASK = Page("/ask", "ask", "Ask", layout, register)
