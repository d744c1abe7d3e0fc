"""Coefficients and their errors against the textbook's formulas, written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.sparse import csr_array
from sklearn import metrics
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from mistique_core.fitted.facts import fit_facts
from mistique_core.model.fit_facts import FitFacts, LinearFacts, ProblemType


def data(rows: int = 40_000, offset: float = 1e4) -> tuple[pd.DataFrame, pd.Series[Any]]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"a": rng.normal(offset, 3, rows), "b": rng.integers(0, 50, rows), "c": rng.normal(0, 1, rows).astype("f4")}
    )
    y = pd.Series(2 * X["a"] - X["b"] + rng.normal(0, 5, rows) + 7, name="price")
    return X, y


def linear(facts: FitFacts) -> LinearFacts:
    assert facts.linear is not None
    return facts.linear


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_least_squares_against_the_formula(fit_intercept: bool) -> None:
    X, y = data()
    found = linear(fit_facts(LinearRegression(fit_intercept=fit_intercept).fit(X, y), X, y))
    A = X.to_numpy(dtype=float)
    A = np.column_stack([np.ones(len(A)), A]) if fit_intercept else A
    beta, rss, _, _ = np.linalg.lstsq(A, y.to_numpy(), rcond=None)
    freedom = len(A) - A.shape[1]
    R = np.linalg.qr(A, mode="r")
    errors = np.sqrt(rss[0] / freedom * np.square(np.linalg.inv(R)).sum(axis=1))
    assert [term.index for term in found.terms] == ([0, 1, 2, 3] if fit_intercept else [1, 2, 3])
    assert [term.name for term in found.terms][-3:] == ["a", "b", "c"]
    np.testing.assert_allclose([term.coefficient for term in found.terms], beta, rtol=1e-5)
    np.testing.assert_allclose([term.std_err for term in found.terms], errors, rtol=1e-6)
    np.testing.assert_allclose([term.t_stat for term in found.terms], beta / errors, rtol=1e-5)
    expected = 2 * stats.t.sf(np.abs(beta / errors), freedom)
    np.testing.assert_allclose([term.p_value for term in found.terms], expected, rtol=1e-4, atol=1e-300)


def test_quality_of_a_regression_is_that_of_scikit_learn() -> None:
    X, y = data(2_000, 3)
    for model in (LinearRegression(), Ridge(alpha=1e4), Lasso(alpha=2)):
        found = linear(fit_facts(model.fit(X, y), X, y))
        guess = model.predict(X)
        assert found.rmse == pytest.approx(metrics.root_mean_squared_error(y, guess))
        assert found.r2 == pytest.approx(metrics.r2_score(y, guess))
        assert found.explained_variance == pytest.approx(metrics.explained_variance_score(y, guess))
        assert (found.terms[0].std_err is None) == (not isinstance(model, LinearRegression))


def test_wald_errors_of_a_logistic_regression() -> None:
    X, _ = data(30_000, 3)
    rng = np.random.default_rng(1)
    y = pd.Series((X["a"] - 3 + 0.1 * X["b"] - 2.5 + rng.logistic(size=len(X)) > 0).astype(int), name="bad")
    model = LogisticRegression(C=np.inf, max_iter=5_000, tol=1e-8).fit(X, y)
    facts = fit_facts(model, X, y)
    A = np.column_stack([np.ones(len(X)), X.to_numpy(dtype=float)])
    beta = np.concatenate([model.intercept_, model.coef_[0]])
    share = 1 / (1 + np.exp(-A @ beta))
    errors = np.sqrt(np.diag(np.linalg.inv(A.T @ (A * (share * (1 - share))[:, None]))))
    terms = linear(facts).terms
    np.testing.assert_allclose([term.std_err for term in terms], errors, rtol=1e-6)
    expected = 2 * stats.norm.sf(np.abs(beta / errors))
    np.testing.assert_allclose([term.p_value for term in terms], expected, rtol=1e-6)
    assert facts.problem_type is ProblemType.BINARY_CLASSIFICATION
    assert facts.label_columns == ("bad",)
    assert facts.prediction_columns == ("prediction", "probability_0", "probability_1")


def _errors(model: Any, X: Any, y: Any, **options: Any) -> set[bool]:
    return {term.std_err is None for term in linear(fit_facts(model, X, y, **options)).terms}


def test_no_errors_where_statistics_has_none() -> None:
    X, y = data(500, 3)
    label = (y > y.mean()).astype(int)
    plain = LinearRegression().fit(X, y)
    assert _errors(plain, X, y) == {False}
    assert _errors(plain, X, y, is_weighted=True) == {True}
    assert _errors(plain, X, y, work_limit=100) == {True}
    assert _errors(plain, None, None) == {True}
    assert _errors(LinearRegression(positive=True).fit(X, y), X, y) == {True}
    assert _errors(LinearRegression().fit(X[:4], y[:4]), X[:4], y[:4]) == {True}
    twice = X.assign(d=X["a"] * 2 + X["b"])
    assert _errors(LinearRegression().fit(twice, y), twice, y) == {True}
    constant = X.assign(d=1.0)
    assert _errors(LinearRegression().fit(constant, y), constant, y) == {True}
    assert _errors(LogisticRegression(max_iter=5_000).fit(X, label), X, label) == {True}
    free = {"C": np.inf, "max_iter": 5_000}
    assert _errors(LogisticRegression(**free).fit(X, label), X, label) == {False}
    assert _errors(LogisticRegression(**free, class_weight="balanced").fit(X, label), X, label) == {True}


def test_a_solver_that_gave_up_has_no_errors() -> None:
    X, y = data(500, 3)
    label = (y > y.mean()).astype(int)
    with pytest.warns(Warning, match="failed to converge"):
        model = LogisticRegression(C=np.inf, max_iter=2).fit(X, label)
    assert _errors(model, X, label) == {True}


def test_terms_of_several_classes_and_outputs_are_told_apart() -> None:
    X, y = data(600, 3)
    label = pd.cut(y, 3, labels=["low", "mid", "high"]).astype(str)
    model = LogisticRegression(max_iter=5_000).fit(X, label)
    facts = fit_facts(model, X, label)
    terms = linear(facts).terms
    assert [(term.target, term.index) for term in terms] == [
        (name, index) for name in model.classes_ for index in range(4)
    ]
    np.testing.assert_array_equal([term.coefficient for term in terms if term.index], model.coef_.ravel())
    assert [feature.importance for feature in facts.features] == pytest.approx(np.abs(model.coef_).mean(axis=0))
    both = pd.DataFrame({"y": y, "z": X["c"] * 3})
    outputs = linear(fit_facts(LinearRegression().fit(X, both), X, both)).terms
    alone = linear(fit_facts(LinearRegression().fit(X, both["y"]), X, both["y"])).terms
    np.testing.assert_allclose([term.std_err for term in outputs[:4]], [term.std_err for term in alone])  # type: ignore[arg-type]
    assert {term.target for term in outputs} == {"0", "1"}


@pytest.mark.parametrize("model", [LinearSVC(), SGDClassifier(random_state=0)])
def test_other_linear_models_have_coefficients(model: Any) -> None:
    X, y = data(300, 3)
    scaled = StandardScaler().fit_transform(X)
    model.fit(scaled, y > y.mean())
    found = linear(fit_facts(model, scaled, y > y.mean()))
    np.testing.assert_array_equal([term.coefficient for term in found.terms[1:]], model.coef_[0])
    assert found.terms[0].coefficient == model.intercept_[0]
    assert [term.name for term in found.terms] == ["intercept", "x0", "x1", "x2"]
    assert found.is_standardized is True
    assert found.rmse is None


def test_whether_features_were_standardized() -> None:
    X, y = data(300, 3)
    assert linear(fit_facts(Ridge().fit(X, y), X, y)).is_standardized is False
    model = make_pipeline(StandardScaler(), Ridge()).fit(X, y)
    facts = fit_facts(model, X, y)
    assert linear(facts).is_standardized is True
    assert facts.type_name == "Ridge"
    assert [feature.name for feature in facts.features] == ["a", "b", "c"]
    assert [feature.importance for feature in facts.features] == pytest.approx(np.abs(model[-1].coef_))
    assert linear(fit_facts(make_pipeline(StandardScaler(with_std=False), Ridge()).fit(X, y))).is_standardized is False


def test_too_many_coefficients_are_left_out() -> None:
    X, y = data(50, 3)
    assert linear(fit_facts(Ridge().fit(X, y), X, y, node_limit=2)).terms == ()


def test_a_mean_far_from_zero_costs_no_digits() -> None:
    """Years and identifiers: their squares leave no digits for what matters, unless the columns are moved first."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=(5_000, 2))
    y = near @ [1.0, 2.0] + rng.normal(size=5_000)
    far = near + 1e7
    expected = linear(fit_facts(LinearRegression().fit(near, y), near, y)).terms
    found = linear(fit_facts(LinearRegression().fit(far, y), far, y)).terms
    for one, other in zip(found[1:], expected[1:], strict=True):
        assert one.std_err == pytest.approx(other.std_err, rel=1e-6)
    # The intercept is that of x - 1e7, whose error is that of a sum of slopes.
    slopes = np.linalg.inv((near - near.mean(axis=0)).T @ (near - near.mean(axis=0)))
    mean = far.mean(axis=0)
    rss = np.square(y - LinearRegression().fit(near, y).predict(near)).sum() / (5_000 - 3)
    assert found[0].std_err == pytest.approx(np.sqrt(rss * (1 / 5_000 + mean @ slopes @ mean)), rel=1e-6)


def test_sparse_and_mixed_columns_have_coefficients_without_errors() -> None:
    X, y = data(100, 3)
    sparse = csr_array(X.to_numpy(dtype=float))
    assert _errors(LinearRegression().fit(sparse, y), sparse, y) == {True}
    texts = X.assign(a="text")
    assert _errors(LinearRegression().fit(X, y), texts, y) == {True}


@pytest.mark.parametrize(
    ("shift", "scale", "expected"), [(0, 1, True), (0.2, 1, False), (0, 1.2, False), (5, 1, False), (0, 9, False)]
)
def test_one_column_decides_whether_all_are_standardized(shift: float, scale: float, expected: bool) -> None:
    X = np.random.default_rng(0).normal(size=(30_000, 3))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    X[:, 1] = X[:, 1] * scale + shift
    y = X @ [1.0, 2.0, 3.0]
    for values in (X, pd.DataFrame(X, columns=list("abc")), np.asfortranarray(X)):
        assert linear(fit_facts(Ridge().fit(values, y), values, y)).is_standardized is expected
