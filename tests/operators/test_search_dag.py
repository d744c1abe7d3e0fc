"""A search as a DAG: a mapped task a trial, every trial an ExperimentRun, shared stages executed once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.tables import experiment_run, model, model_version, stage
from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.runs import list_runs
from tests.airflow_home import ROOT

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]

RunDag = Callable[..., Any]
SMALL = """\
project: wine
model: tree
parameters: {depth: 3, leaf: 1}
search: {method: grid, parameters: {depth: [1, 3]}, objective: accuracy, folds: 2}
stages:
  read: {operator: ReadSklearn, params: {dataset: wine}}
  split: {operator: TrainTestSplit, inputs: read, params: {seed: 1, stratify: target}}
  model:
    operator: Fit
    inputs: split.train
    params:
      estimator: sklearn.tree.DecisionTreeClassifier
      label: target
      params: {max_depth: "${depth}", min_samples_leaf: "${leaf}", random_state: 0}
  predictions: {operator: Predict, inputs: {model: model, data: split.test}, params: {keep: [target]}}
  scores: {operator: Evaluate, inputs: predictions, params: {label: target, metrics: [accuracy]}}
"""


def search_dag(place: Path, dag_id: str) -> Any:
    from operators import dags_from_yaml

    return dags_from_yaml(place)[dag_id]


def stages_of(store: Mistique, where: Any) -> list[Any]:
    query = (
        sa.select(stage, model.c.name.label("model"), experiment_run.c.run_id)
        .select_from(stage.join(model_version).join(model))
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .where(where)
        .order_by(stage.c.id)
    )
    with store.catalogue.read() as connection:
        return list(connection.execute(query).all())


def test_a_grid_of_24_cells(run_dag: RunDag, home: Path) -> None:
    """The example of the DAGs folder: 24 trials with three folds each; what they share is executed once."""
    run = run_dag(search_dag(ROOT / "dags" / "search", "cancer_trees_search"))
    assert run.state == "success"
    assert Counter(ti.task_id for ti in run.get_task_instances()) == {"plan": 1, "trial": 24, "best": 1, "refit": 1}
    with Mistique.open(home) as store:
        with store.catalogue.read() as connection:
            runs = list_runs(connection, limit=100).runs
        trials = [item for item in runs if item.run_type == "trial"]
        assert {item.run_id for item in trials} == {f"{run.run_id}/trial-{n}" for n in range(1, 25)}
        assert {(item.dag_id, item.source, item.state) for item in trials} == {
            ("cancer_trees_search", "airflow", "success")
        }
        assert len({json.dumps(item.params, sort_keys=True) for item in trials}) == 24
        for item in trials:
            assert item.hyperparameters == {name: item.params[name] for name in ("depth", "leaf", "criterion")}
            assert set(item.metrics) == {"accuracy", "accuracy_std", "roc_auc", "roc_auc_std"}

        made = stages_of(store, experiment_run.c.run_type == "trial")
        assert {row.model for row in made} == {"trees_search"}
        events = {row.id: row for row in made if row.kind == "cross validation"}
        assert len(events) == 24
        folds = Counter(row.parent_id for row in made if row.name.startswith("scores_fold"))
        assert folds == dict.fromkeys(events, 3)
        executed = Counter(row.name for row in made if row.reused_from is None and row.kind != "cross validation")
        shared = ["read", "split", *(f"{name}_fold{fold}" for name in ("split", "scaled") for fold in (1, 2, 3))]
        assert {name: executed[name] for name in shared} == dict.fromkeys(shared, 1)
        assert all(executed[f"model_fold{fold}"] == 24 for fold in (1, 2, 3))

        (found,) = stages_of(store, stage.c.kind == "grid search")
        assert (found.run_id, found.model) == (run.run_id, "trees_search")
        facts = found.facts
        assert [item["number"] for item in facts["trials"]] == list(range(1, 25))
        best = max(facts["trials"], key=lambda item: item["objective"])
        assert facts["best"] == best["number"]

        refit = next(item for item in runs if item.run_type == "refit")
        assert [(version.model, version.version) for version in refit.versions] == [("trees", 1)]
        assert {name: refit.params[name] for name in best["params"]} == best["params"]
        predictions = store.get_intermediates("cancer.trees.predictions").to_pandas()
    assert expected_means() == pytest.approx({_cell(item["params"]): item["objective"] for item in facts["trials"]})
    assert len(predictions) == 143


def _cell(params: dict[str, Any]) -> tuple[Any, ...]:
    return params["depth"], params["leaf"], params["criterion"]


def expected_means() -> dict[tuple[Any, ...], float]:
    """Return the mean score of every cell as scikit-learn's own grid search computes it."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    data = load_breast_cancer(as_frame=True)
    features, _, target, _ = train_test_split(
        data.data, data.target, test_size=0.25, random_state=0, stratify=data.target
    )
    grid = {"max_depth": [2, 4, 8], "min_samples_leaf": [1, 5, 10, 20], "criterion": ["gini", "entropy"]}
    prefixed = {f"decisiontreeclassifier__{name}": values for name, values in grid.items()}
    search = GridSearchCV(
        make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)),
        prefixed,
        scoring="roc_auc",
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
        refit=False,
    ).fit(features, target)
    results = pd.DataFrame(search.cv_results_)
    cells = zip(*(results[f"param_decisiontreeclassifier__{name}"] for name in grid), strict=True)
    return dict(zip(cells, results["mean_test_score"], strict=True))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "tree.yaml"
    file.write_text(SMALL)
    return file


