"""What people write about a model and its run: annotations, tags, life stage, free metadata."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from fastapi import HTTPException

from mistique_core.catalogue.tables import model_version
from mistique_core.errors import InvalidInputError, MistiqueError
from mistique_core.modeldb.browse.records import ModelDetail
from mistique_core.modeldb.edit.annotation_records import AnnotationRecord, Fragment
from mistique_core.modeldb.edit.life_stages import LifeStage
from mistique_ui.formats import format_json
from mistique_ui.interactive import given, router
from mistique_ui.interactive.modeldb.metadata_document import LOCKED, MOST_CHARACTERS, check_edit, read_document
from mistique_ui.interactive.parts import badge, card, labelled, moment, problem
from mistique_ui.interactive.viewer import Viewer, current_viewer

PANEL = "model-edits"
_LONGEST = 20_000
_KEEP, _ARCHIVE = "keep", "archive"


def edits_panel(viewer: Viewer, model_id: int) -> Any:
    """Return the panel; its forms are for those who may edit."""
    found = viewer.db.browse.model(model_id)
    may = may_change(viewer, "model", model_id)
    return [
        html.Div(
            [
                card(_annotations(found.annotations, may=may), title="Annotations"),
                card([_tags(found, may=may), _life(found, may=may)], title="Tags and life stage"),
            ],
            className="columns",
        ),
        card(_metadata(found, may=may), title="Metadata"),
    ]


def may_change(viewer: Viewer, kind: str, row: int) -> bool:
    """Return whether the user may change a row."""
    try:
        viewer.may.change(kind, [row])
    except HTTPException:
        return False
    return True


def _annotations(written: tuple[AnnotationRecord, ...], *, may: bool) -> list[Any]:
    items = [
        html.Li(
            [
                html.P([html.Strong(item.author or "unknown"), " ", moment(item.posted_at)], className="soft"),
                html.P(item.text, className="written"),
            ]
        )
        for item in written
    ]
    shown = (
        html.Ol(items, className="annotations")
        if items
        else html.P("Nobody has written about it yet.", className="soft")
    )
    if not may:
        return [shown, _not_allowed()]
    text = dcc.Textarea(id="model-annotation", maxLength=_LONGEST, rows=3, placeholder="What should others know?")
    return [shown, labelled("New annotation", text), html.Button("Add", id="model-annotate", type="button")]


def _tags(found: ModelDetail, *, may: bool) -> Any:
    def one(name: str) -> Any:
        if not may:
            return html.Li(badge(name))
        label = f"Remove the tag {name}"
        button = html.Button(
            "×", id={"type": "model-untag", "tag": name}, type="button", title=label, **{"aria-label": label}
        )
        return html.Li([badge(name), button])

    tags = html.Ul([one(name) for name in found.run.tags], className="tags")
    shown = [
        html.H4("Tags of the run and its versions"),
        tags if found.run.tags else html.P("No tags.", className="soft"),
    ]
    if may:
        new = dcc.Input(id="model-tag", type="text", maxLength=200, placeholder="baseline")
        shown += [
            html.Div(
                [labelled("New tag", new), html.Button("Tag", id="model-add-tag", type="button")], className="controls"
            )
        ]
    return html.Div(shown)


def _life(found: ModelDetail, *, may: bool) -> Any:
    lines = [
        html.Li(
            [str(label), " ", badge(life or "no life stage yet", "success" if life == LifeStage.PRODUCTION else "")]
        )
        for label, life in zip(found.run.versions, found.run.life_stages, strict=True)
    ]
    shown: list[Any] = [html.H4("Life stage"), html.Ul(lines, className="plain")]
    if not found.run.versions:
        return html.Div([html.H4("Life stage"), html.P("The run made no model version.", className="soft")])
    if may:
        shown.append(
            html.Div(
                [
                    labelled(
                        "Move to",
                        dcc.Dropdown(
                            id="model-life",
                            options=[{"label": item.value, "value": item.value} for item in LifeStage],
                            clearable=False,
                        ),
                    ),
                    labelled(
                        "Versions in production",
                        dcc.Dropdown(
                            id="model-others",
                            options=[
                                {"label": "archive the former one", "value": _ARCHIVE},
                                {"label": "keep both", "value": _KEEP},
                            ],
                            value=_ARCHIVE,
                            clearable=False,
                        ),
                    ),
                    html.Button("Move", id="model-move", type="button"),
                ],
                className="controls",
            )
        )
    return html.Div(shown)


def _metadata(found: ModelDetail, *, may: bool) -> list[Any]:
    text = format_json(found.model.metadata)
    if not may:
        return [html.Pre(text), _not_allowed()]
    area = dcc.Textarea(
        id="model-metadata", value=text, rows=min(24, text.count("\n") + 4), maxLength=MOST_CHARACTERS, spellCheck=False
    )
    types = dcc.Checklist(id="model-types", options=[{"label": "values may get another type", "value": "1"}], value=[])
    return [
        html.P(f"A JSON object. Locked keys: {', '.join(LOCKED)}.", className="soft"),
        labelled("JSON", area),
        html.Div([types, html.Button("Save", id="model-save", type="button")], className="controls"),
    ]


def _not_allowed() -> Any:
    return html.P("To write here you need the right to edit the DAG; ask an administrator.", className="soft")


def register(app: Dash) -> None:
    """Add the callbacks of the forms. Each checks the right anew."""

    def changed(scope: Any, edit: Any, done: str) -> Any:
        viewer = current_viewer()
        if not isinstance(scope, dict):
            raise InvalidInputError("the scope of the page is not what it wrote; reload the page")
        model_id = given.number(scope.get("model"), "model")
        viewer.may.see("model", [model_id])
        viewer.may.change("model", [model_id])
        try:
            edit(viewer, viewer.db.browse.model(model_id))
        except MistiqueError as error:
            return problem(*router.explained(error)), no_update
        return html.P(done, className="done"), edits_panel(viewer, model_id)

    answer = (Output("model-said", "children", allow_duplicate=True), Output(PANEL, "children", allow_duplicate=True))

    @app.callback(
        *answer, Input("model-annotate", "n_clicks"), State("model-annotation", "value"), State("model-scope", "data"),
        prevent_initial_call=True,
    )  # fmt: skip
    def annotate(clicks: Any, text: Any, scope: Any) -> Any:
        if not clicks:
            return no_update, no_update
        message = given.text(text, "annotation", _LONGEST)

        def add(viewer: Viewer, found: ModelDetail) -> None:
            about = Fragment(model_id=found.model.id)
            viewer.db.annotations.add(found.model.run_id, Fragment(message=message), about, author=viewer.may.author)

        return changed(scope, add, "The annotation is added.")

    @app.callback(
        *answer, Input("model-add-tag", "n_clicks"), State("model-tag", "value"), State("model-scope", "data"),
        prevent_initial_call=True,
    )  # fmt: skip
    def tag(clicks: Any, name: Any, scope: Any) -> Any:
        if not clicks:
            return no_update, no_update
        wanted = given.text(name, "tag").strip()
        return changed(
            scope, lambda viewer, found: viewer.db.tags.add("run", found.run.id, wanted), "The tag is added."
        )

    @app.callback(
        *answer, Input({"type": "model-untag", "tag": ALL}, "n_clicks"), State("model-scope", "data"),
        prevent_initial_call=True,
    )  # fmt: skip
    def untag(clicks: Any, scope: Any) -> Any:
        chosen = ctx.triggered_id
        if not isinstance(clicks, list) or not any(clicks) or not isinstance(chosen, dict):
            return no_update, no_update
        name = given.text(chosen["tag"], "tag")

        def remove(viewer: Viewer, found: ModelDetail) -> None:
            viewer.db.tags.remove("run", found.run.id, name)
            for version in version_ids(viewer, found.run.id):
                viewer.db.tags.remove("version", version, name)

        return changed(scope, remove, "The tag is removed.")

    @app.callback(
        *answer, Input("model-move", "n_clicks"), State("model-life", "value"), State("model-others", "value"),
        State("model-scope", "data"), prevent_initial_call=True,
    )  # fmt: skip
    def move(clicks: Any, life: Any, others: Any, scope: Any) -> Any:
        if not clicks:
            return no_update, no_update
        if not life:
            return problem("No life stage is chosen.", "Choose one, then press Move."), no_update
        target = given.choice(life, "life stage", [item.value for item in LifeStage])
        former = given.choice(others, "versions in production", [_KEEP, _ARCHIVE])

        def go(viewer: Viewer, found: ModelDetail) -> None:
            for label in found.run.versions:
                viewer.db.life_stages.move(
                    label.project, label.model, label.version, target, archive_others=former == _ARCHIVE,
                    allow_several=former == _KEEP, author=viewer.may.author,
                )  # fmt: skip

        return changed(scope, go, f"Moved to {target}.")

    @app.callback(
        *answer, Input("model-save", "n_clicks"), State("model-metadata", "value"), State("model-types", "value"),
        State("model-scope", "data"), prevent_initial_call=True,
    )  # fmt: skip
    def save(clicks: Any, text: Any, types: Any, scope: Any) -> Any:
        if not clicks:
            return no_update, no_update
        written = given.text(text, "metadata", MOST_CHARACTERS)

        def replace(viewer: Viewer, found: ModelDetail) -> None:
            document = read_document(written)
            check_edit(found.model.metadata, document, may_change_types=bool(types))
            viewer.db.metadata.replace("model", found.model.id, document)

        return changed(scope, replace, "The metadata are saved.")


def version_ids(viewer: Viewer, run_id: int) -> list[int]:
    """Return the rows of the model versions that a run made."""
    with viewer.catalogue.read() as connection:
        return list(connection.scalars(sa.select(model_version.c.id).where(model_version.c.run_id == run_id)))
