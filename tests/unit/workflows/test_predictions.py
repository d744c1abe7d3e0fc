"""Predictions depend on their own row only; combined ones are aligned by row id; models come back as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import ElasticNet, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

from mistique_core.errors import InvalidInputError, UntrustedTypeError
from mistique_core.fitted import dump_fitted, load_fitted
from mistique_core.model import Need
from mistique_core.workflows.combine_predictions import CombinePredictionsStage
from mistique_core.workflows.fit import FitStage
from mistique_core.workflows.predict import PredictStage

ROWS, FEATURES = 9_000, 23


def table(rows: int = ROWS) -> pd.DataFrame:
    random = np.random.default_rng(4)
    values = random.standard_normal((rows, FEATURES))
    ids = pd.Index(random.permutation(3 * rows)[:rows].astype("i8"), name="row_id")
    frame = pd.DataFrame(values, columns=[f"f{number}" for number in range(FEATURES)], index=ids)
    return frame.assign(y=values @ random.standard_normal(FEATURES) + random.standard_normal(rows))


DATA = table()
TRAIN = DATA.iloc[:600]
MODELS: dict[str, Any] = {
    "elastic net": ElasticNet(alpha=0.01),
    "scaled elastic net": make_pipeline(StandardScaler(), ElasticNet(alpha=0.01)),
    "nearest": KNeighborsRegressor(),
    "xgboost": XGBRegressor(n_estimators=5, random_state=0),
    "lightgbm": LGBMRegressor(n_estimators=5, random_state=0, verbose=-1),
    "logistic": LogisticRegression(),
    "forest": RandomForestClassifier(5, random_state=0),
    "lightgbm classifier": LGBMClassifier(n_estimators=5, random_state=0, verbose=-1),
}
CLASSIFIERS = ("logistic", "forest", "lightgbm classifier")
WHOLE: dict[str, pd.DataFrame] = {}


def whole(name: str) -> pd.DataFrame:
    if name not in WHOLE:
        target = TRAIN["y"] > 0 if name in CLASSIFIERS else TRAIN["y"]
        MODELS[name].fit(TRAIN.drop(columns="y"), target)
        WHOLE[name] = PredictStage(["y"]).execute({"model": MODELS[name], "data": DATA}).frames[""]
    return WHOLE[name]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(MODELS)), st.integers(0, 2**32), st.integers(1, 300))
def test_a_few_predictions_are_those_of_all(name: str, seed: int, count: int) -> None:
    rows = np.random.default_rng(seed).choice(ROWS, count, replace=False)
    few = DATA.iloc[rows]
    got = PredictStage(["y"]).execute_rows(
        "", {"model": MODELS[name], "data": few} if whole(name) is not None else {}, {}
    )
    pd.testing.assert_frame_equal(got, whole(name).loc[few.index], check_exact=True)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_few_rows_are_predicted_as_plain_code_does_it(name: str) -> None:
    """Bit for bit; a few of them are re-run with all where the number of rows may matter."""
    assert whole(name) is not None
    data = DATA.iloc[:500]
    stage = PredictStage()
    made = stage.execute({"model": MODELS[name], "data": data}).frames[""]
    np.testing.assert_array_equal(made["prediction"], MODELS[name].predict(data.drop(columns="y")))
    is_tree = name in ("xgboost", "lightgbm", "forest", "lightgbm classifier")
    assert stage.needs("", ["data"]) == {"data": Need.ROWS if is_tree else Need.WHOLE}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_predictions_are_those_of_the_library(name: str) -> None:
    features = DATA.drop(columns="y")
    expected = whole(name)
    np.testing.assert_allclose(
        expected["prediction"].to_numpy(dtype="f8"), MODELS[name].predict(features).astype("f8"), rtol=1e-9
    )
    if name in CLASSIFIERS:
        probabilities = expected[[column for column in expected if column.startswith("probability_")]].to_numpy()
        np.testing.assert_allclose(probabilities, MODELS[name].predict_proba(features), rtol=1e-9)


@pytest.mark.parametrize("name", ["lightgbm", "lightgbm classifier"])
def test_lightgbm_models_come_back_as_they_were(name: str) -> None:
    expected = whole(name)
    kind, data = dump_fitted(MODELS[name])
    assert kind == "lightgbm-text"
    model = load_fitted(kind, data)
    pd.testing.assert_frame_equal(
        PredictStage(["y"]).execute({"model": model, "data": DATA}).frames[""], expected, check_exact=True
    )
    assert model.feature_names_in_.tolist() == MODELS[name].feature_names_in_.tolist()
    assert dump_fitted(model) == (kind, data)
    again = type(MODELS[name])(**MODELS[name].get_params()).fit(
        TRAIN.drop(columns="y"), TRAIN["y"] > 0 if name in CLASSIFIERS else TRAIN["y"]
    )
    assert dump_fitted(again) == (kind, data)


def test_classes_of_lightgbm_may_be_texts() -> None:
    labels = np.where(TRAIN["y"] > 0, "high", "low")
    model = LGBMClassifier(n_estimators=3, random_state=0, verbose=-1).fit(TRAIN.drop(columns="y"), labels)
    loaded = load_fitted(*dump_fitted(model))
    features = DATA.drop(columns="y")
    assert loaded.predict(features).tolist() == model.predict(features).tolist()


def test_an_unknown_lightgbm_class_is_refused() -> None:
    kind, data = dump_fitted(MODELS["lightgbm"]) if whole("lightgbm") is not None else ("", b"")
    with pytest.raises(UntrustedTypeError, match="LGBMRegressoR"):
        load_fitted(kind, data.replace(b"LGBMRegressor", b"LGBMRegressoR"))


def test_a_model_may_scale_its_features() -> None:
    stage = FitStage("sklearn.linear_model.ElasticNet", "y", {"alpha": 0.01}, normalize="standard")
    model = FitStage.from_params(stage.params()).execute({"data": TRAIN}).fitted["model"]
    expected = make_pipeline(StandardScaler(), ElasticNet(alpha=0.01)).fit(TRAIN.drop(columns="y"), TRAIN["y"])
    np.testing.assert_array_equal(model[-1].coef_, expected[-1].coef_)
    assert load_fitted(*dump_fitted(model)).predict(TRAIN.drop(columns="y")).shape == (600,)
    with pytest.raises(InvalidInputError, match="scaling method 'standrd' is unknown"):
        FitStage("sklearn.linear_model.ElasticNet", "y", normalize="standrd")


def test_forests_in_threads_give_the_same_bits_each_time() -> None:
    model = RandomForestRegressor(60, n_jobs=4, random_state=0).fit(TRAIN.drop(columns="y"), TRAIN["y"])
    stage = PredictStage()
    first, *others = (stage.execute({"model": model, "data": DATA}).frames[""] for _ in range(5))
    for other in others:
        pd.testing.assert_frame_equal(other, first, check_exact=True)


def test_combined_predictions_are_aligned_by_row_id() -> None:
    one = pd.DataFrame({"prediction": [1.0, 2.0, 3.0], "y": [7, 8, 9]}, index=pd.Index([5, 6, 7], name="row_id"))
    two = pd.DataFrame({"prediction": np.float32([10, 20, 30])}, index=pd.Index([7, 6, 5], name="row_id"))
    stage = CombinePredictionsStage({"one": 0.75, "two": 0.25}, keep=["y"])
    made = stage.execute({"two": two, "one": one}).frames[""]
    assert made["prediction"].tolist() == [0.75 * 1 + 0.25 * 30, 0.75 * 2 + 0.25 * 20, 0.75 * 3 + 0.25 * 10]
    assert made["y"].tolist() == [7, 8, 9]
    with pytest.raises(InvalidInputError, match="has other rows"):
        stage.execute({"one": one, "two": two.iloc[:2]})
    with pytest.raises(InvalidInputError, match="'tow' has no weight; did you mean 'two'"):
        stage.execute({"one": one, "two": two, "tow": two})
    with pytest.raises(InvalidInputError, match="is not a number"):
        CombinePredictionsStage({"one": "half"})  # type: ignore[dict-item]
