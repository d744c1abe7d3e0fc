"""autolog and the _sync calls leave the same record of the same script, and a true one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, mean_squared_error, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from mistique_core.model.event import StageKind
from mistique_core.modeldb.client import event_buffer
from mistique_core.modeldb.client.autolog import trace
from mistique_core.modeldb.sync import (
    Syncer,
    compute_metrics,
    cross_val_score_sync,
    read_csv_sync,
    train_test_split_sync,
)
from tests.unit.modeldb.client.recorded import Sink, plain

LIBRARIES = {"numpy", "pandas", "mistique_core"}


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(5, 2, 400), "b": rng.normal(size=400), "c": rng.integers(0, 9, 400)})
    frame["label"] = (frame["a"] + frame["b"] + rng.normal(size=400) > 5).astype(int)
    path = tmp_path_factory.mktemp("data") / "table.csv"
    frame.to_csv(path, index=False)
    return str(path)


def simple(path: str) -> None:
    frame = pd.read_csv(path)
    X, y = frame.drop(columns="label"), frame["label"]
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=7)
    scaler = StandardScaler()
    scaled = scaler.fit_transform(X_train)
    model = LogisticRegression(C=0.5).fit(scaled, y_train)
    test = scaler.transform(X_test)
    guess = model.predict(test)
    accuracy_score(y_test, guess)
    chance = model.predict_proba(test)
    roc_auc_score(y_test, chance[:, 1])
    f1_score(y_test, guess)
    mean_squared_error(y_test, guess)


def simple_sync(path: str) -> None:
    frame: Any = read_csv_sync(path)
    X, y = frame.drop_sync(columns="label"), frame["label"]
    X_train, X_test, y_train, y_test = train_test_split_sync(X, y, test_size=0.3, random_state=7)
    scaler: Any = StandardScaler()
    scaled = scaler.fit_transform_sync(X_train)
    model: Any = LogisticRegression(C=0.5)
    assert model.fit_sync(scaled, y_train) is model  # defect 6 of the original: it returned None
    test = scaler.transform_sync(X_test)
    guess = model.predict_sync(test)
    compute_metrics(model, accuracy_score, y_test, guess, test)
    chance = model.predict_proba_sync(test)
    compute_metrics(model, roc_auc_score, y_test, chance[:, 1], test)
    compute_metrics(model, f1_score, y_test, guess, test)
    compute_metrics(model, mean_squared_error, y_test, guess, test)


def pipeline(path: str) -> None:
    frame = pd.read_csv(path)
    steps = [("scale", MinMaxScaler()), ("pass", "passthrough"), ("model", LogisticRegression())]
    model = Pipeline(steps).fit(frame[["a", "b"]], frame.label)
    model.predict(frame[["a", "b"]])
    model.score(frame[["a", "b"]], frame.label)


def pipeline_sync(path: str) -> None:
    frame = read_csv_sync(path)
    steps = [("scale", MinMaxScaler()), ("pass", "passthrough"), ("model", LogisticRegression())]
    model: Any = Pipeline(steps)
    model.fit_sync(frame[["a", "b"]], frame.label)
    model.predict_sync(frame[["a", "b"]])
    model.score_sync(frame[["a", "b"]], frame.label)


def search(path: str) -> None:
    frame = pd.read_csv(path)
    X, y = frame[["a", "b", "c"]], frame["label"]
    grid = GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0]}, cv=KFold(3, shuffle=True, random_state=4))
    grid.fit(X, y)
    grid.predict(X)
    cross_val_score(LogisticRegression(max_iter=500), X, y, cv=4, scoring="roc_auc")


def search_sync(path: str) -> None:
    frame = read_csv_sync(path)
    X, y = frame[["a", "b", "c"]], frame["label"]
    grid: Any = GridSearchCV(
        LogisticRegression(max_iter=500), {"C": [0.1, 1.0]}, cv=KFold(3, shuffle=True, random_state=4)
    )
    grid.fit_sync(X, y)
    grid.predict_sync(X)
    cross_val_score_sync(LogisticRegression(max_iter=500), X, y, cv=4, scoring="roc_auc")


def traced(script: Callable[[str], None], path: str) -> Sink:
    sink = Sink()
    with trace(sink):
        script(path)
    assert sink.is_finished
    assert sink.error is None
    return sink


def synced(script: Callable[[str], None], path: str) -> Sink:
    sink = Sink()
    with Syncer(sink=sink):
        script(path)
    return sink


@pytest.mark.parametrize(
    ("script", "sync"),
    [(simple, simple_sync), (pipeline, pipeline_sync), (search, search_sync)],
    ids=["simple", "pipeline", "search"],
)
def test_both_clients_leave_the_same_record(csv: str, script: Any, sync: Any) -> None:
    ours, theirs = plain(traced(script, csv).events), plain(synced(sync, csv).events)
    assert [event["name"] for event in ours] == [event["name"] for event in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one == other


def test_a_script_is_recorded_as_the_stages_that_do_the_same(csv: str) -> None:
    sink = traced(simple, csv)
    assert sink.top() == [
        "read_csv", "train_test_split", "StandardScaler", "LogisticRegression", "predict", "evaluate", "evaluate",
    ]  # fmt: skip
    read, split, scale, fit, predict, evaluate, other = sink.events
    stages = "mistique_core.workflows"
    assert (read.kind, read.operator) == (StageKind.READ, f"{stages}.read:ReadCsvStage")
    assert read.params == {"path": csv, "row_id": None, "options": {}}
    names = ("a", "b", "c", "label")
    assert read.frames[""].columns == tuple(zip(names, ("float64", "float64", "int64", "int64"), strict=True))
    assert (read.frames[""].rows, read.frames[""].filepath) == (400, csv)
    assert (split.kind, split.operator) == (StageKind.SPLIT, f"{stages}.split:SplitStage")
    assert split.params == {"test_size": 0.3, "seed": 7, "stratify": None}
    assert split.facts == {"seed": 7, "weights": [0.7, 0.3]}
    assert split.inputs["data"] is read.frames[""]
    assert [(name, frame.rows, frame.columns) for name, frame in split.frames.items()] == [
        ("train", 280, read.frames[""].columns), ("test", 120, read.frames[""].columns),
    ]  # fmt: skip
    assert (scale.kind, scale.operator) == (StageKind.TRANSFORM, f"{stages}.transform:TransformStage")
    assert scale.params == {
        "transformer": "sklearn.preprocessing.StandardScaler", "params": {}, "columns": ["a", "b", "c"],
        "exclude": [], "label": None, "fit_on": None,
    }  # fmt: skip
    assert scale.inputs == split.frames
    assert list(scale.frames) == ["train", "test"]
    assert [name for name, _ in scale.frames["test"].columns or ()] == list(names)
    assert (fit.kind, fit.operator, fit.label) == (StageKind.FIT, f"{stages}.fit:FitStage", "LogisticRegression")
    assert fit.params == {
        "estimator": "sklearn.linear_model.LogisticRegression", "label": "label", "params": {"C": 0.5},
        "features": None,
    }  # fmt: skip
    assert fit.inputs == {"data": scale.frames["train"]}
    assert fit.hyperparameters["C"] == 0.5
    facts = fit.fitted["model"].facts
    assert [feature.name for feature in facts.features] == ["a", "b", "c"]
    assert facts.label_columns == ("label",)
    assert facts.linear is not None
    assert facts.linear.is_standardized is True
    assert (predict.operator, predict.params) == (f"{stages}.predict:PredictStage", {"keep": ["label"]})
    assert predict.inputs == {"model": fit.fitted["model"], "data": scale.frames["test"]}
    made = ["prediction", "probability_0", "probability_1", "label"]
    assert [name for name, _ in predict.frames[""].columns or ()] == made
    assert (evaluate.operator, list(evaluate.metrics)) == (
        f"{stages}.evaluate:EvaluateStage", ["accuracy", "roc_auc", "f1"],
    )  # fmt: skip
    assert evaluate.params == {
        "label": "label", "metrics": ["accuracy", "roc_auc", "f1"], "prediction": "prediction",
        "probability": "probability_1",
    }  # fmt: skip
    assert evaluate.inputs == {"data": predict.frames[""]}
    for event in (evaluate, other):
        assert event.metrics_of is fit.fitted["model"]
        assert event.metrics_on is scale.frames["test"]
    assert other.operator == "sklearn.metrics:mean_squared_error"
    assert list(other.metrics) == ["mean_squared_error"]
    for event in sink.events:
        assert event.error is None
        assert 0 < event.started_at <= event.ended_at
        assert set(event.libraries) >= LIBRARIES


def test_the_recorded_stages_give_the_same_when_they_are_run(csv: str, tmp_path: Path) -> None:
    from importlib import import_module

    sink = traced(simple, csv)
    made: dict[int, Any] = {}
    measured: dict[str, float] = {}
    for event in sink.events[:-1]:
        module, _, name = event.operator.partition(":")
        stage = getattr(import_module(module), name).from_params(event.params)
        result = stage.execute({key: made[id(entity)] for key, entity in event.inputs.items()})
        for key, entity in event.frames.items():
            made[id(entity)] = result.frames[key]
            assert len(result.frames[key]) == entity.rows
            columns = zip(result.frames[key].columns, map(str, result.frames[key].dtypes), strict=True)
            assert tuple(columns) == entity.columns
        made.update({id(entity): result.fitted[key] for key, entity in event.fitted.items()})
        measured.update(result.metrics)
    assert measured == pytest.approx(sink.events[-2].metrics)


def test_a_pipeline_has_its_steps_as_parts(csv: str) -> None:
    sink = traced(pipeline, csv)
    assert sink.top() == ["read_csv", "Pipeline", "predict", "score"]
    whole = sink.only("Pipeline")
    parts = [event for event in sink.events if event.parent is whole]
    assert [(part.kind, part.name, part.facts["position"]) for part in parts] == [
        (StageKind.TRANSFORM, "scale", 0), (StageKind.FIT, "model", 1),
    ]  # fmt: skip
    assert whole.kind is StageKind.PIPELINE
    assert parts[0].inputs["data"] is sink.only("read_csv").frames[""]
    assert parts[1].inputs["data"] is parts[0].frames[""]
    assert parts[0].fitted["transformer"].facts.type_name == "MinMaxScaler"
    assert sink.only("predict").inputs["model"] is whole.fitted["model"]
    assert [feature.name for feature in whole.fitted["model"].facts.features] == ["a", "b"]
    assert sink.only("score").metrics_of is whole.fitted["model"]
    assert list(sink.only("score").metrics) == ["accuracy"]


def test_a_scaler_and_a_model_are_a_stage_that_normalizes(csv: str) -> None:
    def script(path: str) -> None:
        frame = pd.read_csv(path)
        Pipeline([("s", StandardScaler()), ("m", LogisticRegression(C=3))]).fit(
            frame.loc[:, ["a", "b", "c"]], frame.label
        )

    fit = traced(script, csv).only("Pipeline")
    assert fit.operator == "mistique_core.workflows.fit:FitStage"
    assert fit.params == {
        "estimator": "sklearn.linear_model.LogisticRegression", "label": "label", "params": {"C": 3},
        "features": None, "normalize": "standard",
    }  # fmt: skip


def test_a_search_has_cells_folds_and_the_best_fit(csv: str) -> None:
    frame = pd.read_csv(csv)
    X, y = frame[["a", "b", "c"]], frame["label"]
    grid = GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0]}, cv=KFold(3, shuffle=True, random_state=4))
    grid.fit(X, y)
    sink = traced(search, csv)
    event = sink.only("GridSearchCV")
    assert event.kind is StageKind.GRID_SEARCH
    assert event.facts == {"folds": 3, "seed": 4, "evaluator": "accuracy"}
    assert event.metrics == {"best_accuracy": grid.best_score_}
    cells = [item for item in sink.events if item.parent is event and item.kind is StageKind.CROSS_VALIDATION]
    assert [cell.hyperparameters for cell in cells] == [{"C": 0.1}, {"C": 1.0}]
    for number, cell in enumerate(cells):
        folds = [item for item in sink.events if item.parent is cell]
        assert {fold.kind for fold in folds} == {StageKind.METRIC}
        expected = [{"accuracy": grid.cv_results_[f"split{fold}_test_score"][number]} for fold in range(3)]
        assert [fold.metrics for fold in folds] == expected
    (best,) = [item for item in sink.events if item.parent is event and item.kind is StageKind.FIT]
    assert best.fitted["model"].facts.hyperparameters["C"] == grid.best_params_["C"]
    assert event.hyperparameters["C"] == grid.best_params_["C"]
    assert sink.only("predict").inputs["model"] is best.fitted["model"]
    validation = sink.only("cross_val_score")
    assert validation.facts == {"folds": 4, "seed": None, "evaluator": "roc_auc"}
    scores = cross_val_score(LogisticRegression(max_iter=500), X, y, cv=4, scoring="roc_auc")
    assert [item.metrics["roc_auc"] for item in sink.events if item.parent is validation] == scores.tolist()
    assert validation.metrics == {"mean_roc_auc": pytest.approx(scores.mean())}
    order = {id(item): number for number, item in enumerate(sink.events)}
    assert all(order[id(item.parent)] < order[id(item)] for item in sink.events if item.parent is not None)


def test_what_a_record_holds_does_not_depend_on_when_it_is_written(csv: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script whose events are written as soon as they can be leaves the same as one whose are written at its end."""
    for name in ("_FIRST_INTERVAL_SECONDS", "_INTERVAL_SECONDS"):
        monkeypatch.setattr(event_buffer, name, 600.0)
    at_end, at_once = Sink(), Sink()
    with trace(at_end):
        simple(csv)

    def slowly(path: str) -> None:
        frame = pd.read_csv(path)
        X, y = frame.drop(columns="label"), frame["label"]
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=7)
        run.tracker.buffer._write()
        scaler = StandardScaler()
        scaled = scaler.fit_transform(X_train)
        run.tracker.buffer._write()
        model = LogisticRegression(C=0.5).fit(scaled, y_train)
        test = scaler.transform(X_test)
        guess = model.predict(test)
        run.tracker.buffer._write()
        accuracy_score(y_test, guess)
        chance = model.predict_proba(test)
        roc_auc_score(y_test, chance[:, 1])
        f1_score(y_test, guess)
        mean_squared_error(y_test, guess)

    with trace(at_once) as run:
        slowly(csv)
    assert at_once.batches > 1
    assert plain(at_once.events) == plain(at_end.events)
