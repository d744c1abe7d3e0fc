"""Which columns of a model hold the truth, the prediction and what examples are grouped by, and how that was told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mistique_core.catalogue.intermediates import find_version
from mistique_core.catalogue.version_stages import IntermediateNode, VersionGraph, version_graph
from mistique_core.errors import InvalidInputError
from mistique_core.frames import LogicalType
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.store import Mistique

_PREDICTIONS = ("prediction", "predictions", "predicted", "y_pred", "yhat")
_TRUTHS = ("target", "truth", "label", "y_true", "y")
_CLASS_KINDS = ("bool", "string", "object", "categorical")
_MOST_CLASSES = 20
_GROUP_CANDIDATES, _MOST_GROUPS = 8, 12


@dataclass(frozen=True)
class Roles:
    """The columns that a check-up is about.

    Attributes
    ----------
    graph
        The model version.
    truth, prediction
        Keys of one column each.
    probabilities
        Keys of the predicted probabilities beside the prediction, if any.
    told
        How each was chosen, one sentence each.
    """

    graph: VersionGraph
    truth: IntermediateKey
    prediction: IntermediateKey
    probabilities: tuple[IntermediateKey, ...]
    told: tuple[str, ...]

    @property
    def predictions(self) -> IntermediateNode | None:
        """The intermediate that holds the prediction; ``None`` if it is another model's."""
        return self.graph.intermediate(self.prediction.intermediate)

    @property
    def features(self) -> tuple[IntermediateKey, ...]:
        """Keys of what the prediction was made from, without the truth; empty where that is not recorded."""
        made = self.predictions
        if made is None or made.stage is None:
            return ()
        for node in self.graph.intermediates:
            if node.id in made.stage.intermediates:
                whole = key_of(self.graph, node.name)
                if self.truth.column not in node.names:
                    return (whole,)
                return tuple(whole.with_column(name) for name in node.names if name != self.truth.column)
        return ()


def graph_of(store: Mistique, model: str) -> VersionGraph:
    """Return the graph of ``project.model[@version]``, by default of its latest complete version.

    Raises
    ------
    InvalidInputError
        If the text is no such name.
    NotFoundError
        If there is no such version.
    """
    if model.count(".") != 1:
        raise InvalidInputError(f"model {model!r} is not a name; write project.model, or project.model@3 for version 3")
    key = IntermediateKey.parse(f"{model}.any")
    with store.catalogue.read() as connection:
        return version_graph(connection, find_version(connection, key))


def key_of(graph: VersionGraph, intermediate: str, column: str = ALL_COLUMNS) -> IntermediateKey:
    """Return the key of an intermediate, or of one of its columns, of exactly this version."""
    return IntermediateKey(graph.project, graph.model, intermediate, column, graph.number)


def find_roles(store: Mistique, model: str, *, truth: str | None = None, prediction: str | None = None) -> Roles:
    """Find truth and prediction of a model version.

    Those that its evaluation compared; else columns with the usual names.

    Parameters
    ----------
    store
        An open store.
    model
        ``project.model[@version]``.
    truth, prediction
        Keys of a column each, where they cannot be found or another one is wanted.

    Raises
    ------
    InvalidInputError
        If one cannot be found, or a name is malformed.
    NotFoundError
        If there is no such model version.
    """
    graph = graph_of(store, model)
    found = _of_evaluation(graph) or _of_names(graph)
    told = []
    if prediction is not None:
        chosen = IntermediateKey.parse(prediction)
        told.append(f"The prediction is {chosen}, as given.")
    elif found is not None:
        chosen = found.prediction
        told.append(f"The prediction is {chosen}: {found.why}.")
    else:
        raise InvalidInputError(
            f"no intermediate of {graph.label} has a column named {' or '.join(_PREDICTIONS)}; "
            "name the prediction, such as project.model.predictions.price"
        )
    if truth is not None:
        right = IntermediateKey.parse(truth)
        told.append(f"The truth is {right}, as given.")
    elif found is not None and found.truth is not None:
        right = found.truth
        told.append(f"The truth is {right}: {found.why_truth}.")
    else:
        raise InvalidInputError(
            f"no column of {graph.label} is known as the truth of {chosen}; name it, or let its pipeline end with an "
            "Evaluate stage"
        )
    return Roles(graph, right, chosen, _probabilities(graph, chosen), tuple(told))


