"""Intermediates: from project to column; what its values are like, and what a layer responds to."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import dash
from dash import MATCH, Dash, Input, Output, State, dcc, html

from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.browse import suggest_keys
from mistique_ui.formats import format_bytes
from mistique_ui.interactive.ask_button import ask_button
from mistique_ui.interactive.intermediates.chooser import Choice, choice_of, chooser, listing
from mistique_ui.interactive.intermediates.column import profile
from mistique_ui.interactive.intermediates.layer import heatmap, top_rows
from mistique_ui.interactive.intermediates.pictures import activation_maps, images
from mistique_ui.interactive.intermediates.rows import MOST_COLUMNS, block, rows_grid
from mistique_ui.interactive.intermediates.subject import Subject, find_subject, images_beside
from mistique_ui.interactive.page import Arguments, Page
from mistique_ui.interactive.parts import card, facts, heading, labelled, nothing
from mistique_ui.interactive.permalink import permalink, register_permalink
from mistique_ui.interactive.router import PLACE
from mistique_ui.interactive.viewer import Viewer, current_viewer

MOST_SUGGESTED = 200
FIRST_IMAGES = 24
MOST_ID = 2**63 - 1
_GROUP = "intermediates-group"
_LOADING = {"type": "dot", "delay_show": 300}


def layout(viewer: Viewer, arguments: Arguments) -> Any:
    """Return the page. Its address names an intermediate, a version, or an Airflow task whose outputs are wanted."""
    chosen = arguments.number("intermediate", 0)
    subject = find_subject(viewer, chosen) if chosen else None
    query = arguments.query
    if subject is not None:
        ref = subject.record.ref
        choice = choice_of(viewer, ref.project, ref.model, ref.version, None)
    else:
        run = (query["dag_id"], query["run_id"]) if query.get("dag_id") and query.get("run_id") else None
        choice = choice_of(
            viewer, query.get("project", ""), query.get("model", ""), arguments.number("version", 0), run
        )
    if not choice.models:
        return [heading("Intermediates"), nothing("Nothing is stored yet", "Trigger a DAG with stage operators.")]
    task = query.get("task_id", "") if subject is None else ""
    return [
        permalink("intermediates"),
        dcc.Store(id="intermediates-id", data=None if subject is None else chosen),
        dcc.Store(id="intermediates-shown", data=_shown(choice)),
        heading("Intermediates"),
        card([chooser(choice), _listed(viewer, choice, chosen, task)]),
        *(_about(viewer, subject, query.get("column", ""), query.get("group", "")) if subject is not None else []),
    ]


def _shown(choice: Choice) -> list[Any]:
    """Return what the dropdowns show: a choice is what differs from it."""
    version = choice.version
    return [None, None, None] if version is None else [version.project, version.model, version.number]


def _listed(viewer: Viewer, choice: Choice, chosen: int, task: str) -> Any:
    if choice.version is None:
        return nothing("The run has stored no intermediate yet", "Wait for its first stage, or choose a model above.")
    return listing(viewer, choice, chosen or None, task)


def _about(viewer: Viewer, subject: Subject, column: str, group: str) -> list[Any]:
    """Return the sections about one intermediate."""
    record = subject.record
    shape = "×".join(map(str, subject.map_shape))
    head = card(
        facts(
            [
                ("Key", subject.key),
                ("Rows", f"{record.ref.rows:,}"),
                ("Units" if subject.is_layer else "Columns", f"{len(subject.names):,}"),
                *([("Each unit", f"map of {shape}")] if shape else []),
                ("Logged", format_bytes(record.logical_bytes)),
                ("Added", format_bytes(record.stored_bytes)),
                ("Scheme", record.scheme),
            ]
        ),
        title=record.ref.intermediate,
    )
    if not record.is_kept:
        ask = ask_button(
            viewer,
            "intermediates-missing",
            "vis",
            {"keys": [subject.key]},
            why=f"{subject.key} is not stored as a whole: the query DAG can re-run the stages that make it. "
            "What is stored of it is shown below.",
        )
        return [head, card(ask, title="Not stored"), *_sections(viewer, subject, column, group)]
    return [head, *_sections(viewer, subject, column, group)]


def _sections(viewer: Viewer, subject: Subject, column: str, group: str) -> list[Any]:
    def by(name: str) -> dcc.Dropdown:
        return dcc.Dropdown(
            id={"type": _GROUP, "of": name},
            options=[group] if group else [],
            value=group or None,
            placeholder="key of a column",
        )

    if not subject.is_layer:
        shown = f"The first {MOST_COLUMNS} of {len(subject.names):,} columns. " if _is_wide(subject) else ""
        return [
            _column_card(subject, column, by("column")),
            card([rows_grid(subject), html.P(f"{shown}Rows in stored order.", className="soft")], title="Rows"),
        ]
    sections = [card([_controls(by("classes"), "Classes"), _loaded("heat")], title="Units by class")]
    if subject.is_images:
        ids = viewer.store.row_ids(subject.key, stop=FIRST_IMAGES).tolist()
        sections.insert(0, card(images(viewer, subject, ids), title=f"The first {len(ids)} images"))
    if subject.map_shape:
        first = viewer.store.row_ids(subject.key, stop=1)
        row = labelled(
            "Row id", dcc.Input(id="intermediates-row", type="number", value=int(first[0]), step=1, debounce=0.4)
        )
        sections.append(
            card([html.Div(row, className="controls"), _loaded("maps")], title="Activation maps of an example")
        )
    sections.append(_top_card(viewer, subject))
    return sections if subject.map_shape else [*sections, _column_card(subject, column, by("column"))]


def _is_wide(subject: Subject) -> bool:
    return len(subject.names) > MOST_COLUMNS


def _controls(by: Any, label: str) -> html.Div:
    return html.Div(labelled(label, by), className="controls wide-control")


def _loaded(name: str) -> Any:
    return dcc.Loading(html.Div(id=f"intermediates-{name}", **{"aria-live": "polite"}), **_LOADING)


def _column_card(subject: Subject, column: str, by: Any) -> Any:
    chosen = column if column in subject.names else subject.names[0] if subject.names else None
    picker = dcc.Dropdown(
        id="intermediates-column", options=list(subject.names[:2_000]), value=chosen, clearable=False, maxHeight=360
    )
    label = "Unit" if subject.is_layer else "Column"
    controls = html.Div([labelled(label, picker), labelled("By group", by)], className="controls wide-control")
    return card([controls, _loaded("profile")], title=label)


def _top_card(viewer: Viewer, subject: Subject) -> Any:
    beside = None if subject.is_images else images_beside(viewer, subject.record.model_version_id)
    units = dcc.Dropdown(
        id="intermediates-unit", options=list(subject.names[:5_000]), value=subject.names[0], clearable=False
    )
    sides = [{"label": "largest", "value": "largest"}, {"label": "smallest", "value": "smallest"}]
    side = dcc.Dropdown(id="intermediates-side", options=sides, value="largest", clearable=False, searchable=False)
    note = None if beside is None else html.P(f"Images of {beside.key}.", className="soft")
    controls = html.Div([labelled("Unit", units), labelled("Values", side)], className="controls")
    return card([controls, note, _loaded("top")], title="Examples that excite a unit most")


def register(app: Dash) -> None:
    """Add the callbacks."""
    register_permalink(app, "intermediates")

    @app.callback(
        Output(PLACE, "search", allow_duplicate=True),
        Input("intermediates-project", "value"),
        Input("intermediates-model", "value"),
        Input("intermediates-version", "value"),
        State("intermediates-shown", "data"),
        prevent_initial_call=True,
    )
    def choose(project: Any, model: Any, version: Any, shown: Any) -> Any:
        if not isinstance(shown, list) or [project, model, version] == shown:
            return dash.no_update  # the page has just been laid out
        asked: dict[str, Any] = {"project": project}
        if [project] == shown[:1]:
            asked["model"] = model
        if [project, model] == shown[:2]:
            asked["version"] = version
        return _search(asked)

    @app.callback(
        Output({"type": _GROUP, "of": MATCH}, "options"),
        Input({"type": _GROUP, "of": MATCH}, "search_value"),
        State({"type": _GROUP, "of": MATCH}, "value"),
    )
    def suggest(text: Any, value: Any) -> Any:
        viewer = current_viewer()
        written = str(text or "")[:1_000]
        with viewer.catalogue.read() as connection:
            keys = suggest_keys(connection, written, whole=False, readable_dags=viewer.readable, limit=MOST_SUGGESTED)
        typed = [written] if written.count(".") >= 3 else []
        return list(dict.fromkeys([*keys, *typed, *([value] if isinstance(value, str) else [])]))

    @app.callback(
        Output("intermediates-profile", "children"),
        Output("intermediates-permalink", "data"),
        Input("intermediates-column", "value"),
        Input({"type": _GROUP, "of": "column"}, "value"),
        State("intermediates-id", "data"),
    )
    def show_column(column: Any, group: Any, intermediate: Any) -> tuple[Any, Any]:
        viewer = current_viewer()
        subject = find_subject(viewer, intermediate)
        name, by = subject.column(column), _key(group)
        address = _search({"intermediate": intermediate, "column": name, "group": by})
        return profile(viewer, subject, name, by), address

    @app.callback(
        Output("intermediates-rows", "getRowsResponse"),
        Input("intermediates-rows", "getRowsRequest"),
        State("intermediates-id", "data"),
    )
    def show_rows(request: Any, intermediate: Any) -> Any:
        if request is None:
            return dash.no_update
        viewer = current_viewer()
        return block(viewer, find_subject(viewer, intermediate), request)

    @app.callback(
        Output("intermediates-heat", "children"),
        Input({"type": _GROUP, "of": "classes"}, "value"),
        State("intermediates-id", "data"),
    )
    def show_heat(group: Any, intermediate: Any) -> Any:
        viewer = current_viewer()
        return heatmap(viewer, find_subject(viewer, intermediate), _key(group))

    @app.callback(
        Output("intermediates-maps", "children"),
        Input("intermediates-row", "value"),
        State("intermediates-id", "data"),
    )
    def show_maps(row: Any, intermediate: Any) -> Any:
        if not isinstance(row, int) or isinstance(row, bool) or not -MOST_ID <= row <= MOST_ID:
            raise InvalidInputError(f"row_id={str(row)[:40]!r} is no row; give a whole number")
        viewer = current_viewer()
        return activation_maps(viewer, find_subject(viewer, intermediate), row)

    @app.callback(
        Output("intermediates-top", "children"),
        Input("intermediates-unit", "value"),
        Input("intermediates-side", "value"),
        State("intermediates-id", "data"),
    )
    def show_top(unit: Any, side: Any, intermediate: Any) -> Any:
        viewer = current_viewer()
        subject = find_subject(viewer, intermediate)
        return top_rows(viewer, subject, subject.column(unit), 12, largest=side != "smallest")


def _key(value: Any) -> str | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or len(value) > 1_000:
        raise InvalidInputError(f"group={str(value)[:80]!r} is no key; write project.model.intermediate.column")
    return value


def _search(values: dict[str, Any]) -> str:
    return f"?{urlencode({name: value for name, value in values.items() if value not in (None, '')})}"


INTERMEDIATES = Page("/intermediates", "intermediates", "Intermediates", layout, register)
