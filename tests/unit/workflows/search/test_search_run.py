"""A search without Airflow: the trials that scikit-learn would make, recorded, with shared stages executed once."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mistique_core import Mistique
from mistique_core.catalogue.entities import RunKey
from mistique_core.catalogue.tables import experiment_run, model_version, stage
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.modeldb.reproduce.recorded_workflow import recorded_workflow
from mistique_core.modeldb.reproduce.rerun_run import rerun_run
from mistique_core.modeldb.reproduce.workflow_yaml import workflow_yaml
from mistique_core.modeldb.runs import find_run, list_runs
from mistique_core.workflows import load_workflow
from mistique_core.workflows.fit import FitStage
from mistique_core.workflows.search import run_search
from mistique_core.workflows.search.conclusion import SearchFailedError
from mistique_core.workflows.search.trial import COMPLETE, FAILED, PRUNED
from mistique_core.workflows.search.trial_run import mean_metrics, run_trial
from tests.unit.workflows.search.samples import GRID, TREE_YAML, stages_of_trials, with_search, workflow


def expected(depths: list[int], leaves: list[int], seed: int = 5) -> GridSearchCV:
    """Return scikit-learn's own search over the same folds."""
    data = load_wine(as_frame=True)
    features, _, target, _ = train_test_split(data.data, data.target, random_state=1, stratify=data.target)
    tree = DecisionTreeClassifier(random_state=0, max_features=1.0)
    grid = {"tree__max_depth": depths, "tree__min_samples_leaf": leaves}
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    pipeline = Pipeline([("scale", StandardScaler()), ("tree", tree)])
    return GridSearchCV(pipeline, grid, cv=folds, refit=False).fit(features, target)


def test_a_grid_is_that_of_scikit_learn(catalogue_url: str, tmp_path: Path) -> None:
    spec = workflow(tmp_path)
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        report = run_search(store, spec, run_id="one")
        with store.catalogue.read() as connection:
            found = find_run(connection, "wine.tree_search", "one")
            runs = {item.run_id: item for item in list_runs(connection).runs}
        made = stages_of_trials(store)
    results = expected([1, 3], [1, 8]).cv_results_
    assert [(t.params["depth"], t.params["leaf"]) for t in report.trials] == [
        (params["tree__max_depth"], params["tree__min_samples_leaf"]) for params in results["params"]
    ]
    splits = np.array([results[f"split{fold}_test_score"] for fold in range(3)]).T
    np.testing.assert_allclose([trial.folds for trial in report.trials], splits)
    np.testing.assert_allclose([trial.objective for trial in report.trials], results["mean_test_score"])
    assert report.best.number == int(np.argmax(results["mean_test_score"])) + 1

    assert set(runs) == {"one", "one/refit", *(f"one/trial-{number}" for number in range(1, 5))}
    for number in range(4):
        trial = runs[f"one/trial-{number + 1}"]
        assert (trial.dag_id, trial.source, trial.run_type) == ("wine.tree_search", "python", "trial")
        assert trial.hyperparameters == dict(report.trials[number].params)
        assert trial.params == {"depth": 3, "leaf": 1, "share": 1.0, "dataset": "wine", **report.trials[number].params}
        assert trial.metrics == pytest.approx(
            {"accuracy": results["mean_test_score"][number], "accuracy_std": results["std_test_score"][number]}
        )
    assert found is not None
    (event,) = found.stages
    assert (event.kind, event.facts["best"]) == ("grid search", report.best.number)
    assert event.facts["trials"] == [trial.to_json() for trial in report.trials]
    assert (event.metrics, event.hyperparameters) == (
        {"best_accuracy": report.best.objective},
        dict(report.best.params),
    )

    executed = Counter(row.name for row in made if row.reused_from is None and row.kind != "cross validation")
    shared = ["read", "split", *(f"{name}_fold{fold}" for name in ("split", "scaled") for fold in (1, 2, 3))]
    assert {name: executed[name] for name in shared} == dict.fromkeys(shared, 1)
    assert report.executed == sum(executed.values())
    assert report.executed + report.reused == 4 * (2 + 3 * 5)
    events = {row.id: row for row in made if row.kind == "cross validation"}
    assert {row.name for row in made if row.parent_id is None} == {"read", "split", "cross_validation"}
    assert Counter(row.parent_id for row in made if row.parent_id) == dict.fromkeys(events, 15)
    assert all(row.facts == {"folds": 3, "seed": 5, "evaluator": "scores.accuracy"} for row in events.values())


