"""Tracing changes no result, no error and no class, fits nothing twice, and is gone when it has stopped."""

from __future__ import annotations

import gc
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
import sklearn.model_selection
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.datasets import make_classification
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score as measure
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mistique_core.modeldb.client.fit_events as fit_events
from mistique_core.errors import InvalidInputError
from mistique_core.model.event import StageKind
from mistique_core.modeldb.client.autolog import trace
from mistique_core.modeldb.client.session import active_run
from mistique_core.modeldb.sync import Syncer, train_test_split_sync
from tests.unit.modeldb.client.recorded import Sink

X, Y = make_classification(200, 4, random_state=0)
PATCHED = [pd.DataFrame, pd.Series, BaseEstimator, LogisticRegression, StandardScaler, GridSearchCV, sklearn.metrics,
           sklearn.model_selection, pd, TransformerMixin, ClassifierMixin]  # fmt: skip


class Counting(ClassifierMixin, BaseEstimator):
    fits = 0
    lock = threading.Lock()

    def __init__(self, k: int = 1) -> None:
        self.k = k

    def fit(self, X: Any, y: Any) -> Counting:
        with Counting.lock:
            Counting.fits += 1
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return np.resize(self.classes_, len(X))


def fits(action: Any) -> int:
    Counting.fits = 0
    action()
    return Counting.fits


def test_everything_is_put_back() -> None:
    before = [dict(vars(item)) for item in PATCHED]
    own = (measure, f1_score, train_test_split)
    with trace(Sink()):
        assert measure is not own[0]
        assert pd.DataFrame.drop is not before[0]["drop"]

        class Later(TransformerMixin, BaseEstimator):
            def fit(self, X: Any, y: Any = None) -> Later:
                return self

            def transform(self, X: Any) -> Any:
                return np.asarray(X) + 1

    for item, was in zip(PATCHED, before, strict=True):
        assert dict(vars(item)).keys() == was.keys(), item
        for name, value in was.items():
            if name not in ("__doc__", "__weakref__", "__dict__", "__abstractmethods__"):
                assert vars(item)[name] is value, (item, name)
    assert (measure, f1_score, train_test_split) == own
    assert not hasattr(Later.fit, "__mistique_traced__")
    assert active_run() is None
    with Syncer(sink=Sink()):
        assert hasattr(LogisticRegression, "fit_sync")
    assert not hasattr(LogisticRegression, "fit_sync")
    assert not hasattr(pd.DataFrame, "drop_sync")


def test_results_are_those_of_scikit_learn() -> None:
    def script() -> list[Any]:
        model = LogisticRegression().fit(X, Y)
        forest = RandomForestClassifier(5, random_state=0).fit(X, Y)
        scaled = StandardScaler().set_output(transform="pandas").fit_transform(X)
        return [model.coef_, model.predict(X), forest.predict_proba(X), measure(Y, model.predict(X)), model.score(X, Y),
                cross_val_score(model, X, Y), *train_test_split(X, Y, random_state=3), scaled.to_numpy()]  # fmt: skip

    expected = script()
    with trace(Sink()):
        found = script()
    for one, other in zip(found, expected, strict=True):
        assert type(one) is type(other)
        np.testing.assert_array_equal(one, other)


def test_everything_is_fitted_once() -> None:
    data = pd.DataFrame(X, columns=list("abcd"))
    with trace(Sink()):
        assert fits(lambda: Counting().fit(data, Y)) == 1
        # Defect 2 of the original: a pipeline's stages were fitted twice.
        assert fits(lambda: make_pipeline(StandardScaler(), Counting()).fit(data, Y)) == 1
        assert fits(lambda: GridSearchCV(Counting(), {"k": [1, 2]}, cv=3).fit(data, Y)) == 2 * 3 + 1
        assert fits(lambda: cross_val_score(Counting(), data, Y, cv=4)) == 4
    sink = Sink()
    with Syncer(sink=sink):
        assert fits(lambda: make_pipeline(StandardScaler(), Counting()).fit_sync(data, Y)) == 1
        assert fits(lambda: GridSearchCV(Counting(), {"k": [1, 2]}, cv=3).fit_sync(data, Y)) == 7
    assert sink.top() == ["Pipeline", "GridSearchCV"]


def test_calls_inside_calls_are_not_events() -> None:
    sink = Sink()
    with trace(sink):
        VotingClassifier([("a", LogisticRegression()), ("b", Counting())]).fit(X, Y)
        RandomForestClassifier(3, n_jobs=2).fit(X, Y).predict(X)
        with joblib.parallel_backend("threading", n_jobs=2):
            GridSearchCV(Counting(), {"k": [1, 2]}, cv=2).fit(X, Y)
            cross_val_score(make_pipeline(StandardScaler(), LogisticRegression()), X, Y, cv=2)
    assert sink.top() == ["VotingClassifier", "RandomForestClassifier", "predict", "GridSearchCV", "cross_val_score"]


