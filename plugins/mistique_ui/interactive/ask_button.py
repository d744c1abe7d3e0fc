"""A button that has the query DAG answer what the web server does not: with the viewer's own rights in Airflow.

The browser calls Airflow's REST API (``assets/ask_button.js``), so that Airflow decides who may trigger the DAG, and
the web server needs no login of its own. Without Airflow the same place shows the command and the Python code instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import MATCH, ClientsideFunction, Dash, Input, Output, State, dcc, html
from fastapi import HTTPException

from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.query_records import queries_of_run
from mistique_ui.interactive.recorded import recorded_answer
from mistique_ui.interactive.viewer import Viewer, current_viewer
from mistique_ui.repeat import command_line, python_code

QUERY_DAG = "mistique_query"
POLL_MILLISECONDS = 2_000
_RUN = "ask-run"
_QUESTION = "ask-question"
_TICK = "ask-tick"
_PROGRESS = "ask-progress"
_PRESSED = "ask-trigger"
_ANSWER = "ask-answer"


def ask_button(
    viewer: Viewer,
    place: str,
    technique: str,
    parameters: Mapping[str, Any],
    *,
    label: str = "Ask the query DAG",
    why: str = "",
) -> html.Div:
    """Return the button, or without Airflow what does the same by hand.

    Parameters
    ----------
    viewer
        Who looks.
    place
        Tells the buttons of one page apart; begins with the page's name.
    technique, parameters
        The question, as JSON values.
    label
        Of the button.
    why
        Why it is asked there and not answered here, in one sentence.
    """
    told = [html.P(why, className="ask-why")] if why else []
    if not viewer.airflow:
        code = python_code(technique, parameters, viewer.location)
        return html.Div(
            [
                *told,
                html.P("Answer it on a terminal, which may re-run stages:"),
                html.Pre(command_line(technique, parameters, viewer.location), className="ask-command"),
                html.P("or in Python:"),
                html.Pre(code or ""),
            ],
            className="ask-elsewhere",
        )
    question = {
        "dag_id": QUERY_DAG,
        "airflow": viewer.base.rpartition("/")[0],
        "conf": {"technique": technique, **{name: value for name, value in parameters.items() if value is not None}},
    }
    return html.Div(
        [
            *told,
            html.Button(label, id={"type": _PRESSED, "place": place}, type="button", className="primary"),
            dcc.Store(id={"type": _QUESTION, "place": place}, data=question),
            dcc.Store(id={"type": _RUN, "place": place}),
            dcc.Interval(id={"type": _TICK, "place": place}, interval=POLL_MILLISECONDS, disabled=True),
            html.Div(id={"type": _PROGRESS, "place": place}, **{"aria-live": "polite"}),
            html.Div(id={"type": _ANSWER, "place": place}),
        ],
        className="ask-elsewhere",
    )


def register(app: Dash) -> None:
    """Add the callbacks of all such buttons, once an application."""

    def of(kind: str) -> dict[str, Any]:
        return {"type": kind, "place": MATCH}

    followed = (
        Output(of(_RUN), "data", allow_duplicate=True),
        Output(of(_TICK), "disabled", allow_duplicate=True),
        Output(of(_PROGRESS), "children", allow_duplicate=True),
        Output(of(_PRESSED), "disabled", allow_duplicate=True),
    )
    app.clientside_callback(
        ClientsideFunction("ask_button", "trigger"),
        *followed,
        Input(of(_PRESSED), "n_clicks"),
        State(of(_QUESTION), "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("ask_button", "poll"),
        *followed,
        Input(of(_TICK), "n_intervals"),
        State(of(_RUN), "data"),
        State(of(_QUESTION), "data"),
        prevent_initial_call=True,
    )

    @app.callback(Output(of(_ANSWER), "children"), Input(of(_RUN), "data"), prevent_initial_call=True)
    def show(run: Any) -> Any:
        viewer = current_viewer()
        if not isinstance(run, dict) or run.get("state") not in ("success", "failed"):
            return None
        run_id = run.get("run_id")
        if not isinstance(run_id, str) or len(run_id) > 250 or run.get("dag_id") != QUERY_DAG:
            raise InvalidInputError(f"run {str(run_id)[:80]!r} is no run of {QUERY_DAG}; ask again")
        if QUERY_DAG not in viewer.readable:
            raise HTTPException(403, f"You may not read the DAG {QUERY_DAG!r}; ask an administrator for access")
        with viewer.catalogue.read() as connection:
            records = queries_of_run(connection, QUERY_DAG, run_id)
        if not records:
            return html.P("The run recorded no answer; its task's log in Airflow says why.", className="problem")
        return recorded_answer(viewer, records[-1])
