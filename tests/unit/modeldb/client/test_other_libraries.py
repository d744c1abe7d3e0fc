"""XGBoost and LightGBM through their scikit-learn interfaces, clusterings, and estimators of many kinds."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import RandomizedSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mistique_core.model.event import StageKind
from mistique_core.modeldb.client.autolog import trace
from tests.unit.modeldb.client.recorded import Sink


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    found = pd.DataFrame(rng.normal(size=(120, 2)), columns=["a", "b"])
    found["kind"] = rng.choice(["x", "y", "z"], 120)
    return found.assign(label=(found["a"] + rng.normal(0, 0.3, 120) > 0).astype(int))


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (xgboost.XGBClassifier(n_estimators=4, max_depth=2), "xgboost.XGBClassifier"),
        (lightgbm.LGBMClassifier(n_estimators=4, verbose=-1), "lightgbm.LGBMClassifier"),
        (xgboost.XGBRegressor(n_estimators=4), "xgboost.XGBRegressor"),
    ],
    ids=["xgboost", "lightgbm", "regressor"],
)
def test_boosters(model: Any, path: str) -> None:
    sink = Sink()
    with trace(sink):
        data = frame()
        model.fit(data[["a", "b"]], data["label"])
        guess = model.predict(data[["a", "b"]])
        assert len(guess) == 120
        model.score(data[["a", "b"]], data["label"])
    fit, predict, score = sink.events
    assert fit.operator == "mistique_core.workflows.fit:FitStage"
    assert (fit.params["estimator"], fit.params["features"]) == (path, ["a", "b"])
    given = {name for name, value in model.get_params().items() if value == 4 and name == "n_estimators"}
    assert given <= set(fit.params["params"]) <= {"n_estimators", "max_depth", "verbose"}
    trees = fit.fitted["model"].facts.trees
    assert trees is not None
    assert len(trees.sizes) == 4
    assert predict.operator == "mistique_core.workflows.predict:PredictStage"
    assert list(score.metrics) == (["r2"] if "Regressor" in path else ["accuracy"])


def test_a_clustering_is_fitted_and_predicts() -> None:
    sink = Sink()
    with trace(sink):
        data = frame()
        KMeans(2, n_init=1, random_state=0).fit_predict(data[["a", "b"]])
        DBSCAN().fit_predict(data[["a", "b"]])
    assert [(event.kind, event.name) for event in sink.events] == [
        (StageKind.FIT, "KMeans"), (StageKind.PREDICT, "predict"),
        (StageKind.FIT, "DBSCAN"), (StageKind.PREDICT, "predict"),
    ]  # fmt: skip
    assert sink.events[1].inputs["model"] is sink.events[0].fitted["model"]


def test_a_transformer_that_needs_the_label() -> None:
    sink = Sink()
    with trace(sink):
        data = frame()
        chosen = SelectKBest(k=1).fit(data[["a", "b"]], data["label"])
        small = chosen.transform(data[["a", "b"]])
        LogisticRegression().fit(small, data["label"])
    select, fit = sink.events
    assert select.params["label"] == "label"
    assert select.params["params"] == {"k": 1}
    assert select.params["columns"] == ["a", "b"]
    assert [name for name, _ in select.frames[""].columns or ()] == ["a", "kind", "label"]
    assert fit.params["features"] == ["a"]
    assert fit.inputs["data"] is select.frames[""]


def test_a_sparse_result_is_no_stage() -> None:
    sink = Sink()
    with trace(sink):
        data = frame()
        coded = OneHotEncoder().fit_transform(data[["kind"]])
        LogisticRegression().fit(coded, data["label"])
    encode, fit = sink.events
    assert encode.operator == "sklearn.preprocessing:OneHotEncoder.fit_transform"
    assert [name for name, _ in encode.frames[""].columns or ()] == ["kind_x", "kind_y", "kind_z"]
    assert fit.inputs["data"] is encode.frames[""]
    assert [feature.name for feature in fit.fitted["model"].facts.features] == ["kind_x", "kind_y", "kind_z"]


def test_a_pipeline_of_mixed_columns() -> None:
    sink = Sink()
    with trace(sink):
        data = frame()
        columns = ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("k", OneHotEncoder(), ["kind"])])
        make_pipeline(columns, LogisticRegression()).fit(data.drop(columns="label"), data["label"])
    whole, first, last = sink.events
    assert first.name == "columntransformer"
    assert [feature.name for feature in whole.fitted["model"].facts.features] == ["a", "b", "kind"]
    linear = last.fitted["model"].facts.linear
    assert linear is not None
    assert [term.name for term in linear.terms] == [
        "intercept", "n__a", "n__b", "k__kind_x", "k__kind_y", "k__kind_z",
    ]  # fmt: skip


def test_least_squares_has_its_standard_errors() -> None:
    sink = Sink()
    with trace(sink):
        data = frame()
        LinearRegression().fit(data[["a"]], data["b"])
        LinearRegression().fit(data[["a"]], data["b"], sample_weight=np.ones(120))
    errors = [
        [term.std_err is not None for term in event.fitted["model"].facts.linear.terms]  # type: ignore[union-attr]
        for event in sink.events
    ]
    assert errors == [[True, True], [False, False]]


def test_searches_with_several_scores() -> None:
    sink = Sink()
    with trace(sink):
        data = frame()
        X, y = data[["a", "b"]], data["label"]
        search = RandomizedSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.1, 1, 10]}, n_iter=2,
            scoring=["accuracy", "roc_auc"], refit="roc_auc", cv=3, random_state=0,
        ).fit(X, y)  # fmt: skip
        result = cross_validate(RandomForestRegressor(2), X, data["b"], cv=2, scoring=("r2", "explained_variance"))
    event, validation = sink.only("RandomizedSearchCV"), sink.only("cross_validate")
    cells = [item for item in sink.events if item.parent is event and item.kind is StageKind.CROSS_VALIDATION]
    assert [dict(cell.hyperparameters) for cell in cells] == search.cv_results_["params"]
    folds = [item for item in sink.events if item.parent is cells[1]]
    assert folds[2].metrics == {name: search.cv_results_[f"split2_test_{name}"][1] for name in ("accuracy", "roc_auc")}
    folds = [item for item in sink.events if item.parent is validation]
    assert [fold.metrics["explained_variance"] for fold in folds] == result["test_explained_variance"].tolist()
    assert validation.facts["evaluator"] == "r2, explained_variance"


def test_what_a_stage_cannot_do_is_not_recorded_as_one() -> None:
    sink = Sink()
    with trace(sink):
        data = frame()
        X, y = data[["a", "b"]], data["label"]
        scaler = StandardScaler()
        scaler.fit_transform(X, sample_weight=np.ones(120))
        model = xgboost.XGBClassifier(n_estimators=2)
        model.fit(X, y, eval_set=[(X, y)], verbose=False)
        model.predict(X)
        model.predict(X, output_margin=True)
        model.predict_proba(X)
    scale, fit, plain, margin = sink.events
    assert scale.operator == "sklearn.preprocessing:StandardScaler.fit_transform"
    assert fit.operator == "xgboost:XGBClassifier.fit"
    assert (fit.params["features"], fit.params["label"]) == (["a", "b"], "label")
    assert fit.params["fit"] == {"eval_set": [["DataFrame (120, 2)", "Series (120,)"]], "verbose": False}
    assert list(fit.fitted["model"].facts.history) == ["validation_0_logloss"]
    assert plain.operator == "mistique_core.workflows.predict:PredictStage"
    assert [name for name, _ in plain.frames[""].columns or ()] == ["prediction", "probability_0", "probability_1"]
    assert (margin.operator, margin.params) == ("xgboost:XGBClassifier.predict", {"output_margin": True})