def test_the_main_model_gets_one_version_with_the_best(tmp_path: Path) -> None:
    spec = workflow(tmp_path)
    with Mistique.open(tmp_path / "store") as store:
        first = store.log_intermediates(spec.path)
        report = run_search(store, spec)
        assert (first.version, report.refit) == (1, "wine.tree@2")
        with store.catalogue.read() as connection:
            refit = next(item for item in list_runs(connection).runs if item.run_type == "refit")
        assert refit.hyperparameters["max_depth"] == report.best.params["depth"]
        assert set(store.intermediates("wine", "tree")["version"]) == {1, 2}
        again = run_search(store, with_search(spec, refit=False))
        assert again.refit is None
        assert again.executed == 0, "an equal search computes nothing"
        assert set(store.intermediates("wine", "tree")["version"]) == {1, 2}


def test_without_folds_the_test_set_is_what_counts(tmp_path: Path) -> None:
    spec = workflow(tmp_path, "{method: grid, parameters: {depth: [1, 3]}, objective: accuracy}")
    with Mistique.open(tmp_path / "store") as store:
        report = run_search(store, spec)
        for trial in report.trials:
            other = store.log_intermediates(spec.path, parameters=dict(trial.params), model="other")
            assert (trial.objective, trial.folds) == (other.metrics["accuracy"], ())
        assert {row.name for row in stages_of_trials(store)} == {
            "read", "split", "scaled", "model", "predictions", "scores",
        }  # fmt: skip


def test_trials_run_what_the_metrics_need(tmp_path: Path) -> None:
    """Not what else hangs on the workflow, neither before the split nor in the folds."""
    more = TREE_YAML + (
        "  other: {operator: DropColumns, inputs: read, params: {columns: [target]}}\n"
        "  all: {operator: Predict, inputs: {model: model, data: other}}\n"
    )
    spec = workflow(tmp_path, GRID, more)
    with Mistique.open(tmp_path / "store") as store:
        run_search(store, with_search(spec, refit=False))
        names = {row.name for row in stages_of_trials(store)}
    assert "read" in names
    assert not {name for name in names if name.startswith(("other", "all"))}


def test_in_several_processes(catalogue_url: str, tmp_path: Path) -> None:
    spec = with_search(workflow(tmp_path), refit=False)
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        report = run_search(store, spec, parallel=2)
        made = stages_of_trials(store)
    results = expected([1, 3], [1, 8]).cv_results_
    np.testing.assert_allclose([trial.objective for trial in report.trials], results["mean_test_score"])
    executed = Counter(row.name for row in made if row.reused_from is None)
    shared = ["read", "split", *(f"{name}_fold{fold}" for name in ("split", "scaled") for fold in (1, 2, 3))]
    assert {name: executed[name] for name in shared} == dict.fromkeys(shared, 1)


def test_pruned_trials(tmp_path: Path) -> None:
    """A stump is worse than a tree in the first fold already; the three that are first are never stopped."""
    search = (
        "{method: grid, parameters: {depth: [4, 5, 6, 1]}, objective: accuracy, folds: 3, prune: true, refit: false}"
    )
    with Mistique.open(tmp_path / "store") as store:
        report = run_search(store, workflow(tmp_path, search))
        with store.catalogue.read() as connection:
            runs = {item.run_id: item for item in list_runs(connection).runs}
        made = stages_of_trials(store)
    assert [trial.state for trial in report.trials] == [COMPLETE, COMPLETE, COMPLETE, PRUNED]
    last = report.trials[-1]
    assert (len(last.folds), last.objective) == (1, None)
    run = runs[last.run_id]
    assert (run.state, run.metrics, run.hyperparameters) == ("success", {}, {"depth": 1})
    event = next(row for row in made if row.run_id == last.run_id and row.kind == "cross validation")
    assert event.facts["pruned_after"] == 1
    assert event.about["state"] == PRUNED
    assert not [row for row in made if row.run_id == last.run_id and row.name.endswith("_fold2")]


