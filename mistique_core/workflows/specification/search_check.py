"""Read the search of a document, with what the schema cannot see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mistique_core.errors import MistiqueError, did_you_mean
from mistique_core.workflows.specification.document import Document
from mistique_core.workflows.specification.parameter import in_words, type_of
from mistique_core.workflows.specification.schema import load_schema
from mistique_core.workflows.specification.search_space import SearchSpace
from mistique_core.workflows.specification.search_spec import (
    FOLD_OUTPUTS,
    GRID,
    MAXIMIZE,
    MINIMIZE,
    MOST_TRIALS,
    SearchSpec,
    fold_name,
    trials_problem,
)
from mistique_core.workflows.specification.searched_values import SearchedValues
from mistique_core.workflows.specification.spec import StageSpec, WorkflowSpec, resolve_stage
from mistique_core.workflows.specification.stage_graph import dependents_of, needed_for
from mistique_core.workflows.specification.substitution import parameters_in, texts_in

EVALUATE, SPLIT = "Evaluate", "TrainTestSplit"
_BETTER = {
    "accuracy": MAXIMIZE,
    "f1": MAXIMIZE,
    "log_loss": MINIMIZE,
    "max_error": MINIMIZE,
    "mean_absolute_error": MINIMIZE,
    "precision": MAXIMIZE,
    "r2": MAXIMIZE,
    "recall": MAXIMIZE,
    "roc_auc": MAXIMIZE,
    "root_mean_squared_error": MINIMIZE,
}
"""Metric of Evaluate -> which of its values are better."""


def read_search(document: Document, workflow: WorkflowSpec) -> SearchSpec | None:
    """Return the search of a document that matches the schema; what is wrong with it is noted.

    Parameters
    ----------
    document
        The document.
    workflow
        The rest of what it says.

    Returns
    -------
    SearchSpec or None
        ``None`` if it has none, or one that cannot be used.
    """
    value = document.value.get("search")
    if value is None:
        return None
    before = len(document.problems)
    space = _space(document, value, workflow)
    stage, metric = _objective(document, value["objective"], workflow)
    split = _split(document, value, workflow, stage)
    direction = value.get("direction") or _BETTER.get(metric, "")
    if not direction:
        document.report(("search", "direction"), f"say whether to maximize or minimize {metric!r}")
    if value.get("prune") and "folds" not in value:
        document.report(("search", "prune"), "a trial is stopped between folds; give folds, or remove prune")
    if stage:
        _check_influence(document, workflow, space, stage)
        _check_seeds(document, workflow, stage)
    trials = _trials(document, value, space)
    if len(document.problems) > before:
        return None
    return SearchSpec(
        method=value["method"],
        space=space,
        stage=stage,
        metric=metric,
        direction=direction,
        trials=trials,
        folds=value.get("folds"),
        split=split,
        parallel=value.get("parallel"),
        seed=value.get("seed", 0),
        prune=value.get("prune", False),
        refit=value.get("refit", True),
    )


def _space(document: Document, value: Mapping[str, Any], workflow: WorkflowSpec) -> SearchSpace:
    found = {}
    for name, given in value["parameters"].items():
        path = ("search", "parameters", name)
        if name not in workflow.parameters:
            hint = did_you_mean(name, workflow.parameters) if workflow.parameters else "there are no parameters"
            document.report(path, f"unknown parameter; {hint}")
            continue
        values = SearchedValues.from_json(given, workflow.parameters[name])
        problem = values.problem() or _type_problem(name, values, workflow)
        if problem is None and value["method"] == GRID and values.size is None:
            problem = "a grid needs values to try: a list, or a range with step"
        if problem is not None:
            document.report(path, problem)
            continue
        found[name] = values
    return SearchSpace(found)


def _type_problem(name: str, values: SearchedValues, workflow: WorkflowSpec) -> str | None:
    expected = type_of(workflow.parameters[name])
    for item in values.examples():
        given = type_of(item)
        numbers = {expected, given} <= {"integer", "number"}
        if expected is not None and expected != given and "null" not in (expected, given) and not numbers:
            return f"{item!r} is not {in_words(expected)}, as in parameters.{name}"
        if any("${" in text for _, text in texts_in(item)):
            return f"{item!r} cannot use another parameter or a variable; write the value"
    return None


def _objective(document: Document, text: str, workflow: WorkflowSpec) -> tuple[str, str]:
    """Return the stage ("" if it is not known) and the metric."""
    path = ("search", "objective")
    stages = {stage.name: stage for stage in workflow.stages}
    name, _, metric = text.partition(".")
    if metric and name in stages:
        known = _metrics(stages[name], workflow)
        if known is not None and metric not in known:
            hint = did_you_mean(metric, known) if known else "it has none"
            document.report(path, f"stage {name!r} does not measure {metric!r}; {hint}")
        return name, metric
    measured = {stage.name: _metrics(stage, workflow) or () for stage in workflow.stages}
    found = [stage for stage, metrics in measured.items() if text in metrics]
    if len(found) == 1:
        return found[0], text
    if found:
        choices = " or ".join(f"{stage}.{text}" for stage in found)
        document.report(path, f"several stages measure {text!r}; write {choices}")
    elif metric:
        document.report(path, f"there is no stage {name!r}; {did_you_mean(name, stages)}")
    else:
        names = sorted({item for metrics in measured.values() for item in metrics})
        hint = did_you_mean(text, names) if names else "there is none"
        document.report(path, f"no stage {EVALUATE} measures {text!r}; {hint}; of another operator, write stage.metric")
    return "", text


def _metrics(stage: StageSpec, workflow: WorkflowSpec) -> list[str] | None:
    """Return what a stage measures, as far as its operator says so."""
    if stage.operator != EVALUATE:
        return None
    metrics = _params(stage, workflow).get("metrics", _default(EVALUATE, "metrics"))
    return [str(item) for item in metrics] if isinstance(metrics, list) else None


def _params(stage: StageSpec, workflow: WorkflowSpec) -> Mapping[str, Any]:
    """Return a stage's parameters with the file's values; as they stand where environment variables are missing."""
    try:
        return resolve_stage(stage, workflow.parameters, {}).params
    except MistiqueError:
        return stage.params


def _default(operator: str, parameter: str) -> Any:
    return load_schema()["$defs"][operator]["properties"][parameter].get("default")


def _split(document: Document, value: Mapping[str, Any], workflow: WorkflowSpec, objective: str) -> str | None:
    path = ("search", "split")
    if "folds" not in value:
        if "split" in value:
            document.report(path, "this says what folds stand for; give folds, or remove it")
        return None
    stages = {stage.name: stage for stage in workflow.stages}
    name = value.get("split")
    if name is None:
        found = [stage.name for stage in workflow.stages if stage.operator == SPLIT]
        if len(found) != 1:
            how = f"give split: one of {', '.join(found)}" if found else f"add a stage {SPLIT}, or name one of your own"
            document.report(path, f"folds stand for a split, and there are {len(found)} stages {SPLIT}; {how}")
            return None
        name = found[0]
    if name not in stages:
        document.report(path, f"there is no stage {name!r}; {did_you_mean(name, stages)}")
        return None
    declared = load_schema()["$defs"].get(stages[name].operator, {}).get("x-outputs")
    if declared is not None and not set(FOLD_OUTPUTS) <= set(declared):
        document.report(path, f"stage {name!r} has no outputs train and test; name one that splits")
        return None
    _check_folds(document, workflow, name, objective, value["folds"])
    return str(name)


def _check_folds(document: Document, workflow: WorkflowSpec, split: str, objective: str, folds: int) -> None:
    dependents = dependents_of(workflow.stages, split)
    if objective and objective not in dependents:
        document.report(
            ("search", "objective"),
            f"stage {objective!r} does not depend on the split {split!r}: all folds would be equal",
        )
    names = {stage.name for stage in workflow.stages}
    for stage in workflow.stages:
        if stage.name in dependents or stage.name == split:
            for taken in sorted(names & {fold_name(stage.name, fold) for fold in range(1, folds + 1)}):
                document.report(("stages", taken), f"a fold of stage {stage.name!r} has this name; rename one of them")
            outside = [ref for ref in stage.inputs.values() if ref.stage == split and ref.output not in FOLD_OUTPUTS]
            if stage.name in dependents and outside:
                document.report(
                    ("stages", stage.name, "inputs"), f"a fold has train and test only, not {outside[0].output!r}"
                )


def _check_influence(document: Document, workflow: WorkflowSpec, space: SearchSpace, objective: str) -> None:
    """Every searched parameter has to matter for the objective, or all its values would be equal."""
    needed = needed_for(workflow.stages, [objective])
    texts = [text for stage in workflow.stages if stage.name in needed for _, text in texts_in(stage.params)]
    used = {name for text in texts for name in parameters_in(text)}
    for name in space.parameters:
        if name not in used:
            document.report(
                ("search", "parameters", name), f"stage {objective!r} does not depend on it: all values would be equal"
            )


def _check_seeds(document: Document, workflow: WorkflowSpec, objective: str) -> None:
    needed = needed_for(workflow.stages, [objective])
    for stage in workflow.stages:
        if stage.name in needed and stage.operator == SPLIT and _params(stage, workflow).get("seed", 0) is None:
            document.report(
                ("stages", stage.name, "params", "seed"),
                "trials are compared on the same rows, so that a split needs a seed; give a number",
            )


def _trials(document: Document, value: Mapping[str, Any], space: SearchSpace) -> int:
    if set(space.parameters) < set(value["parameters"]):
        return 0
    trials = value.get("trials")
    problem = trials_problem(value["method"], space, trials)
    if problem is not None:
        document.report(("search", "trials"), problem)
    if value["method"] != GRID:
        return int(trials or 0)
    cells = space.cells or 0
    if cells > MOST_TRIALS:
        document.report(("search", "parameters"), f"the grid has {cells:,} cells; at most {MOST_TRIALS:,} can be tried")
    return cells
