"""Problem types, features, hyperparameters and histories of models."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from mistique_core.fitted.facts import fit_facts
from mistique_core.model.fit_facts import Feature, ProblemType

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(200, 3)), columns=["a", "b", "c"])
Y = pd.Series((X["a"] + RNG.normal(0, 0.2, 200) > 0).astype(int), name="label")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (LogisticRegression(), ProblemType.BINARY_CLASSIFICATION),
        (DecisionTreeRegressor(), ProblemType.REGRESSION),
        (KMeans(2, n_init=1), ProblemType.CLUSTERING),
        (StandardScaler(), ProblemType.UNDEFINED),
        (xgboost.XGBRegressor(n_estimators=1), ProblemType.REGRESSION),
        (lightgbm.LGBMClassifier(n_estimators=1, verbose=-1), ProblemType.BINARY_CLASSIFICATION),
    ],
    ids=lambda value: getattr(type(value), "__name__", ""),
)
def test_problem_types(model: Any, expected: ProblemType) -> None:
    facts = fit_facts(model.fit(X, Y), X, Y)
    assert facts.problem_type is expected
    assert facts.type_name == type(model).__name__
    assert [feature.name for feature in facts.features] == ["a", "b", "c"]


def test_three_classes() -> None:
    label = np.digitize(X["a"], [-0.5, 0.5])
    assert fit_facts(LogisticRegression().fit(X, label)).problem_type is ProblemType.MULTICLASS_CLASSIFICATION


def test_what_only_looks_like_an_estimator_is_undefined() -> None:
    facts = fit_facts(SimpleNamespace(get_params=lambda deep: {"k": 3}, fit=None))
    assert facts.problem_type is ProblemType.UNDEFINED
    assert facts.hyperparameters == {"k": 3}


def test_a_search_has_the_facts_of_its_best_estimator() -> None:
    search = GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.5]}, cv=2)
    facts = fit_facts(search.fit(X, Y), X, Y)
    assert facts.type_name == "LogisticRegression"
    assert facts.hyperparameters["C"] == 0.5


def test_importances_of_what_a_pipeline_made_are_not_those_of_its_columns() -> None:
    model = make_pipeline(PCA(3), RandomForestClassifier(2, random_state=0)).fit(X, Y)
    assert fit_facts(model, X, Y).features == (Feature("a"), Feature("b"), Feature("c"))
    linear = fit_facts(make_pipeline(PCA(2), LogisticRegression()).fit(X, Y), X, Y).linear
    assert linear is not None
    assert [term.name for term in linear.terms] == ["intercept", "pca0", "pca1"]


def test_histories() -> None:
    boosted = GradientBoostingClassifier(n_estimators=3).fit(X, Y)
    assert fit_facts(boosted).history == {"objective": tuple(boosted.train_score_)}
    network = MLPClassifier(max_iter=400, early_stopping=True, random_state=0).fit(X, Y)
    found = fit_facts(network).history
    assert found["objective"] == tuple(network.loss_curve_)
    assert found["validation_score"] == tuple(network.validation_scores_)
    booster = xgboost.XGBClassifier(n_estimators=3).fit(X, Y, eval_set=[(X, Y)], verbose=False)
    assert fit_facts(booster).history == {
        "validation_0_logloss": tuple(booster.evals_result()["validation_0"]["logloss"])
    }
    light = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1)
    light.fit(X, Y, eval_X=(X,), eval_y=(Y,))
    assert fit_facts(light).history == {
        "valid_0_binary_logloss": tuple(light.evals_result_["valid_0"]["binary_logloss"])
    }


def test_names_of_columns_without_names() -> None:
    facts = fit_facts(LogisticRegression().fit(X.to_numpy(), Y.to_numpy()), X.to_numpy(), Y.to_numpy())
    assert [feature.name for feature in facts.features] == ["x0", "x1", "x2"]
    assert facts.label_columns == ()