def test_a_bayesian_search_learns_from_the_catalogue(tmp_path: Path) -> None:
    """Its last suggestion depends on what the trials before it reached."""
    search = "{method: bayesian, trials: 5, parameters: {share: {low: 0.05, high: 1}}, objective: accuracy}"
    chosen = []
    for dataset in ("wine", "breast_cancer"):
        with Mistique.open(tmp_path / dataset) as store:
            report = run_search(store, workflow(tmp_path, search), parameters={"dataset": dataset})
        chosen.append([trial.params["share"] for trial in report.trials])
        assert len(set(chosen[-1])) == 5
        assert all(trial.state == COMPLETE for trial in report.trials)
    assert chosen[0][0] == chosen[1][0], "the first is drawn by chance"
    assert chosen[0][-1] != chosen[1][-1]


def failing_fit(monkeypatch: pytest.MonkeyPatch, failures: int) -> None:
    """Let the first fits fail."""
    left = iter(range(failures))
    execute = FitStage.execute

    def fails(self: FitStage, *args: Any) -> Any:
        if next(left, None) is not None:
            raise ZeroDivisionError("in the fit")
        return execute(self, *args)

    monkeypatch.setattr(FitStage, "execute", fails)


def test_another_try_of_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = "{method: bayesian, trials: 3, parameters: {share: {low: 0.05, high: 1}}, objective: accuracy, folds: 2}"
    spec, key = workflow(tmp_path, search), RunKey("python", "wine.tree_search", "retried")
    with Mistique.open(tmp_path / "store") as store:
        run_trial(store, spec, key, 1)
        failing_fit(monkeypatch, 1)
        with pytest.raises(ZeroDivisionError):
            run_trial(store, spec, key, 2)
        with store.catalogue.read() as connection:
            rows = {row.run_id: row for row in connection.execute(sa.select(experiment_run))}
        failed = rows["retried/trial-2"]
        assert (failed.state, failed.metadata["state"]) == ("failed", FAILED)
        run_trial(store, spec, key, 3)
        again = run_trial(store, spec, key, 2)
        assert again.params == failed.metadata["parameters"]
        assert (again.state, again.error, len(again.folds)) == (COMPLETE, None, 2)
        with store.catalogue.read() as connection:
            runs = list_runs(connection).runs
            tries = connection.execute(
                sa.select(stage.c.try_number, stage.c.state).where(
                    stage.c.name == "cross_validation", stage.c.try_number > 1
                )
            ).all()
    assert len(runs) == 3
    assert [tuple(row) for row in tries] == [(2, "success")]


def test_a_search_goes_on_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    failing_fit(monkeypatch, 1)
    spec = with_search(workflow(tmp_path), refit=False)
    with Mistique.open(tmp_path / "store") as store:
        with caplog.at_level(logging.WARNING):
            report = run_search(store, spec, run_id="again")
        assert [trial.state for trial in report.trials] == [FAILED, COMPLETE, COMPLETE, COMPLETE]
        assert "trial 1 failed: ZeroDivisionError: in the fit" in caplog.text
        assert "in the fit" in str(report)
        before = len(stages_of_trials(store))
        report = run_search(store, spec, run_id="again")
        assert [trial.state for trial in report.trials] == [COMPLETE] * 4
        added = stages_of_trials(store)[before:]
    assert {row.run_id for row in added} == {"again/trial-1"}, "what is complete stays"
    np.testing.assert_allclose(
        [trial.objective for trial in report.trials], expected([1, 3], [1, 8]).cv_results_["mean_test_score"]
    )


def test_a_search_of_which_every_trial_fails(tmp_path: Path) -> None:
    spec = workflow(tmp_path, "{method: grid, parameters: {depth: [-1, -2]}, objective: accuracy}")
    with Mistique.open(tmp_path / "store") as store:
        with pytest.raises(
            SearchFailedError, match="none of 2 trials came to its end; the first error is that of trial 1"
        ):
            run_search(store, spec)
        with store.catalogue.read() as connection:
            runs = list_runs(connection).runs
    assert {item.state for item in runs} == {"failed"}
    assert len(runs) == 3


