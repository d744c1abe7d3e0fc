"""Parts of a frame are columns of it, whichever way a script takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from mistique_core.model.event import StageEvent
from mistique_core.modeldb.client.autolog import trace
from tests.unit.modeldb.client.recorded import Sink

FIT_STAGE = "mistique_core.workflows.fit:FitStage"
ALL = ["a", "b", "c"]


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    found = pd.DataFrame(rng.normal(size=(60, 3)), columns=ALL)
    return found.assign(y=(found["a"] > 0).astype(int))


def fit(X: Callable[[pd.DataFrame], Any], y: Callable[[pd.DataFrame], Any]) -> StageEvent:
    sink = Sink()
    with trace(sink):
        data = frame()
        features, label = X(data), y(data)
        LogisticRegression().fit(features, label)
    return sink.only("LogisticRegression")


@pytest.mark.parametrize(
    "X",
    [
        lambda f: f.drop(columns="y"),
        lambda f: f.drop("y", axis=1),
        lambda f: f[["a", "b", "c"]],
        lambda f: f[f.columns[:-1]],
        lambda f: f.loc[:, "a":"c"],
        lambda f: f.iloc[:, :3],
        lambda f: f.drop(columns="y").copy(),
        lambda f: f.drop(columns="y").to_numpy(),
        lambda f: f.drop(columns="y").values,
        lambda f: np.asarray(f[["a", "b", "c"]]),
        lambda f: f.to_numpy()[:, :3],
    ],
)
def test_features(X: Any) -> None:
    event = fit(X, lambda f: f["y"])
    assert event.operator == FIT_STAGE
    assert event.params["label"] == "y"
    assert event.params["features"] is None
    assert [name for name, _ in event.inputs["data"].columns or ()] == [*ALL, "y"]
    assert [feature.name for feature in event.fitted["model"].facts.features] == ALL


@pytest.mark.parametrize(
    "y",
    [
        lambda f: f["y"], lambda f: f.y, lambda f: f.loc[:, "y"], lambda f: f["y"].to_numpy(), lambda f: f.y.values,
        lambda f: f[["y"]].values.ravel(), lambda f: f["y"].copy(),
    ],
)  # fmt: skip
def test_labels(y: Any) -> None:
    assert fit(lambda f: f[["c", "a"]], y).params["label"] == "y"
    assert fit(lambda f: f[["c", "a"]], y).params["features"] == ["c", "a"]


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (lambda f: f[["a", "b"]] * 1, lambda f: f["y"]),
        (lambda f: f[["a", "b"]], lambda f: f["y"] * 1),
        (lambda f: f.query("a < 0.5")[["a"]], lambda f: f["y"][f["a"] < 0.5]),
        (lambda f: f[f["a"] < 0.5][["a", "b"]], lambda f: f["y"][f["a"] < 0.5]),
        (lambda f: f.drop(index=range(5))[["a"]], lambda f: f["y"][5:]),
        (lambda f: f.to_numpy()[::-1, :3], lambda f: f["y"]),
        (lambda f: f.to_numpy()[:20, :3], lambda f: f["y"][:20]),
    ],
)
def test_what_was_computed_or_filtered_is_data_of_its_own(X: Any, y: Any) -> None:
    event = fit(X, y)
    assert event.operator == "sklearn.linear_model:LogisticRegression.fit"
    assert set(event.inputs) == {"data", "y"}


def test_a_frame_with_a_new_column_is_made_of_the_old() -> None:
    sink = Sink()
    with trace(sink):
        data = frame()
        train_test_split(data, random_state=0)
        data["d"] = data["a"] * 2
        LogisticRegression().fit(data.drop(columns="y"), data["y"])
    split, change, event = sink.events
    assert change.operator == "pandas:DataFrame"
    assert change.inputs["data"] is split.inputs["data"]
    assert change.frames[""] is event.inputs["data"]
    assert [name for name, _ in change.frames[""].columns or ()] == [*ALL, "y", "d"]
    assert event.params["features"] is None


def test_arrays_that_are_split_together_are_one_data_set() -> None:
    sink = Sink()
    with trace(sink):
        data = frame()
        X, y = data[ALL].to_numpy() + 1, data["y"].to_numpy() * 2
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=20, random_state=0)
        model = LogisticRegression().fit(X_train, y_train)
        log_loss(y_test, model.predict_proba(X_test))
    split, event, predict, evaluate = sink.events
    assert split.operator == "sklearn.model_selection:train_test_split"
    assert split.params["test_size"] == 20
    assert split.facts["weights"] == [pytest.approx(2 / 3), pytest.approx(1 / 3)]
    assert [name for name, _ in split.inputs["data"].columns or ()] == ["x0", "x1", "x2", "y"]
    assert (split.frames["train"].rows, split.frames["test"].rows) == (40, 20)
    assert event.inputs == {"data": split.frames["train"]}
    assert predict.inputs["data"] is split.frames["test"]
    assert evaluate.metrics_of is event.fitted["model"]
    assert evaluate.metrics_on is split.frames["test"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"test_size": 0.25, "seed": 0, "stratify": None}),
        ({"train_size": 0.75}, {"test_size": 0.25, "seed": 0, "stratify": None}),
        ({"test_size": 0.1, "stratify": "y"}, {"test_size": 0.1, "seed": 0, "stratify": "y"}),
        ({"test_size": 0.1, "train_size": 0.5}, None),
        ({"test_size": 6}, None),
        ({"shuffle": False, "random_state": None}, None),
    ],
    ids=str,
)
def test_splits_that_a_stage_can_make(options: dict[str, Any], expected: dict[str, Any] | None) -> None:
    sink = Sink()
    with trace(sink):
        data = frame()
        given = {"random_state": 0, **options}
        if "stratify" in given:
            given["stratify"] = data[given["stratify"]]
        train_test_split(data[ALL], data["y"], **given)
    (event,) = sink.events
    if expected is None:
        assert event.operator == "sklearn.model_selection:train_test_split"
    else:
        assert event.operator == "mistique_core.workflows.split:SplitStage"
        assert event.params == expected


def test_the_same_model_on_other_data_is_another_prediction() -> None:
    sink = Sink()
    with trace(sink):
        data = frame()
        train, test = train_test_split(data, random_state=0)
        model = LogisticRegression().fit(train[ALL], train["y"])
        for part in (train, test):
            guess = model.predict(part[ALL])
            chance = model.predict_proba(part[ALL])
            log_loss(part["y"], chance)
            assert len(guess) == len(part)
    assert sink.top() == ["train_test_split", "LogisticRegression", "predict", "evaluate", "predict", "evaluate"]
    split = sink.events[0]
    assert [event.metrics_on for event in sink.events if event.name == "evaluate"] == [
        split.frames["train"], split.frames["test"],
    ]  # fmt: skip
