"""Metrics by group equal those of scikit-learn on each group."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from mistique_core import Mistique
from mistique_core.diagnostics import group_metrics
from mistique_core.errors import InvalidInputError

Y = "p.models.y"


def by_town(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(name): part for name, part in frame.groupby(frame["town"].fillna("missing"))}


def test_two_classes_by_group(models: Mistique, predictions: pd.DataFrame) -> None:
    result = group_metrics(models, f"{Y}.truth", f"{Y}.guess_a", group=f"{Y}.town", probabilities=f"{Y}.p1")
    parts = by_town(predictions)
    assert list(result.frame.index) == ["Ghent", "Namur", "missing"]
    for name, part in [*parts.items(), ("all", predictions)]:
        row = result.facts["all"]["guess_a"] if name == "all" else result.frame.loc[name]
        truth, guess = part["truth"], part["guess_a"]
        assert row["rows"] == len(part)
        assert row["accuracy"] == pytest.approx(metrics.accuracy_score(truth, guess))
        assert row["precision"] == pytest.approx(metrics.precision_score(truth, guess))
        assert row["recall"] == pytest.approx(metrics.recall_score(truth, guess))
        assert row["f1"] == pytest.approx(metrics.f1_score(truth, guess))
        assert row["log_loss"] == pytest.approx(metrics.log_loss(truth, part["p1"]))
    assert set(result.row_id) == set(predictions.index)


def test_another_positive_class_and_a_probability_for_each(models: Mistique, predictions: pd.DataFrame) -> None:
    keys = [f"{Y}.p0", f"{Y}.p1"]
    result = group_metrics(models, f"{Y}.truth", f"{Y}.guess_a", probabilities=keys, positive="0")
    row = result.frame.loc["all"]
    assert row["recall"] == pytest.approx(
        metrics.recall_score(predictions["truth"], predictions["guess_a"], pos_label=0)
    )
    assert row["log_loss"] == pytest.approx(metrics.log_loss(predictions["truth"], predictions["p1"]))


def test_many_classes_with_missing_predictions(models: Mistique, predictions: pd.DataFrame) -> None:
    result = group_metrics(models, f"{Y}.kind", f"{Y}.kind_guess", group=f"{Y}.flag")
    known = predictions.dropna(subset="kind_guess")
    assert result.facts["missing_rows"] == len(predictions) - len(known)
    assert result.facts["missing_rows"] > 0
    for name, part in known.groupby("flag"):
        row = result.frame.loc[str(name)]
        options: dict[str, Any] = {"average": "macro", "zero_division": np.nan}
        truth, guess = part["kind"], part["kind_guess"]
        assert row["precision"] == pytest.approx(metrics.precision_score(truth, guess, **options))
        assert row["recall"] == pytest.approx(metrics.recall_score(truth, guess, **options))
        assert row["f1"] == pytest.approx(metrics.f1_score(truth, guess, **options))


def test_amounts_of_two_models_by_quantiles(models: Mistique, predictions: pd.DataFrame) -> None:
    keys = [f"{Y}.price_a", f"{Y}.price_b"]
    result = group_metrics(models, f"{Y}.price", keys, group=f"{Y}.b", bins=3)
    assert result.facts["task"] == "regression"
    assert result.frame["prediction"].tolist() == ["price_a", "price_b"] * 3
    edges = np.quantile(predictions["b"], [1 / 3, 2 / 3], method="inverted_cdf")
    places = np.searchsorted(edges, predictions["b"])
    for place in range(3):
        part = predictions[places == place]
        for offset, name in enumerate(["price_a", "price_b"]):
            row = result.frame.iloc[2 * place + offset]
            assert row["rows"] == len(part)
            assert row["mean_error"] == pytest.approx((part[name] - part["price"]).mean())
            assert row["mae"] == pytest.approx(metrics.mean_absolute_error(part["price"], part[name]))
            assert row["rmse"] == pytest.approx(metrics.root_mean_squared_error(part["price"], part[name]))
    assert "; worst for b = " in result.sentence


def test_a_share_of_nothing_is_missing(tmp_path: Any) -> None:
    frame = pd.DataFrame({"t": [0, 0, 1], "p": [0, 0, 0], "g": ["x", "x", "y"]})
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", frame)
        result = group_metrics(store, "p.m.x.t", "p.m.x.p", group="p.m.x.g")
    assert result.frame["precision"].isna().all()
    assert result.frame["recall"].fillna(-1).tolist() == [-1, 0]
    assert result.frame["f1"].fillna(-1).tolist() == [-1, 0]
    assert result.frame["accuracy"].tolist() == [1, 0]


@pytest.mark.parametrize("model", ["single", "none"])
def test_few_rows(store: Mistique, model: str) -> None:
    result = group_metrics(store, f"p.{model}.x.whole", f"p.{model}.x.small", group=f"p.{model}.x.kind")
    assert result.facts["compared_rows"] == len(result.row_id)
    assert result.to_json()["rows"] is not None


def test_only_common_rows_and_those_that_hold(models: Mistique, predictions: pd.DataFrame) -> None:
    half = predictions.iloc[:150]
    result = group_metrics(models, "p.half.y.truth", f"{Y}.guess_a", where="guess_a==1")
    assert set(result.row_id) == set(half.index[half["guess_a"] == 1])
    some = half.index[:7].tolist()
    assert group_metrics(models, f"{Y}.truth", f"{Y}.guess_a", row_id=some).frame["rows"].tolist() == [7]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"predictions": [f"{Y}.guess_a", f"{Y}.guess_b"], "probabilities": [f"{Y}.p1"]}, "belong to one prediction"),
        ({"predictions": f"{Y}.guess_a", "probabilities": [f"{Y}.a"]}, "values outside 0 to 1; name columns of prob"),
        ({"predictions": f"{Y}.guess_a", "probabilities": [f"{Y}.p1"] * 3}, "do not fit 2 classes; name one a class"),
        ({"predictions": f"{Y}.guess_a", "positive": "yes"}, "positive='yes' is not a class; known: 0, 1"),
        ({"predictions": f"{Y}.kind", "task": "regression"}, "no amounts; use task='classification'"),
        ({"predictions": f"{Y}.guess_a", "group": f"{Y}.price", "bins": 300}, "groups; name a column of labels"),
    ],
)
def test_what_cannot_be_measured_is_refused(models: Mistique, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        group_metrics(models, f"{Y}.truth", **fields)