def test_an_objective_that_is_not_measured(tmp_path: Path) -> None:
    search = "{method: grid, parameters: {depth: [1]}, objective: model.loss, direction: minimize}"
    with Mistique.open(tmp_path / "store") as store, pytest.raises(SearchFailedError, match="did not measure"):
        run_search(store, workflow(tmp_path, search))


def test_what_cannot_be_searched(tmp_path: Path) -> None:
    spec = workflow(tmp_path)
    with Mistique.open(tmp_path / "store") as store:
        with pytest.raises(InvalidInputError, match="'depth' is searched"):
            run_search(store, spec, parameters={"depth": 2})
        with pytest.raises(NotFoundError, match="no parameter 'deep'"):
            run_search(store, spec, parameters={"deep": 2})
        with pytest.raises(InvalidInputError, match="parallel=0"):
            run_search(store, spec, parallel=0)
        with pytest.raises(InvalidInputError, match="leave trials out"):
            run_search(store, spec, trials=3)
        (tmp_path / "plain.yaml").write_text(TREE_YAML)
        with pytest.raises(InvalidInputError, match="has no search; add the section search"):
            run_search(store, load_workflow(tmp_path / "plain.yaml"))
        varied = workflow(tmp_path, GRID, TREE_YAML.replace("stages:", "variations: {a: {}, b: {}}\nstages:", 1))
        with pytest.raises(InvalidInputError, match="choose one of a, b"):
            run_search(store, varied)
        assert run_search(store, with_search(varied.variation("b"), refit=False)).model == "tree_b_search"


def test_a_policy_holds_for_trials_too(tmp_path: Path) -> None:
    spec = workflow(tmp_path, GRID, TREE_YAML.replace("stages:", "materialization: adaptive\nstages:", 1))
    with Mistique.open(tmp_path / "store") as store:
        report = run_search(store, spec)
        listed = store.intermediates("wine", "tree_search")
    np.testing.assert_allclose(
        [trial.objective for trial in report.trials], expected([1, 3], [1, 8]).cv_results_["mean_test_score"]
    )
    assert listed[listed["intermediate"] == "read"]["kept"].all()
    assert not listed[listed["intermediate"].str.startswith("predictions")]["kept"].any()


def test_metrics_of_two_stages_are_told_apart() -> None:
    folds = [
        {"a": {"r2": 1.0, "max_error": 2.0}, "b": {"r2": 0.0}},
        {"a": {"r2": 2.0}, "b": {"r2": 4.0}},
    ]
    assert mean_metrics(folds) == {"a.r2": 1.5, "a.r2_std": 0.5, "b.r2": 2.0, "b.r2_std": 2.0}


def test_a_trial_is_re_created_from_its_record(tmp_path: Path) -> None:
    """As any run: run again, and written as a workflow file, which gives the same metrics."""
    spec = with_search(workflow(tmp_path), refit=False)
    with Mistique.open(tmp_path / "store") as store:
        report = run_search(store, spec)
        with store.catalogue.read() as connection:
            version = connection.execute(
                sa.select(model_version.c.id)
                .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
                .where(experiment_run.c.run_id == report.trials[1].run_id)
            ).scalar_one()
            text = workflow_yaml(recorded_workflow(connection, version))
        verdict = rerun_run(store, version).verdict
        (tmp_path / "trial.yaml").write_text(text)
        again = store.log_intermediates(tmp_path / "trial.yaml", model="again")
    assert verdict.is_equal, str(verdict)
    by_stage = {stage.name: stage.metrics for stage in again.stages}
    assert [by_stage[f"scores_fold{fold}"]["accuracy"] for fold in (1, 2, 3)] == list(report.trials[1].folds)


def test_trials_can_be_deleted(catalogue_url: str, tmp_path: Path) -> None:
    """Nothing that the refit took over from them is lost, and the same search can be made again."""
    spec = workflow(tmp_path)
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        first = run_search(store, spec)
        predictions = store.get_intermediates("wine.tree.predictions").to_pandas()
        assert store.delete("wine", "tree_search").versions == 5
        store.gc(grace_seconds=0)
        assert not store.check(read_data=True).problems
        pd.testing.assert_frame_equal(store.get_intermediates("wine.tree.predictions").to_pandas(), predictions)
        second = run_search(store, spec)
    assert [trial.objective for trial in second.trials] == [trial.objective for trial in first.trials]
