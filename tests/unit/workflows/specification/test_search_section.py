"""The section ``search`` of a workflow: what it means, and what is wrong with it, with line and key."""

# ruff: noqa: E501 (a row of a table is one line)

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.specification import SearchSpec, WorkflowSpecificationError, load_workflow
from mistique_core.workflows.specification.searched_values import SearchedValues

STAGES = """\
project: wine
model: trees
parameters: {depth: 3, criterion: gini, share: 0.5, weights: null, column: target}
stages:
  read: {operator: ReadSklearn, params: {dataset: wine}}
  split: {operator: TrainTestSplit, inputs: read, params: {seed: 1, stratify: "${column}"}}
  model:
    operator: Fit
    inputs: split.train
    params:
      estimator: sklearn.tree.DecisionTreeClassifier
      label: target
      params: {max_depth: "${depth}", criterion: "${criterion}", max_features: "${share}", class_weight: "${weights}"}
  predictions: {operator: Predict, inputs: {model: model, data: split.test}, params: {keep: [target]}}
  scores: {operator: Evaluate, inputs: predictions, params: {label: "${column}", metrics: [accuracy]}}
"""
GRID = "{depth: [1, 2, 3], criterion: [gini, entropy]}"


def load(tmp_path: Path, search: str, stages: str = STAGES) -> Any:
    file = tmp_path / "trees.yaml"
    file.write_text(f"{stages}search:\n" + "".join(f"  {line}\n" for line in search.splitlines()))
    return load_workflow(file)


def search_of(tmp_path: Path, search: str, stages: str = STAGES) -> SearchSpec:
    found = load(tmp_path, search, stages).search
    assert isinstance(found, SearchSpec)
    return found


def test_defaults(tmp_path: Path) -> None:
    found = search_of(tmp_path, f"method: grid\nparameters: {GRID}\nobjective: accuracy\nfolds: 3")
    assert (found.stage, found.metric, found.direction, found.split) == ("scores", "accuracy", "maximize", "split")
    assert (found.trials, found.folds, found.parallel, found.seed) == (6, 3, None, 0)
    assert (found.prune, found.refit) == (False, True)
    assert json.loads(json.dumps(found.to_json()))["parameters"] == {
        "depth": [1, 2, 3],
        "criterion": ["gini", "entropy"],
    }


def test_a_workflow_without_search(tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text(STAGES)
    assert load_workflow(tmp_path / "plain.yaml").search is None


def test_cells_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        "method: grid\nparameters: {criterion: [gini, entropy], depth: {low: 2, high: 6, step: 2}}\nobjective: accuracy"
    )
    found = search_of(tmp_path, text)
    assert found.space.cells == 6
    expected = [{"criterion": c, "depth": d} for c, d in product(["gini", "entropy"], [2, 4, 6])]
    assert [found.space.cell(number) for number in range(6)] == expected
    for number in (-1, 6):
        with pytest.raises(InvalidInputError, match="there are 6 cells"):
            found.space.cell(number)


@pytest.mark.parametrize(
    ("given", "parameter", "expected"),
    [
        ({"low": 1, "high": 4}, 2, (1, 2, 3, 4)),
        ({"low": 1, "high": 4}, 0.5, None),
        ({"low": 1, "high": 4, "type": "number"}, 2, None),
        ({"low": 1, "high": 4, "log": True}, 2, None),
        ({"low": 1, "high": 6, "step": 2}, 2, (1, 3, 5)),
        ({"low": 0.1, "high": 0.5, "step": 0.1}, 0.5, (0.1, 0.2, 0.3, 0.4, 0.5)),
        ({"low": 1, "high": 2, "step": 0.5}, 2, (1.0, 1.5, 2.0)),
        ({"low": 1, "high": 3, "step": 1, "type": "number"}, 2, (1.0, 2.0, 3.0)),
        ([None, "balanced"], None, (None, "balanced")),
    ],
)
def test_values_that_can_be_listed(given: Any, parameter: Any, expected: Any) -> None:
    values = SearchedValues.from_json(given, parameter)
    assert values.problem() is None
    if expected is None:
        assert values.size is None
        return
    listed = [values.at(position) for position in range(values.size or 0)]
    assert listed == list(expected)
    assert [type(item) for item in listed] == [type(item) for item in expected]


