"""Trees as arrays: walked here node by node, they must predict what the library predicts."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from sklearn import ensemble, tree

from mistique_core.fitted.facts import fit_facts
from mistique_core.model.fit_facts import TreeFacts, TreeNodes

ROWS = 300


def data() -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 4)).astype(np.float32)
    y = X[:, 0] * 3 + np.sin(X[:, 1] * 4) + rng.normal(0, 0.1, ROWS)
    return X, y, (y > 0).astype(int)


def walk(nodes: TreeNodes, row: npt.NDArray[Any]) -> float:
    at = 0
    while nodes.left[at] >= 0:
        goes_left = row[nodes.feature[at]] <= nodes.threshold[at]
        at = nodes.left[at] if goes_left else nodes.right[at]
    return float(nodes.prediction[at])


def trees(model: Any, **options: Any) -> TreeFacts:
    found = fit_facts(model, **options).trees
    assert found is not None
    assert len(found.weights) == len(found.sizes)
    if found.components:
        assert [len(nodes.left) for nodes in found.components] == list(found.sizes)
    for nodes in found.components:
        is_leaf = nodes.left < 0
        assert np.array_equal(is_leaf, nodes.right < 0)
        assert np.array_equal(is_leaf, nodes.feature < 0)
        assert np.array_equal(is_leaf, np.isnan(nodes.threshold))
        assert (nodes.left.dtype, nodes.feature.dtype, nodes.prediction.dtype) == (np.int32, np.int32, np.float64)
    return found


def total(found: TreeFacts, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    members = list(zip(found.weights, found.components, strict=True))
    return np.array([sum(weight * walk(nodes, row) for weight, nodes in members) for row in X])


REGRESSORS = [
    (tree.DecisionTreeRegressor(max_depth=4, random_state=0), "Decision Tree", 0.0),
    (tree.ExtraTreeRegressor(max_depth=4, random_state=0), "Decision Tree", 0.0),
    (ensemble.RandomForestRegressor(5, max_depth=4, random_state=0), "Random Forest", 0.0),
    (ensemble.ExtraTreesRegressor(5, max_depth=4, random_state=0), "Random Forest", 0.0),
    (ensemble.GradientBoostingRegressor(n_estimators=5, random_state=0), "GBT", None),
    (ensemble.HistGradientBoostingRegressor(max_iter=5, random_state=0), "GBT", None),
    (xgboost.XGBRegressor(n_estimators=5, max_depth=3), "GBT", None),
    (xgboost.XGBRegressor(n_estimators=5, max_depth=6, gamma=20), "GBT", None),
    (lightgbm.LGBMRegressor(n_estimators=5, verbose=-1), "GBT", 0.0),
]


@pytest.mark.parametrize(("model", "kind", "base"), REGRESSORS, ids=[str(i) for i in range(len(REGRESSORS))])
def test_the_trees_predict_what_the_model_predicts(model: Any, kind: str, base: float | None) -> None:
    X, y, _ = data()
    found = trees(model.fit(X, y))
    assert found.model_type == kind
    difference = model.predict(X) - total(found, X)
    # Boosting begins at a constant, which is no tree.
    np.testing.assert_allclose(difference, difference[0] if base is None else base, atol=1e-5)
    if base is None:
        assert abs(difference[0]) < 1.0


@pytest.mark.parametrize(
    "model",
    [tree.DecisionTreeClassifier(max_depth=3, random_state=0), ensemble.GradientBoostingClassifier(n_estimators=3),
     xgboost.XGBClassifier(n_estimators=3), lightgbm.LGBMClassifier(n_estimators=3, verbose=-1)],
    ids=["tree", "boosted", "xgboost", "lightgbm"],
)  # fmt: skip
def test_classifiers(model: Any) -> None:
    X, _, label = data()
    found = trees(model.fit(X, label))
    if hasattr(model, "tree_"):
        np.testing.assert_array_equal(total(found, X), model.predict(X))
    else:
        chance = model.predict_proba(X)[:, 1]
        raw = np.log(chance / (1 - chance))
        difference = raw - total(found, X)
        np.testing.assert_allclose(difference, difference[0], atol=1e-4)


def test_impurity_and_gain_are_those_of_scikit_learn() -> None:
    X, y, _ = data()
    model = tree.DecisionTreeRegressor(max_depth=3).fit(X, y)
    (nodes,) = trees(model).components
    np.testing.assert_array_equal(nodes.impurity, model.tree_.impurity)
    left = X[:, nodes.feature[0]] <= nodes.threshold[0]
    below = (left.sum() * y[left].var() + (~left).sum() * y[~left].var()) / ROWS
    assert nodes.gain[0] == pytest.approx(y.var() - below)


def test_too_many_nodes_leave_their_number() -> None:
    X, y, label = data()
    for model in (
        ensemble.RandomForestRegressor(3, random_state=0).fit(X, y),
        ensemble.HistGradientBoostingClassifier(max_iter=3).fit(X, label),
        xgboost.XGBClassifier(n_estimators=3).fit(X, label),
        lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(X, label),
    ):
        full, short = trees(model), trees(model, node_limit=10)
        assert short.components == ()
        assert short.sizes == full.sizes
        assert sum(full.sizes) > 10


def test_several_classes_have_a_tree_each_a_round() -> None:
    X, y, _ = data()
    label = np.digitize(y, [-1, 1])
    for model in (
        ensemble.GradientBoostingClassifier(n_estimators=2), ensemble.HistGradientBoostingClassifier(max_iter=2),
        xgboost.XGBClassifier(n_estimators=2), lightgbm.LGBMClassifier(n_estimators=2, verbose=-1),
    ):  # fmt: skip
        assert len(trees(model.fit(X, label)).sizes) == 6


def test_importances_are_the_models_own() -> None:
    X, y, _ = data()
    for model in (ensemble.RandomForestRegressor(3, random_state=0), xgboost.XGBRegressor(n_estimators=3)):
        features = fit_facts(model.fit(X, y), X, y).features
        assert [feature.name for feature in features] == ["x0", "x1", "x2", "x3"]
        assert [feature.importance for feature in features] == pytest.approx(model.feature_importances_.tolist())


def test_boosters_without_trees_have_none() -> None:
    X, y, _ = data()
    model = xgboost.XGBRegressor(booster="gblinear", n_estimators=2).fit(X, y)
    assert fit_facts(model, X, y).trees is None
    assert trees(xgboost.XGBRegressor(booster="dart", n_estimators=2).fit(X, y)).sizes