def test_threads_of_the_script_are_recorded() -> None:
    sink = Sink()

    def train(C: float) -> float:
        return float(LogisticRegression(C=C).fit(X, Y).score(X, Y))

    with trace(sink), ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(train, np.linspace(0.1, 2, 20).tolist()))
    found = {
        event.fitted["model"].facts.hyperparameters["C"]: event.fitted["model"] for event in sink.events if event.fitted
    }
    assert sorted(found) == np.linspace(0.1, 2, 20).tolist()
    measured = {id(event.metrics_of): event.metrics["accuracy"] for event in sink.events if event.name == "score"}
    assert [measured[id(found[C])] for C in sorted(found)] == scores


def test_an_estimator_that_is_defined_later_is_recorded_after_its_output_is_made() -> None:
    sink = Sink()
    with trace(sink):

        class AddOne(TransformerMixin, BaseEstimator):
            def fit(self, X: Any, y: Any = None) -> AddOne:
                self.n_features_in_ = 2
                return self

            def transform(self, X: Any) -> Any:
                return np.asarray(X) + 1

            def get_feature_names_out(self, names: Any = None) -> Any:
                return np.array(["p", "q"], dtype=object)

        made = AddOne().set_output(transform="pandas").fit_transform(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}))
        assert list(made.columns) == ["p", "q"]
        LogisticRegression().fit(made, [0, 1])
    one, fit = sink.events
    assert one.name == "AddOne"
    assert one.frames[""].columns == (("p", "float64"), ("q", "float64"))
    assert fit.inputs["data"] is one.frames[""]


def test_the_scripts_own_error_comes_through_and_is_recorded() -> None:
    sink = Sink()
    with trace(sink):
        with pytest.raises(ValueError, match="inconsistent numbers") as raised:
            LogisticRegression().fit(X, Y[:5])
        with pytest.raises(NotFittedError):
            LogisticRegression().predict(X)
        with pytest.raises(ValueError, match="inconsistent numbers"):
            f1_score(Y, Y[:3])
    assert raised.value.__cause__ is None
    fit, predict, evaluate = sink.events
    assert fit.error is not None
    assert fit.error.startswith("ValueError: Found input variables with inconsistent numbers")
    assert (fit.kind, dict(fit.fitted), fit.hyperparameters["C"]) == (StageKind.FIT, {}, 1.0)
    assert predict.error is not None
    assert predict.error.startswith("NotFittedError")
    assert (evaluate.kind, evaluate.metrics) == (StageKind.METRIC, {})
    assert sink.error is None


def test_a_script_that_fails_leaves_a_failed_run() -> None:
    sink = Sink()
    with pytest.raises(ZeroDivisionError), trace(sink):
        _ = 1 / 0
    assert sink.error == "ZeroDivisionError: division by zero"


