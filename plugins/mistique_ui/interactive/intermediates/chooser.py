"""From project to model to version to intermediate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dash import dcc, html

from mistique_core.modeldb.browse import StoredIntermediate, StoredVersion, stored_intermediates, stored_versions
from mistique_core.modeldb.runs import list_models
from mistique_ui.formats import format_bytes
from mistique_ui.interactive.parts import badge, labelled
from mistique_ui.interactive.viewer import Viewer

MOST_VERSIONS = 500
MOST_LISTED = 500


@dataclass(frozen=True)
class Choice:
    """What is chosen so far.

    Attributes
    ----------
    models
        (project, model) of all models that the user may see.
    version
        The model version; ``None`` where there is none.
    versions
        All versions of its model, the newest first.
    items
        Its intermediates.
    """

    models: Sequence[tuple[str, str]]
    version: StoredVersion | None
    versions: Sequence[StoredVersion]
    items: Sequence[StoredIntermediate]


def choice_of(viewer: Viewer, project: str, model: str, number: int, run: tuple[str, str] | None) -> Choice:
    """Return what an address chooses; what it leaves open is the newest.

    Parameters
    ----------
    viewer
        Who looks.
    project, model
        Empty for any.
    number
        Of the version; 0 for the newest.
    run
        (dag_id, run_id) whose version is wanted; where the run made several, `project` and `model` tell them apart.
    """
    with viewer.catalogue.read() as connection:
        models = list_models(connection, viewer.readable)
        found = stored_versions(
            connection,
            readable_dags=viewer.readable,
            project_name=project or None,
            model_name=model or None,
            run=run,
            limit=MOST_VERSIONS,
        )
        version = next((item for item in found if number in (0, item.number)), None)
        if version is None:
            return Choice(models, None, found, ())
        versions = stored_versions(
            connection,
            readable_dags=viewer.readable,
            project_name=version.project,
            model_name=version.model,
            limit=MOST_VERSIONS,
        )
        return Choice(models, version, versions, stored_intermediates(connection, version.id))


def chooser(choice: Choice) -> html.Div:
    """Return the dropdowns of project, model and version."""
    version = choice.version
    project, model = (None, None) if version is None else (version.project, version.model)
    projects = list(dict.fromkeys(item[0] for item in choice.models))
    models = [item[1] for item in choice.models if item[0] == project]
    numbers = [{"label": f"@{item.number} ({item.state})", "value": item.number} for item in choice.versions]

    def dropdown(name: str, options: Any, value: Any) -> dcc.Dropdown:
        return dcc.Dropdown(id=f"intermediates-{name}", options=options, value=value, clearable=False)

    return html.Div(
        [
            labelled("Project", dropdown("project", projects, project)),
            labelled("Model", dropdown("model", models, model)),
            labelled("Version", dropdown("version", numbers, None if version is None else version.number)),
        ],
        className="controls",
    )


def listing(viewer: Viewer, choice: Choice, chosen: int | None, task_id: str) -> Any:
    """Return the intermediates of the version as links, in the order in which they were made."""
    items = [item for item in choice.items if not task_id or item.task_id == task_id]
    hint = None
    if task_id and not items:
        items, hint = list(choice.items), f"The task {task_id!r} made no intermediate; these are all of its run."
    rows = [_row(viewer, item, item.id == chosen) for item in items[:MOST_LISTED]]
    head = ("Intermediate", "Stage", "Rows", "Columns", "Logged", "Scheme", "")
    numbers = ("Rows", "Columns", "Logged")
    table = html.Table(
        [
            html.Thead(html.Tr([html.Th(name, className="num" if name in numbers else None) for name in head])),
            html.Tbody(rows),
        ],
        className="compact",
        id="intermediates-list",
    )
    more = f"The first {MOST_LISTED} of {len(items):,}." if len(items) > MOST_LISTED else hint
    return html.Div(
        [html.P(more, className="soft") if more else None, html.Div(table, className="scroll tall", tabIndex=0)]
    )


def _row(viewer: Viewer, item: StoredIntermediate, is_chosen: bool) -> html.Tr:
    state = "" if item.is_kept else "not stored"
    link = dcc.Link(item.name, href=viewer.address("/app/intermediates", intermediate=item.id))
    return html.Tr(
        [
            html.Th(link, scope="row", **({"aria-current": "true"} if is_chosen else {})),
            html.Td([item.operator or "logged by hand", " ", badge("reused", "reused") if item.is_reused else None]),
            html.Td(f"{item.rows:,}", className="num"),
            html.Td(f"{item.columns:,}", className="num"),
            html.Td(format_bytes(item.logical_bytes), className="num"),
            html.Td(item.scheme),
            html.Td(badge(state, "rerun") if state else None),
        ],
        className="chosen" if is_chosen else None,
    )
