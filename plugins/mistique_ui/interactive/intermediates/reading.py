"""Answers of techniques over what is stored; what is not stored, or too large, is left to the query DAG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mistique_core.errors import MistiqueError
from mistique_ui.interactive.ask_button import ask_button
from mistique_ui.interactive.parts import problem
from mistique_ui.interactive.question.answerable import answer, judge
from mistique_ui.interactive.router import explained

if TYPE_CHECKING:
    from mistique_core.diagnostics import DiagnosticResult
    from mistique_ui.interactive.viewer import Viewer


def answered(
    viewer: Viewer,
    place: str,
    technique: str,
    parameters: Mapping[str, Any],
    show: Callable[[DiagnosticResult], Any],
    *,
    rows: list[int] | None = None,
) -> Any:
    """Return what is shown of an answer, or the button that has it answered elsewhere.

    Parameters
    ----------
    viewer
        Who looks.
    place
        Where on the page; begins with the page's name.
    technique, parameters
        The question.
    show
        Draws the answer.
    rows
        Row ids of a sample that is taken instead of all rows.
    """
    given = {**parameters, "strategy": "read"}
    sampled = given if rows is None else {**given, "row_id": rows}
    try:
        judged = judge(viewer, technique, sampled)
        if judged.why_not:
            return ask_button(viewer, place, technique, dict(parameters), why=judged.why_not)
        return show(answer(viewer, technique, sampled))
    except MistiqueError as error:
        return problem(*explained(error))