def test_a_long_range_is_not_listed() -> None:
    values = SearchedValues.from_json({"low": 1, "high": 10**12}, 2)
    assert (values.size, values.at(10**12 - 1)) == (10**12, 10**12)


def test_a_searched_parameter_takes_what_is_searched(tmp_path: Path) -> None:
    """A share of 1 is a whole number in the file; the search makes the parameter one with a fraction."""
    text = "method: random\nparameters: {depth: {low: 0.1, high: 0.9}}\nobjective: accuracy\ntrials: 5"
    workflow = load(tmp_path, text)
    assert workflow.types["depth"] == {"type": "number"}
    assert workflow.values({"depth": 0.25})["depth"] == 0.25


def test_trials_given_later(tmp_path: Path) -> None:
    text = f"method: random\nparameters: {GRID}\nobjective: accuracy\ntrials: 4"
    assert search_of(tmp_path, text).with_trials(6).trials == 6
    with pytest.raises(InvalidInputError, match="more than the 6 combinations"):
        search_of(tmp_path, text).with_trials(7)
    with pytest.raises(InvalidInputError, match="leave trials out"):
        search_of(tmp_path, f"method: grid\nparameters: {GRID}\nobjective: accuracy").with_trials(3)


GOOD = f"method: grid\nparameters: {GRID}\nobjective: accuracy"


@pytest.mark.parametrize(
    ("search", "line", "place", "text"),
    [
        (
            "method: grids\nparameters: {depth: [1]}\nobjective: accuracy",
            17,
            "search.method",
            "not one of grid, random",
        ),
        ("method: grid\nobjective: accuracy", 16, "search.parameters", "this key is missing"),
        (f"{GOOD}\nfold: 3", 20, "search.fold", "unknown key; did you mean 'folds'?"),
        (f"{GOOD}\nfolds: 1", 20, "search.folds", "give at least 2"),
        (f"{GOOD}\nprune: true", 20, "search.prune", "give folds, or remove prune"),
        (f"{GOOD}\nsplit: split", 20, "search.split", "give folds, or remove it"),
        (f"{GOOD}\ntrials: 3", 20, "search.trials", "every combination once, here 6"),
        (f"{GOOD}\nfolds: 3\nsplit: spilt", 21, "search.split", "did you mean 'split'?"),
        (f"{GOOD}\nfolds: 3\nsplit: read", 21, "search.split", "no outputs train and test"),
        ("method: grid\nparameters: {depth: []}\nobjective: accuracy", 18, "search.parameters.depth", "this is empty"),
        (
            "method: grid\nparameters: {depth: {low: 1}}\nobjective: accuracy",
            18,
            "search.parameters.depth.high",
            "missing",
        ),
        ("method: grid\nparameters: {deep: [1]}\nobjective: accuracy", 18, "search.parameters.deep", "mean 'depth'"),
        (
            "method: grid\nparameters: {depth: [1, x]}\nobjective: accuracy",
            18,
            "search.parameters.depth",
            "'x' is not a whole",
        ),
        (
            "method: grid\nparameters: {depth: [1, 2, 1]}\nobjective: accuracy",
            18,
            "search.parameters.depth",
            "there twice",
        ),
        (
            "method: grid\nparameters: {criterion: ['${depth}']}\nobjective: accuracy",
            18,
            "search.parameters.criterion",
            "write the value",
        ),
        (
            "method: grid\nparameters: {share: {low: 0.1, high: 1}}\nobjective: accuracy",
            18,
            "search.parameters.share",
            "with step",
        ),
        (
            "method: grid\nparameters: {share: {low: 1, high: 0.1}}\nobjective: accuracy",
            18,
            "search.parameters.share",
            "not below high",
        ),
        (
            "method: grid\nparameters: {share: {low: 0, high: 1, step: 0}}\nobjective: accuracy",
            18,
            "search.parameters.share",
            "no distance",
        ),
        (
            "method: random\ntrials: 3\nparameters: {share: {low: 0, high: 1, log: true}}\nobjective: accuracy",
            19,
            "search.parameters.share",
            "no logarithm",
        ),
        (
            "method: random\ntrials: 3\nparameters: {share: {low: 1, high: 2, log: true, step: 1}}\nobjective: accuracy",
            19,
            "search.parameters.share",
            "either log or step",
        ),
        (
            "method: random\ntrials: 3\nparameters: {depth: {low: 1.5, high: 2, type: integer}}\nobjective: accuracy",
            19,
            "search.parameters.depth",
            "low=1.5 is no whole number",
        ),
        (f"method: random\nparameters: {GRID}\nobjective: accuracy", 16, "search.trials", "needs trials"),
        (f"method: random\nparameters: {GRID}\nobjective: accuracy\ntrials: 7", 20, "search.trials", "more than the 6"),
        (f"method: grid\nparameters: {GRID}\nobjective: acuracy", 19, "search.objective", "did you mean 'accuracy'?"),
        (f"method: grid\nparameters: {GRID}\nobjective: scores.f1", 19, "search.objective", "does not measure 'f1'"),
        (f"method: grid\nparameters: {GRID}\nobjective: score.f1", 19, "search.objective", "did you mean 'scores'?"),
        (f"method: grid\nparameters: {GRID}\nobjective: model.loss", 16, "search.direction", "maximize or minimize"),
        (
            f"method: grid\nparameters: {GRID}\nobjective: read.rows\ndirection: maximize\nfolds: 2",
            19,
            "search.objective",
            "does not depend on the split",
        ),
        (
            "method: grid\nparameters: {depth: [1, 2]}\nobjective: split.rows\ndirection: maximize",
            18,
            "search.parameters.depth",
            "does not depend on it",
        ),
    ],
)
def test_what_is_wrong(tmp_path: Path, search: str, line: int, place: str, text: str) -> None:
    with pytest.raises(WorkflowSpecificationError) as caught:
        load(tmp_path, search)
    found = [problem for problem in caught.value.problems if problem.place == place]
    assert found, str(caught.value)
    assert text in found[0].text
    assert found[0].line == line