def test_an_error_of_ours_is_logged_and_fails_nothing(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a defect of ours")

    sink = Sink()
    monkeypatch.setattr(fit_events, "_describe", broken)
    with caplog.at_level(logging.WARNING), trace(sink):
        model = LogisticRegression().fit(X, Y)
        LogisticRegression().fit(X, Y)
        model.score(X, Y)
    assert model.coef_.shape == (1, 4)
    assert [event.name for event in sink.events] == ["score"]
    assert caplog.text.count("Traceback") == 1
    assert caplog.text.count("a defect of ours") >= 2


def test_a_sink_that_fails_is_tried_again(caplog: Any) -> None:
    class Flaky(Sink):
        failures = 2

        def record(self, events: Any) -> None:
            if self.failures:
                self.failures -= 1
                raise OSError("the catalogue is away")
            super().record(events)

    sink = Flaky()
    with trace(sink) as run:
        LogisticRegression().fit(X, Y)
        with pytest.raises(OSError, match="away"):
            run.flush()
        with pytest.raises(OSError, match="away"):
            run.flush()
        run.flush()
        assert [event.name for event in sink.events] == ["LogisticRegression"]
        LogisticRegression().fit(X, Y)
        sink.failures = 1_000
    assert len(sink.events) == 1
    assert "1 events could not be recorded and are lost: LogisticRegression (the catalogue is away)" in caplog.text


def test_an_event_that_cannot_be_recorded_takes_no_others_with_it(caplog: Any) -> None:
    class Picky(Sink):
        def record(self, events: Any) -> None:
            if any(event.name == "StandardScaler" for event in events):
                raise InvalidInputError("no scalers here")
            super().record(events)

    sink = Picky()
    with trace(sink):
        LogisticRegression().fit(StandardScaler().fit_transform(X), Y)
        LogisticRegression().fit(X, Y)
    assert sink.top() == ["LogisticRegression", "LogisticRegression"]
    assert "1 events could not be recorded and are lost: StandardScaler (no scalers here)" in caplog.text


def test_a_split_without_a_seed_can_be_made_again() -> None:
    """Defect 1 of the original: it recorded 1 whatever was drawn."""
    sink = Sink()
    with trace(sink):
        first = train_test_split(X, Y)
        train_test_split(X, Y)
        np.random.seed(5)
        third = train_test_split(X, Y)
        np.random.seed(5)
        fourth = train_test_split(X, Y)
        state = np.random.RandomState(3)
        fifth = train_test_split(X, Y, random_state=state)
    seeds = [event.facts["seed"] for event in sink.events]
    assert len({*seeds[:3]}) == 3
    assert seeds[2] == seeds[3]
    for found, seed in ((first, seeds[0]), (third, seeds[2]), (fifth, seeds[4])):
        for one, other in zip(found, train_test_split(X, Y, random_state=seed), strict=True):
            np.testing.assert_array_equal(one, other)
    for one, other in zip(third, fourth, strict=True):
        np.testing.assert_array_equal(one, other)


def test_data_is_not_kept_alive() -> None:
    def run() -> tuple[int, int]:
        frame = pd.DataFrame(X, columns=list("abcd"))
        part = frame.drop(columns="d")
        scaled = StandardScaler().fit_transform(part)
        model = LogisticRegression().fit(scaled, Y)
        references = [*map(weakref.ref, (frame, part, scaled, model))]
        del frame, part, scaled, model
        gc.collect()
        return sum(reference() is not None for reference in references), len(references)

    import weakref

    with trace(Sink()):
        assert run() == (0, 4)


def test_cloning_pickling_and_signatures_work() -> None:
    import inspect
    import pickle

    with trace(Sink()):
        model = clone(LogisticRegression(C=2)).fit(X, Y, sample_weight=np.ones(len(Y)))
        again = pickle.loads(pickle.dumps(model))
        assert "sample_weight" in inspect.signature(LogisticRegression.fit).parameters
        assert not hasattr(GridSearchCV(StandardScaler(), {}), "predict")
        assert hasattr(make_pipeline(LogisticRegression()), "predict_proba")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_beginning_a_run_ends_the_last() -> None:
    first, second = Sink(), Sink()
    run = trace(first)
    LogisticRegression().fit(X, Y)
    other = trace(second)
    assert first.is_finished
    assert not run.is_active
    LogisticRegression().fit(X, Y)
    other.stop()
    other.stop()
    LogisticRegression().fit(X, Y)
    assert (len(first.events), len(second.events)) == (1, 1)


def test_sync_calls_need_a_run() -> None:
    with pytest.raises(InvalidInputError, match="make a Syncer first"):
        train_test_split_sync(X, Y)
    with Syncer(sink=Sink()) as syncer, pytest.raises(InvalidInputError, match="a list cannot be tagged"):
        syncer.add_tag([1, 2], "mine")


def test_a_fork_leaves_the_run_to_its_parent() -> None:
    sink = Sink()
    with trace(sink) as run:
        run.tracker.process += 1  # what a fork sees
        LogisticRegression().fit(X, Y)
        run.stop()
    assert sink.events == []
    assert not sink.is_finished


def test_a_script_with_lists_and_texts() -> None:
    sink = Sink()
    with trace(sink):
        words = CountVectorizer().fit_transform(raw_documents=["a good day", "a bad day", "good"])
        model = LogisticRegression().fit(words, [1, 0, 1])
        measure([1, 0, 1], model.predict(words))
        DummyRegressor().fit(None, [1.0, 2.0])
        DummyRegressor().fit([[1], [2]], [1.0, 2.0]).score([[1], [2]], [1.0, 2.0])
    assert sink.top() == [
        "CountVectorizer", "LogisticRegression", "predict", "evaluate", "DummyRegressor", "DummyRegressor", "score",
    ]  # fmt: skip
    assert sink.only("LogisticRegression").inputs["data"] is sink.only("CountVectorizer").frames[""]
    assert sink.only("evaluate").metrics_of is sink.only("LogisticRegression").fitted["model"]
    assert list(sink.only("score").metrics) == ["score"]  # a dummy defines a score of its own
