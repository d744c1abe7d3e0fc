"""What a budget would let go: the one that is in force, and one to try."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.browse import stored_versions
from mistique_core.modeldb.runs import list_models
from mistique_ui.formats import format_bytes
from mistique_ui.interactive.parts import card, facts, labelled
from mistique_ui.interactive.storage.tables import leaving_grid
from mistique_ui.interactive.viewer import Viewer

MOST_LEAVING = 50
_MOST_MEGABYTES = 1e9


def budget_card(viewer: Viewer) -> Any:
    """Return what the store's budget holds, what would go next, and the form to try another one."""
    store = viewer.store
    limit, found = store.budget_bytes, store.budget_outlook(MOST_LEAVING)
    with viewer.catalogue.read() as connection:
        visible = set(list_models(connection, viewer.readable))
    leaving = [item for item in found.leaving if _model(item.label) in visible]
    state = facts(
        [
            ("Budget of the store", "none" if limit is None else format_bytes(limit)),
            ("Counts in a budget", format_bytes(found.held_bytes)),
            ("Left", None if limit is None else format_bytes(max(0, limit - found.held_bytes))),
        ]
    )
    if leaving:
        shown: Any = [html.H3("Next to go, when room is needed"), leaving_grid(leaving)]
    else:
        shown = html.P(
            "Nothing would go: only what was re-run once and came out equal counts in a budget and may be let go. "
            "`mistique materialize PROJECT.MODEL --budget 10MB` sets a budget and compares.",
            className="soft",
        )
    form = html.Div(
        [
            labelled(
                "Budget in MB",
                dcc.Input(id="storage-limit", type="number", min=0, step="any", value=1, debounce=True),
            ),
            html.Button("What would go?", id="storage-try", type="button"),
        ],
        className="controls",
    )
    return card(
        [
            state,
            *(shown if isinstance(shown, list) else [shown]),
            html.H3("Try a budget for the model version that is chosen above"),
            form,
            dcc.Loading(html.Div(id="storage-tried", **{"aria-live": "polite"}), type="dot", delay_show=200),
        ],
        title="What a budget lets go",
    )


def dry_run(viewer: Viewer, version: int | None, megabytes: Any) -> Any:
    """Return what a budget would let go of a model version; nothing is changed, and nothing re-run."""
    if version is None:
        raise InvalidInputError("No model version is chosen; choose one under 'What each intermediate is worth'")
    if not isinstance(megabytes, (int, float)) or isinstance(megabytes, bool) or not 0 <= megabytes <= _MOST_MEGABYTES:
        raise InvalidInputError(f"budget={str(megabytes)[:40]!r} is no size; give megabytes, 0 or more")
    with viewer.catalogue.read() as connection:
        known = {item.id: item for item in stored_versions(connection, readable_dags=viewer.readable)}
    if version not in known:
        raise InvalidInputError(f"model version {version} holds no intermediates; choose another one")
    chosen, limit = known[version], int(megabytes * 1e6)
    report = viewer.store.materialize(
        chosen.project,
        chosen.model,
        version=chosen.number,
        policy={"policy": "budget", "bytes": limit},
        dry_run=True,
    )
    command = f"mistique materialize {chosen.project}.{chosen.model} --budget {megabytes:g}MB"
    if not report.let_go:
        return html.P(f"Under {format_bytes(limit)}, nothing of {chosen.label} would go: what can be re-run fits.")
    partly = [f"{name} ({count} of its columns stay)" for name, count in report.partly.items()]
    whole = [name for name in report.let_go if name not in report.partly]
    return [
        html.P(
            [
                html.Strong(f"{len(report.let_go)} of {len(report.let_go) + len(report.kept)} intermediates would go"),
                f" and {format_bytes(report.freed_bytes)} could be freed. Each is re-run and compared first; what "
                "comes out different stays.",
            ]
        ),
        html.Ul([html.Li(name) for name in [*whole, *partly]], className="names"),
        html.P(["Kept: ", ", ".join(report.kept) or "nothing"], className="soft"),
        html.P(["To do it: ", html.Code(command)], className="soft"),
    ]


def _model(label: str) -> tuple[str, str]:
    project, _, rest = label.partition(".")
    return project, rest.partition("@")[0]
