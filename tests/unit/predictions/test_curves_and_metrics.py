"""Curves and metrics against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from mistique_core.predictions.binary import binary_counts, brier, log_loss
from mistique_core.predictions.curves import calibration, ranking_curves
from mistique_core.predictions.multiclass import class_metrics, confusion, one_versus_rest
from mistique_core.predictions.regression import QUANTILES, regression_summary


@pytest.mark.parametrize("digits", [1, 2, 15])
@pytest.mark.parametrize("rows", [7, 5_000])
def test_ranking_curves_are_those_of_scikit_learn(rows: int, digits: int) -> None:
    rng = np.random.default_rng(rows + digits)
    truth = rng.random(rows) < 0.4
    truth[:2] = True, False
    scores = np.round(rng.random(rows) * 0.6 + truth * 0.3, digits)
    found = ranking_curves(truth, scores)
    assert found.roc_auc == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-12)
    assert found.average_precision == pytest.approx(sk.average_precision_score(truth, scores), abs=1e-12)
    fpr, tpr, _ = sk.roc_curve(truth, scores, drop_intermediate=False)
    expected = set(zip(fpr.round(12), tpr.round(12), strict=True))
    drawn = zip(found.false_positive_rate.round(12), found.true_positive_rate.round(12), strict=True)
    assert set(drawn) <= expected
    assert len(found.false_positive_rate) <= 402
    precision, recall, _ = sk.precision_recall_curve(truth, scores)
    points = set(zip(recall.round(12), precision.round(12), strict=True))
    assert set(zip(found.recall.round(12), found.precision.round(12), strict=True)) <= points


def test_calibration_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    scores = np.concatenate([rng.random(400) ** 2, [0.0, 0.1, 0.5, 1.0]])
    truth = rng.random(404) < scores
    observed, predicted = calibration_curve(truth, scores, n_bins=10)
    found = calibration(truth, scores)
    np.testing.assert_allclose(found.observed, observed)
    np.testing.assert_allclose(found.predicted, predicted)
    assert found.rows.sum() == 404


def test_binary_metrics_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    truth, scores = rng.random(900) < 0.2, rng.random(900)
    decided = scores > 0.7
    found = binary_counts(truth, decided).metrics()
    expected = {
        "accuracy": sk.accuracy_score(truth, decided),
        "precision": sk.precision_score(truth, decided),
        "recall": sk.recall_score(truth, decided),
        "f1": sk.f1_score(truth, decided),
        "mcc": sk.matthews_corrcoef(truth, decided),
    }
    assert found == pytest.approx(expected)
    assert log_loss(truth, scores) == pytest.approx(sk.log_loss(truth, scores))
    assert brier(truth, scores) == pytest.approx(sk.brier_score_loss(truth, scores))


def test_a_share_of_nothing_is_no_number() -> None:
    nothing = binary_counts(np.zeros(4, bool), np.zeros(4, bool)).metrics()
    assert nothing["accuracy"] == 1
    assert np.isnan([nothing["precision"], nothing["recall"], nothing["f1"], nothing["mcc"]]).all()


def test_multiclass_metrics_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 4, 700).astype(np.uint8)
    probabilities = rng.dirichlet(np.ones(4), 700) * 0.7 + 0.3 * np.eye(4)[truth]
    decided = probabilities.argmax(axis=1).astype(np.uint8)
    counts = confusion(truth, decided, 4)
    assert (counts == sk.confusion_matrix(truth, decided)).all()
    precision, recall, f1, _ = sk.precision_recall_fscore_support(truth, decided, average="macro", zero_division=0)
    expected = {"accuracy": sk.accuracy_score(truth, decided), "precision": precision, "recall": recall, "f1": f1}
    assert class_metrics(counts) == pytest.approx(expected)
    found = one_versus_rest(truth, probabilities)
    assert found.macro_roc_auc == pytest.approx(sk.roc_auc_score(truth, probabilities, multi_class="ovr"))
    assert found.log_loss == pytest.approx(sk.log_loss(truth, probabilities))
    assert found.micro is not None
    one_hot = np.eye(4)[truth]
    assert found.micro.roc_auc == pytest.approx(sk.roc_auc_score(one_hot, probabilities, average="micro"))
    averages = sk.average_precision_score(one_hot, probabilities, average=None)
    assert [item.average_precision for item in found.classes if item] == pytest.approx(list(averages))


def test_a_class_without_probabilities_or_rows_is_left_out() -> None:
    truth = np.array([0, 1, 0, 1], np.uint8)
    probabilities = np.array([[0.9, 0.1, np.nan], [0.2, 0.8, np.nan], [0.6, 0.4, np.nan], [0.7, 0.3, np.nan]])
    found = one_versus_rest(truth, probabilities)
    assert found.classes[2] is None
    assert found.macro_roc_auc == pytest.approx(sk.roc_auc_score(truth, probabilities[:, 1]))
    metrics = class_metrics(confusion(truth, np.array([0, 1, 0, 0], np.uint8), 3))
    assert metrics["f1"] == pytest.approx(sk.f1_score(truth, [0, 1, 0, 0], average="macro"))


def test_errors_of_amounts_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(10, 4, 5_000)
    prediction = truth + rng.normal(0.5, 1, 5_000)
    found = regression_summary(truth, prediction)
    expected = {
        "mae": sk.mean_absolute_error(truth, prediction),
        "rmse": sk.root_mean_squared_error(truth, prediction),
        "r2": sk.r2_score(truth, prediction),
        "median_ae": sk.median_absolute_error(truth, prediction),
        "mean_error": float((prediction - truth).mean()),
    }
    assert found.metrics == pytest.approx(expected)
    np.testing.assert_allclose(found.quantiles, np.quantile(prediction - truth, QUANTILES))
    assert len(found.predictions) == len(found.errors) <= 1_500