@dataclass(frozen=True)
class _Found:
    prediction: IntermediateKey
    why: str
    truth: IntermediateKey | None
    why_truth: str


def _of_evaluation(graph: VersionGraph) -> _Found | None:
    """Return what the last evaluation compared."""
    by_id = {item.id: item for item in graph.intermediates}
    for stage in reversed(graph.stages):
        names = stage.params.get("prediction"), stage.params.get("label")
        frames = [by_id[item] for item in stage.intermediates if item in by_id]
        if len(frames) == 1 and set(names) <= set(frames[0].names):
            why = f"stage {stage.name!r} evaluates it"
            prediction, truth = (key_of(graph, frames[0].name, str(name)) for name in names)
            return _Found(prediction, why, truth, f"stage {stage.name!r} compares the prediction with it")
    return None


def _of_names(graph: VersionGraph) -> _Found | None:
    """Return a column with a usual name for predictions, and what it is to be compared with."""
    labels = [str(stage.params["label"]) for stage in reversed(graph.stages) if stage.params.get("label")]
    for node in reversed(graph.intermediates):
        name = next((name for name in _PREDICTIONS if name in node.names), None)
        if name is None:
            continue
        prediction = key_of(graph, node.name, name)
        why = f"{node.name!r} is the last intermediate with a column of that name"
        truth, why_truth = _truth_beside(graph, node, labels)
        return _Found(prediction, why, truth, why_truth)
    return None


def _truth_beside(graph: VersionGraph, node: IntermediateNode, labels: list[str]) -> tuple[IntermediateKey | None, str]:
    for holder in (node, *reversed(graph.path_to(node))):
        for name in labels:
            if name in holder.names:
                return key_of(graph, holder.name, name), "a stage of the pipeline learned it as its label"
        for name in _TRUTHS:
            if name in holder.names:
                return key_of(graph, holder.name, name), "it has a usual name for what is true"
    return None, ""


def _probabilities(graph: VersionGraph, prediction: IntermediateKey) -> tuple[IntermediateKey, ...]:
    node = graph.intermediate(prediction.intermediate)
    names = () if node is None else node.names
    return tuple(key_of(graph, prediction.intermediate, name) for name in names if name.startswith("probability_"))


def find_group(
    store: Mistique, roles: Roles, group: str | None, *, is_regression: bool
) -> tuple[IntermediateKey | None, str]:
    """Return the key of a column to group errors by, and how it was chosen.

    The first column with few distinct values on the way to the prediction; else the classes of the truth, or quantiles
    of it.

    Parameters
    ----------
    store
        An open store.
    roles
        Truth and prediction.
    group
        The key of one, where another one is wanted.
    is_regression
        Whether the truth is an amount.
    """
    if group is not None:
        key = IntermediateKey.parse(group)
        return key, f"Errors are grouped by {key}, as given."
    node = roles.predictions
    path = () if node is None else roles.graph.path_to(node)
    candidates = _few_valued(roles, tuple(item for item in path if node is not None and item.rows >= node.rows))
    for key, _ in zip(candidates, range(_GROUP_CANDIDATES), strict=False):
        values = store.get_intermediates(key).frame.iloc[:, 0]
        if 2 <= values.nunique() <= _MOST_GROUPS:
            return key, f"Errors are grouped by {key}: it has {values.nunique()} distinct values."
    what = "quantiles of the truth" if is_regression else "the true class"
    return roles.truth, f"Errors are grouped by {what}: no feature with few distinct values was found."


def _few_valued(roles: Roles, path: tuple[IntermediateNode, ...]) -> Iterator[IntermediateKey]:
    """Yield columns that may have few values, by their types: labels first, then integers."""
    seen = {roles.truth.column, roles.prediction.column}
    for labels in (True, False):
        for node in path:
            for column in node.columns:
                kind = LogicalType.from_json(column.logical_type)
                is_label = kind.kind in _CLASS_KINDS
                is_whole = kind.kind == "numeric" and "f" not in kind.dtype
                if column.name not in seen and (is_label if labels else is_whole):
                    seen.add(column.name)
                    yield key_of(roles.graph, node.name, column.name)
