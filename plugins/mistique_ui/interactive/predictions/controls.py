"""The controls of the page: project, models, label, positive class, threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import dcc, html

from mistique_core.predictions import PredictionSet
from mistique_core.predictions.assemble import display_names
from mistique_core.predictions.problem import Problem
from mistique_ui.interactive.parts import labelled
from mistique_ui.interactive.predictions.asked import Asked

if TYPE_CHECKING:
    from mistique_ui.interactive.viewer import Viewer


def controls(
    viewer: Viewer,
    asked: Asked,
    sets: tuple[PredictionSet, ...],
    chosen: tuple[PredictionSet, ...],
    label: str,
    problem: Problem | None,
) -> html.Div:
    """Return the controls, with what is shown chosen in them."""
    projects = [
        {"label": item.name, "value": item.id}
        for item in viewer.db.browse.projects(readable_dags=viewer.readable, most_metrics=0)
    ]
    names = {item.name: shown for item, shown in zip(sets, display_names(sets), strict=True)}
    labels = sorted({name for item in sets for name in item.labels[:50]})
    return html.Div(
        [
            labelled(
                "Project",
                dcc.Dropdown(id="predictions-project", options=projects, value=asked.project, clearable=False),
            ),
            html.Div(
                labelled(
                    f"Models ({len(chosen)} of {len(sets)})",
                    dcc.Dropdown(
                        id="predictions-models",
                        options=[{"label": f"{shown}", "value": name} for name, shown in names.items()],
                        value=[item.name for item in chosen],
                        multi=True,
                    ),
                    "The newest version of each model that has predictions beside the label",
                ),
                className="wide-field",
            ),
            labelled("Label", dcc.Dropdown(id="predictions-label", options=labels, value=label, clearable=False)),
            html.Div(positive_field(problem), id="predictions-positive-field"),
            html.Div(
                labelled(
                    "Threshold",
                    dcc.Input(
                        id="predictions-threshold",
                        type="number",
                        min=0.005,
                        max=1,
                        step=0.005,
                        value=asked.threshold,
                        placeholder="own",
                        debounce=0.4,
                    ),
                    "Probability of the positive class from which on a row is decided for it, in steps of 0.005; "
                    "empty for the models' own decisions",
                ),
                hidden=problem is None or problem.kind != "binary",
                id="predictions-threshold-field",
            ),
        ],
        className="controls",
    )


def positive_field(problem: Problem | None) -> Any:
    """Return the choice of the positive class, hidden where there is none."""
    classes = problem.classes if problem is not None and problem.kind == "binary" else ()
    chosen = classes[problem.positive] if problem is not None and problem.positive is not None and classes else None
    return html.Div(
        labelled(
            "Positive class",
            dcc.Dropdown(id="predictions-positive", options=list(classes), value=chosen, clearable=False),
        ),
        hidden=not classes,
    )
