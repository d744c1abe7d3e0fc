"""The standard check-up of a model, or of two: which questions it asks, in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core import diagnostics
from mistique_core.catalogue.version_stages import IntermediateNode
from mistique_core.checkup.drift import compare_models
from mistique_core.checkup.error_distribution import residuals
from mistique_core.checkup.roles import Roles, find_group, find_roles, key_of
from mistique_core.diagnostics import DiagnosticResult
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.model import IntermediateKey
from mistique_core.store import Mistique

_PARTS: dict[str, Callable[..., DiagnosticResult]] = {"compare_models": compare_models, "residuals": residuals}
_SHOWN_FEATURES = 200


@dataclass(frozen=True)
class Question:
    """One question of a check-up.

    Attributes
    ----------
    title
        What it is about, for people.
    technique
        A technique, or a part that only check-ups have.
    parameters
        JSON values by name.
    """

    title: str
    technique: str
    parameters: Mapping[str, Any]

    def ask(self, store: Mistique) -> DiagnosticResult:
        """Return the answer; raises as the technique does."""
        return ask_part(store, self.technique, self.parameters)


@dataclass(frozen=True)
class CheckUp:
    """What a check-up asks.

    Attributes
    ----------
    label
        ``project.model@version``, of both models where there are two.
    told
        How its columns and examples were chosen, one sentence each.
    questions
        In the order in which they are to be read.
    """

    label: str
    told: tuple[str, ...]
    questions: tuple[Question, ...]


def ask_part(store: Mistique, technique: str, parameters: Mapping[str, Any]) -> DiagnosticResult:
    """Answer a technique, or a part that only check-ups have.

    Raises
    ------
    InvalidInputError
        If there is no such technique, or a parameter is wrong.
    NotFoundError
        If what a parameter names does not exist.
    """
    if technique in _PARTS:
        return _PARTS[technique](store, **parameters)
    return diagnostics.diagnose(store, technique, parameters)


def check_up(
    store: Mistique,
    model: str,
    other: str | None = None,
    *,
    truth: str | None = None,
    prediction: str | None = None,
    group: str | None = None,
    examples: int = 5,
    most_stages: int = 6,
) -> CheckUp:
    """Plan the check-up of a model, or of two models of a project.

    Parameters
    ----------
    store
        An open store.
    model, other
        ``project.model[@version]``: the model that is looked at, and the one that it is compared with, if any.
    truth, prediction, group
        Keys of columns of `model`, where other ones are wanted than those that are found.
    examples
        How many of the worst examples, and of the neighbours of the worst one, are shown; at least 1.
    most_stages
        At how many stages, the last ones before the prediction, the worst examples are shown.

    Raises
    ------
    InvalidInputError
        If truth or prediction cannot be found, or an argument is malformed.
    NotFoundError
        If something that was named does not exist.
    """
    if examples < 1 or most_stages < 0:
        raise InvalidInputError(f"examples={examples} and most_stages={most_stages}; give at least 1 and at least 0")
    roles = find_roles(store, model, truth=truth, prediction=prediction)
    whole = diagnostics.group_metrics(store, roles.truth, [roles.prediction])
    is_regression = whole.facts["task"] == "regression"
    grouped, how = find_group(store, roles, group, is_regression=is_regression)
    told = [*roles.told, how]
    worst, loss = _worst(store, roles, is_regression)
    told.append(_told_of(worst, loss, is_regression, examples))
    questions = [_errors(roles, is_regression)]
    predictions = [str(roles.prediction)]
    theirs = None if other is None else find_roles(store, other)
    if theirs is not None:
        if theirs.graph.label == roles.graph.label:
            both = f"{model!r} and {other!r} are both {roles.graph.label}"
            raise InvalidInputError(f"{both}; name two models or versions")
        predictions.append(str(theirs.prediction))
        told.extend(f"Of the other model: {sentence}" for sentence in theirs.told[:1])
    asked = {"truth": str(roles.truth), "predictions": predictions, "group": None if grouped is None else str(grouped)}
    questions.append(Question("Errors by group", "group_metrics", asked))
    if len(worst):
        shown = worst[:examples].tolist()
        questions.extend(_about_worst(store, roles, shown, most_stages, told))
        questions.extend(_about_features(roles, shown, is_regression))
    if theirs is not None:
        questions.extend(_about_both(roles, theirs, is_regression))
    label = roles.graph.label if theirs is None else f"{roles.graph.label} and {theirs.graph.label}"
    return CheckUp(label, tuple(told), tuple(questions))


def _errors(roles: Roles, is_regression: bool) -> Question:
    sides = {"truth": str(roles.truth), "prediction": str(roles.prediction)}
    if is_regression:
        return Question("Distribution of errors", "residuals", sides)
    return Question("Which classes are taken for which", "confusion_matrix", sides)


def _worst(store: Mistique, roles: Roles, is_regression: bool) -> tuple[npt.NDArray[np.int64], str]:
    """Return the ids of the examples with errors, the largest first, and what the errors are."""
    keys = [roles.truth, roles.prediction]
    frame = _columns(store, keys).dropna().sort_index()
    truth, prediction = frame.iloc[:, 0], frame.iloc[:, 1]
    if is_regression:
        error = (prediction.astype("float64") - truth.astype("float64")).abs()
        loss = "the absolute error"
    else:
        wrong = truth.astype(str) != prediction.astype(str)
        sure = _confidence(store, roles, frame.index)
        error = wrong.astype("float64") if sure is None else sure.where(wrong, 0.0)
        loss = "being wrong" if sure is None else "how sure the wrong prediction is"
    ordered = error[error > 0].sort_values(ascending=False, kind="stable")
    return ordered.index.to_numpy(dtype=np.int64), loss


def _confidence(store: Mistique, roles: Roles, ids: pd.Index) -> pd.Series | None:
    """Return the largest predicted probability of each row; ``None`` where none are stored."""
    if len(roles.probabilities) < 2:
        return None
    return _columns(store, list(roles.probabilities)).reindex(ids).max(axis=1).fillna(0.0)


def _columns(store: Mistique, keys: list[IntermediateKey]) -> pd.DataFrame:
    return store.get_intermediates(keys).frame


def _told_of(worst: npt.NDArray[np.int64], loss: str, is_regression: bool, examples: int) -> str:
    if not len(worst):
        return "No example is predicted wrong, so that there are no worst ones."
    shown = ", ".join(str(row) for row in worst[:examples])
    return f"The worst of {len(worst):,} wrong examples by {loss}: row {shown}."


def _about_worst(store: Mistique, roles: Roles, worst: list[int], most_stages: int, told: list[str]) -> list[Question]:
    about = [str(roles.truth), str(roles.prediction), *map(str, roles.probabilities)]
    questions = [Question("The worst examples", "pointq", {"keys": about, "row_id": worst})]
    node = roles.predictions
    stages = [] if node is None else _holding(store, roles, roles.graph.path_to(node)[:-1], worst[0])
    if len(stages) > most_stages:
        told.append(f"The worst examples are shown at the last {most_stages} of {len(stages)} stages that hold them.")
    for item in stages[len(stages) - most_stages if len(stages) > most_stages else 0 :]:
        keys = [str(key_of(roles.graph, item.name))]
        shown = {"keys": keys, "row_id": worst}
        questions.append(Question(f"The worst examples at stage {item.name}", "pointq", shown))
    return questions


def _about_features(roles: Roles, worst: list[int], is_regression: bool) -> list[Question]:
    """Return what the features say of the worst example; nothing where it is not recorded what they are."""
    keys = [str(key) for key in roles.features[:_SHOWN_FEATURES]]
    if not keys:
        return []
    unlike = {"keys": keys, "row_id": worst[0], "group": None if is_regression else str(roles.truth)}
    whom = "the average" if is_regression else "others of its class"
    columns = [str(roles.truth), str(roles.prediction)]
    near = {"keys": keys, "row_id": worst[0], "k": len(worst), "standardize": True, "columns": columns}
    return [
        Question(f"In what the worst example is unlike {whom}", "row_average_compare", unlike),
        Question("Neighbours of the worst example", "knn", near),
    ]


def _holding(store: Mistique, roles: Roles, path: tuple[IntermediateNode, ...], row: int) -> list[IntermediateNode]:
    """Return the intermediates of a path that hold a row."""
    found = []
    for node in path:
        if not node.names:
            continue
        try:
            store.get_intermediates(key_of(roles.graph, node.name, node.names[0]), row_id=[row])
        except NotFoundError:
            continue
        found.append(node)
    return found


def _about_both(roles: Roles, theirs: Roles, is_regression: bool) -> list[Question]:
    mine, other = str(roles.prediction), str(theirs.prediction)
    questions = [Question("Where the two models predict differently", "col_diff", {"key_a": mine, "key_b": other})]
    if not is_regression:
        right = {"truth": str(roles.truth), "prediction_a": other, "prediction_b": mine}
        title = f"What {theirs.graph.label} gets right and {roles.graph.label} wrong"
        questions.append(Question(title, "mispredicted", right))
    models = {"model_a": roles.graph.label, "model_b": theirs.graph.label}
    return [*questions, Question("Drift of the intermediates", "compare_models", models)]
