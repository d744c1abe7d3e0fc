"""The original's comparisons and analyses, against SciPy, pandas and what was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import sqlalchemy as sa

from mistique_core.catalogue import Catalogue
from mistique_core.catalogue.modeldb_tables import metric, value_name
from mistique_core.errors import IllegalOperationError, InvalidInputError, NotFoundError
from mistique_core.model.event import FrameEntity, StageKind, TransformerEntity
from mistique_core.model.fit_facts import Feature, FitFacts, LinearFacts
from mistique_core.modeldb.compare import Comparisons, ImportanceComparison
from mistique_core.modeldb.compare.student_t import t_quantile
from tests.unit.modeldb.recording import empty_catalogue, record
from tests.unit.modeldb.workflows import event, forest_facts, linear_facts, record_workflow, workflow


@pytest.fixture
def catalogue(catalogue_url: str) -> Iterator[Catalogue]:
    found = empty_catalogue(catalogue_url)
    yield found
    found.close()


def fitted(catalogue: Catalogue, facts: FitFacts, rows: int | None = 40, **hyperparameters: Any) -> int:
    """Record a run with one fit; return its model."""
    model = TransformerEntity(facts)
    fit = event(
        StageKind.FIT, "fit", inputs={"": FrameEntity(rows)}, fitted={"": model}, hyperparameters=hyperparameters
    )
    record(catalogue, "p", "m", [fit])
    assert model.id is not None
    return model.id


def test_compare_hyperparameters(catalogue: Catalogue) -> None:
    first = fitted(catalogue, linear_facts(), alpha=0.5, solver="svd", fit_intercept=True)
    second = fitted(catalogue, forest_facts(), alpha=0.5, fit_intercept=False, max_depth=None)
    found = Comparisons(catalogue).hyperparameters(first, second)
    assert found.only_1 == {"solver": "svd"}
    assert found.only_2 == {"max_depth": None}
    assert found.shared == {"alpha": (0.5, 0.5), "fit_intercept": (True, False)}


def test_compare_features(catalogue: Catalogue) -> None:
    found = Comparisons(catalogue).features(fitted(catalogue, linear_facts()), fitted(catalogue, forest_facts()))
    assert (found.only_1, found.only_2, found.shared) == ((), ("rooms",), ("age", "log_income"))
    without = fitted(catalogue, FitFacts("Ridge"))
    with pytest.raises(NotFoundError, match=r"\(Ridge\): none of its features"):
        Comparisons(catalogue).features(without, without)


def test_compare_feature_importances_of_any_two_models(catalogue: Catalogue) -> None:
    """Ranks are of importance, not of position, as pandas ranks them; equal importances rank equal."""
    linear = fitted(catalogue, linear_facts(features=(), linear=LinearFacts(linear_facts().linear.terms)))
    forest = fitted(catalogue, forest_facts())
    tied = fitted(catalogue, forest_facts(features=(Feature("a", 0.4), Feature("b", 0.4), Feature("age", 0.2))))
    compare = Comparisons(catalogue)
    assert compare.feature_importances(linear, forest) == (
        ImportanceComparison("age", 0.5, pytest.approx(1 / 3)),
        ImportanceComparison("log_income", 1.0, pytest.approx(2 / 3)),
        ImportanceComparison("rooms", None, 1.0),
    )
    ranks = pd.Series({"a": 0.4, "b": 0.4, "age": 0.2}).rank(method="max", pct=True)
    found = {item.feature: item.percentile_1 for item in compare.feature_importances(tied, forest)}
    assert {name: found[name] for name in ranks.index} == pytest.approx(ranks.to_dict())
    with pytest.raises(IllegalOperationError, match="no feature importances"):
        compare.feature_importances(forest, fitted(catalogue, FitFacts("KMeans")))


def test_linear_model_feature_importances(catalogue: Catalogue) -> None:
    compare = Comparisons(catalogue)
    assert compare.linear_feature_importances(fitted(catalogue, linear_facts())) == ("log_income", "age")
    with pytest.raises(IllegalOperationError, match="not a linear model"):
        compare.linear_feature_importances(fitted(catalogue, forest_facts()))
    for known in (False, None):
        raw = linear_facts(linear=LinearFacts(linear_facts().linear.terms, is_standardized=known))
        with pytest.raises(IllegalOperationError, match="not fitted on standardised features"):
            compare.linear_feature_importances(fitted(catalogue, raw))


def test_confidence_intervals(catalogue: Catalogue) -> None:
    model = fitted(catalogue, linear_facts(), rows=40)
    found = Comparisons(catalogue).confidence_intervals(model, 0.05)
    assert [(item.index, item.name) for item in found] == [(0, "intercept"), (1, "age"), (2, "log_income")]
    for item, (coefficient, error) in zip(found, [(1, 0.5), (2, 0.25), (-3, 0.1)], strict=True):
        expected = scipy.stats.t.interval(0.95, 40 - 3, loc=coefficient, scale=error)
        assert (item.low, item.high) == pytest.approx(expected, rel=1e-9)


def test_confidence_intervals_that_cannot_be_given(catalogue: Catalogue) -> None:
    compare = Comparisons(catalogue)
    model = fitted(catalogue, linear_facts())
    for significance in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(InvalidInputError, match="between 0 and 1"):
            compare.confidence_intervals(model, significance)
    with pytest.raises(IllegalOperationError, match="not a linear model"):
        compare.confidence_intervals(fitted(catalogue, forest_facts()), 0.05)
    with pytest.raises(IllegalOperationError, match="3 coefficients, fitted on 3 rows"):
        compare.confidence_intervals(fitted(catalogue, linear_facts(), rows=3), 0.05)
    with pytest.raises(NotFoundError, match="on how many rows"):
        compare.confidence_intervals(fitted(catalogue, linear_facts(), rows=None), 0.05)


@pytest.mark.parametrize("degrees", [1, 2, 3, 10, 37, 1000, 10**6, 10**9])
@pytest.mark.parametrize("probability", [0.500001, 0.6, 0.9, 0.975, 0.9995, 1 - 1e-7])
def test_quantiles_of_students_t(probability: float, degrees: int) -> None:
    assert t_quantile(probability, degrees) == pytest.approx(scipy.stats.t.ppf(probability, degrees), rel=2e-7)


def test_iterations_until_convergence(catalogue: Catalogue) -> None:
    first, second = fitted(catalogue, linear_facts()), fitted(catalogue, forest_facts())
    one = fitted(catalogue, linear_facts(history={"objective": (3.0,), "loss": (3.0, 2.0, 2.0)}))
    compare = Comparisons(catalogue)
    assert compare.iterations_until_convergence([first, second, 4711, one], 0.6) == (3, -1, -1, 1)
    assert compare.iterations_until_convergence([first, first], 0.01) == (4, 4)
    assert compare.iterations_until_convergence([one, first], 0.01, curve="loss") == (3, -1)


def test_get_training_rows_counts(catalogue: Catalogue) -> None:
    first, unknown = fitted(catalogue, linear_facts(), rows=40), fitted(catalogue, linear_facts(), rows=None)
    compare = Comparisons(catalogue)
    assert compare.training_rows_counts([first, 4711, unknown, first]) == (40, -1, -1, 40)
    assert (compare.training_rows_count(first), compare.training_rows_count(4711)) == (40, -1)
    assert compare.training_rows_counts([]) == ()


@pytest.mark.parametrize("ask", ["hyperparameters", "features", "feature_importances"])
def test_unknown_models(catalogue: Catalogue, ask: str) -> None:
    model = fitted(catalogue, linear_facts())
    for pair in ((4711, model), (model, 4711)):
        with pytest.raises(NotFoundError, match="model 4711 does not exist"):
            getattr(Comparisons(catalogue), ask)(*pair)


def test_unknown_models_of_one(catalogue: Catalogue) -> None:
    compare = Comparisons(catalogue)
    for ask in (compare.linear_feature_importances, lambda model: compare.confidence_intervals(model, 0.1)):
        with pytest.raises(NotFoundError, match="model 4711 does not exist"):
            ask(4711)


def test_compare_runs_is_what_pandas_pivots(catalogue: Catalogue) -> None:
    rng = np.random.default_rng(0)
    runs, rows = [], []
    for number in range(30):
        chosen = rng.choice(40, 25, replace=False)
        values = {f"m{name}": 1.0 if name < 5 else float(rng.random()) for name in chosen}
        runs.append(record(catalogue, "p", "m", [event(StageKind.METRIC, "evaluate", metrics=values)]))
        rows += [(f"m{name}", number, values[f"m{name}"]) for name in chosen]
    expected = pd.DataFrame(rows, columns=["name", "run", "value"]).pivot(index="name", columns="run", values="value")
    found = Comparisons(catalogue).runs(runs)
    assert found.run_ids == tuple(runs)
    table = pd.DataFrame(found.metrics, index=list(found.metric_names))
    np.testing.assert_array_equal(table.loc[expected.index].to_numpy(), expected.to_numpy())
    differs = [expected.loc[name].nunique(dropna=False) > 1 for name in found.metric_names]
    assert differs == sorted(differs, reverse=True)
    assert found.differing_metrics == sum(differs)
    assert list(found.metric_names[: found.differing_metrics]) == sorted(found.metric_names[: found.differing_metrics])
    assert found.parameters.shape == (0, 30)


def test_compare_runs_puts_what_differs_first_and_leaves_parts_out(catalogue: Catalogue) -> None:
    first = record_workflow(catalogue, made=workflow(auc=0.9, depth=3, kernel=[1, 2]))
    second = record_workflow(catalogue, made=workflow(auc=0.9, depth=4, kernel=[1, 2], extra=1))
    whole = event(StageKind.GRID_SEARCH, "search")
    record(catalogue, "p", "m", [whole, event(StageKind.FIT, "cell", parent=whole, metrics={"hidden": 1.0})])
    found = Comparisons(catalogue).runs([second.run, first.run, second.run])
    assert found.run_ids == (second.run, first.run)
    assert found.parameter_names == ("depth", "extra", "alpha", "base", "fit_intercept", "kernel")
    assert found.differing_parameters == 2
    assert found.parameters[:2].tolist() == [[4, 3], [1, None]]
    assert found.parameters[-1].tolist() == [[1, 2], [1, 2]]
    assert found.metric_names == ("evaluate.auc", "evaluate_train.auc", "rmse")
    assert (found.differing_metrics, found.metrics[0].tolist()) == (0, [0.9, 0.9])


def test_compare_runs_of_none_and_of_unknown_ones(catalogue: Catalogue) -> None:
    assert Comparisons(catalogue).runs([]).metrics.shape == (0, 0)
    with pytest.raises(NotFoundError, match="run 4711"):
        Comparisons(catalogue).runs([record(catalogue, "p", "m"), 4711])


def test_compare_many_runs_in_few_queries(tmp_path: Path) -> None:
    catalogue = empty_catalogue(tmp_path / "catalogue.db")
    template = workflow()
    runs = [record(catalogue, "p", "m", [template.events["read_people"]])]
    for _ in range(39):
        runs.append(record(catalogue, "p", "m", [event(StageKind.METRIC, "e", metrics={"a": 1.0})]))
    statements: list[str] = []
    sa.event.listen(catalogue.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    Comparisons(catalogue).runs(runs)
    selects = [text for text in statements if text.startswith("SELECT")]
    assert len(selects) <= 4
    with catalogue.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(metric)) == 39
        assert connection.scalar(sa.select(sa.func.count()).select_from(value_name)) == 1