@pytest.mark.parametrize(
    ("change", "place", "text"),
    [
        (("seed: 1", "seed: null"), "stages.split.params.seed", "a split needs a seed"),
        (("  scores:", "  model_fold2: {operator: DropColumns, inputs: read, params: {columns: [target]}}\n  scores:"), "stages.model_fold2", "a fold of stage 'model'"),
        (("  scores:", "  more: {operator: Evaluate, inputs: predictions, params: {label: target}}\n  scores:"), "search.objective", "write more.accuracy or scores.accuracy"),
        (("  split:", "  other: {operator: TrainTestSplit, inputs: read}\n  split:"), "search.split", "one of other, split"),
        (("TrainTestSplit", '"own.py:divide"'), "search.split", "add a stage TrainTestSplit"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_stages(tmp_path: Path, change: tuple[str, str], place: str, text: str) -> None:
    with pytest.raises(WorkflowSpecificationError) as caught:
        load(tmp_path, f"{GOOD}\nfolds: 3", STAGES.replace(*change))
    assert text in {problem.place: problem.text for problem in caught.value.problems}[place]


def test_a_grid_that_is_too_large(tmp_path: Path) -> None:
    text = "method: grid\nparameters: {depth: {low: 1, high: 200}, share: {low: 0, high: 1, step: 0.01}}\nobjective: accuracy"
    with pytest.raises(WorkflowSpecificationError, match="the grid has 20,200 cells; at most 10,000"):
        load(tmp_path, text)


def test_a_variation_has_the_search_too(tmp_path: Path) -> None:
    workflow = load(tmp_path, GOOD, STAGES.replace("stages:", "variations: {narrow: {share: 0.2}}\nstages:", 1))
    assert workflow.variation("narrow").search == workflow.search