def test_its_form_asks_for_what_is_not_searched(small: Path) -> None:
    dag = search_dag(small, "wine_tree_search")
    assert dag.params.dump() == {"leaf": 1}
    assert dag.schedule is None
    assert {task.task_id: set(task.upstream_task_ids) for task in dag.tasks} == {
        "plan": set(),
        "trial": {"plan"},
        "best": {"trial"},
        "refit": {"best"},
    }


def test_a_fixed_parameter_reaches_all_runs(small: Path, run_dag: RunDag, home: Path) -> None:
    assert run_dag(search_dag(small, "wine_tree_search"), {"leaf": 4}).state == "success"
    with Mistique.open(home) as store, store.catalogue.read() as connection:
        runs = list_runs(connection).runs
    assert Counter(item.run_type for item in runs) == {"trial": 2, "refit": 1, "manual": 1}
    assert {item.params["leaf"] for item in runs} == {4}


def test_a_trial_that_fails_does_not_fail_the_search(small: Path, run_dag: RunDag, home: Path) -> None:
    small.write_text(SMALL.replace("depth: [1, 3]", "depth: [1, -3]"))
    run = run_dag(search_dag(small, "wine_tree_search"))
    assert run.state == "success"
    assert Counter(ti.state for ti in run.get_task_instances(state=None) if ti.task_id == "trial") == {
        "success": 1,
        "failed": 1,
    }
    with Mistique.open(home) as store:
        (found,) = stages_of(store, stage.c.kind == "grid search")
    assert [item["state"] for item in found.facts["trials"]] == ["complete", "failed"]
    assert found.facts["best"] == 1


def test_a_search_of_which_all_trials_fail_has_failed(small: Path, run_dag: RunDag, home: Path) -> None:
    small.write_text(SMALL.replace("depth: [1, 3]", "depth: [-1, -3]"))
    assert run_dag(search_dag(small, "wine_tree_search")).state == "failed"
    with Mistique.open(home) as store:
        (found,) = stages_of(store, stage.c.kind == "grid search")
    assert found.state == "failed"
    assert "none of 2 trials came to its end; the first error is that of trial 1: " in found.error


def test_another_try_is_the_same_trial(
    small: Path, run_dag: RunDag, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A random search whose task fails once: its second try takes the parameters of the first."""
    from mistique_core.workflows import EvaluateStage
    from operators import dags_from_yaml

    drawn = "method: random, trials: 1, parameters: {leaf: {low: 1, high: 99}}"
    small.write_text(SMALL.replace("method: grid, parameters: {depth: [1, 3]}", drawn))
    execute = EvaluateStage.execute
    failures = iter([True])

    def fails_once(self: EvaluateStage, *args: Any) -> Any:
        if next(failures, False):
            raise ZeroDivisionError("once")
        return execute(self, *args)

    monkeypatch.setattr(EvaluateStage, "execute", fails_once)
    again = {"retries": 1, "retry_delay": timedelta(0)}
    dag = dags_from_yaml(small, default_args=again)["wine_tree_search"]
    run = run_dag(dag)
    assert run.state == "success"
    assert next(ti.try_number for ti in run.get_task_instances() if ti.task_id == "trial") == 2
    with Mistique.open(home) as store:
        made = stages_of(store, experiment_run.c.run_type == "trial")
        events = [row for row in made if row.kind == "cross validation"]
        assert [(row.try_number, row.state) for row in events] == [(1, "failed"), (2, "success")]
        fits = {json.dumps(row.params, sort_keys=True) for row in made if row.name == "model_fold1"}
        assert len(fits) == 1
        with store.catalogue.read() as connection:
            (trial,) = [item for item in list_runs(connection).runs if item.run_type == "trial"]
    assert (trial.state, trial.error) == ("success", None)


def test_ids_that_would_be_equal(tmp_path: Path) -> None:
    from operators import dags_from_yaml

    (tmp_path / "two.yaml").write_text(SMALL.replace("search:", "variations: {a: {}, a_search: {}}\nsearch:", 1))
    with pytest.raises(InvalidInputError, match="two of its DAGs would be 'wine_tree_a_search'"):
        dags_from_yaml(tmp_path / "two.yaml")
