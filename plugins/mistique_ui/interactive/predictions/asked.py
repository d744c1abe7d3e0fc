"""What a PredictionVisualizer page is asked for, and the predictions that this leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.predictions import Assembled, Assembler, ByteCache, PredictionSet, comparable, find_predictions

if TYPE_CHECKING:
    from mistique_ui.interactive.viewer import Viewer

MOST_CACHE_BYTES = 208 * 1024 * 1024
"""Of predictions, orders and curves, in each process of the web server; a cell of the matrix is a byte."""
CACHE = ByteCache(MOST_CACHE_BYTES)
MOST_MODELS = 300
MOST_TEXT = 8_000


@dataclass(frozen=True)
class Asked:
    """The predictions of a page.

    Attributes
    ----------
    project
        Its id.
    models
        Names of prediction sets; empty for those that are comparable.
    label, positive
        Column of the truth, and the positive class; ``None`` for the likeliest.
    threshold
        From which probability of the positive class on it is decided for; ``None`` for the models' own decisions.
    """

    project: int
    models: tuple[str, ...] = ()
    label: str | None = None
    positive: str | None = None
    threshold: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the browser."""
        return {
            "project": self.project,
            "models": list(self.models),
            "label": self.label,
            "positive": self.positive,
            "threshold": self.threshold,
        }

    @classmethod
    def from_json(cls, given: Any) -> Asked:
        """Check what came from a browser.

        Raises
        ------
        InvalidInputError
            If it is not what :meth:`to_json` returns.
        """
        if not isinstance(given, Mapping) or not isinstance(given.get("project"), int):
            raise InvalidInputError("the page does not say which project it shows; open it again from the navigation")
        models = given.get("models") or []
        if not isinstance(models, list) or len(models) > MOST_MODELS:
            raise InvalidInputError(f"more than {MOST_MODELS} models cannot be compared; choose fewer")
        return cls(
            given["project"],
            tuple(text(item, "a model") or "" for item in models),
            text(given.get("label"), "the label"),
            text(given.get("positive"), "the positive class"),
            threshold_of(given.get("threshold")),
        )


def text(value: Any, what: str) -> str | None:
    """Return a short text from a browser, or ``None`` for nothing."""
    if value in (None, ""):
        return None
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise InvalidInputError(f"{what} is no short text; choose one of the list")
    return value


def threshold_of(value: Any) -> float | None:
    """Return a threshold from a browser or an address."""
    if value in (None, ""):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = -1.0
    if not 0 < found <= 1:
        raise InvalidInputError(f"threshold {str(value)[:40]!r} is no probability; give one above 0 and up to 1")
    return found


def sets_of(viewer: Viewer, project: int) -> tuple[PredictionSet, ...]:
    """Return all prediction sets of a project that the viewer may see."""
    viewer.may.see("project", [project])
    return find_predictions(viewer.catalogue, project, readable_dags=viewer.readable)


def chosen_sets(sets: tuple[PredictionSet, ...], asked: Asked) -> tuple[tuple[PredictionSet, ...], str]:
    """Return the sets and the label that are asked for.

    Raises
    ------
    NotFoundError
        If a named set does not exist, or is not the viewer's to see.
    """
    if not asked.models:
        return comparable(sets, asked.label)
    by_name = {item.name: item for item in sets}
    unknown = [name for name in asked.models if name not in by_name]
    if unknown:
        raise NotFoundError(
            f"{unknown[0][:120]!r} holds no predictions that you may see; choose models from the list, which names the "
            "newest version of each"
        )
    found = tuple(by_name[name] for name in dict.fromkeys(asked.models))
    return found, comparable(found, asked.label)[1]


def assembler_of(viewer: Viewer) -> Assembler:
    """Return what reads predictions for a viewer."""
    return Assembler(viewer.store, CACHE)


def assembled(viewer: Viewer, asked: Asked) -> Assembled:
    """Return the matrix that is asked for.

    Raises
    ------
    MistiqueError
        If there is none; the message says what to do.
    """
    sets, label = chosen_sets(sets_of(viewer, asked.project), asked)
    if not sets:
        raise NotFoundError(
            f"no model of this project has predictions beside a column {label!r}; "
            "let its Predict stage keep the label, such as keep: [label]"
        )
    return assembler_of(viewer).assemble(sets, label, asked.positive)
