"""How the metrics of Spark's evaluators are called in records: as scikit-learn's clients call the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mistique_core.modeldb.spark.params import hyperparameters_of

_NAMES = {
    "areaUnderROC": "roc_auc",
    "areaUnderPR": "area_under_pr",
    "accuracy": "accuracy",
    "f1": "f1_weighted",
    "weightedFMeasure": "f1_weighted",
    "weightedPrecision": "precision_weighted",
    "weightedRecall": "recall_weighted",
    "hammingLoss": "hamming_loss",
    "logLoss": "log_loss",
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
    "r2": "r2",
    "rmse": "root_mean_squared_error",
    "silhouette": "silhouette",
}
_OF_A_CLASS = {
    "precisionByLabel": "precision",
    "recallByLabel": "recall",
    "truePositiveRateByLabel": "recall",
    "fMeasureByLabel": "f1",
    "falsePositiveRateByLabel": "false_positive_rate",
}
_F_MEASURES = ("weightedFMeasure", "fMeasureByLabel")
_WITHOUT_ORDER = ("BinaryClassificationEvaluator", "ClusteringEvaluator", "MulticlassClassificationEvaluator",
                  "RegressionEvaluator")  # fmt: skip


def metric_name(evaluator: Any, overrides: Mapping[Any, Any] | None = None) -> str:
    """Return the name of what an evaluator measures, such as ``roc_auc`` or ``precision_1``.

    Parameters
    ----------
    evaluator
        The evaluator; one that has no ``metricName`` is called by its class.
    overrides
        A param map that it evaluated with.
    """
    values = hyperparameters_of(evaluator, overrides)
    given = values.get("metricName")
    kind = type(evaluator).__name__
    if not isinstance(given, str):
        return kind
    if kind not in _WITHOUT_ORDER or (given in _F_MEASURES and values.get("beta", 1.0) != 1.0):
        return given
    if given in _OF_A_CLASS:
        return f"{_OF_A_CLASS[given]}_{values.get('metricLabel', 0.0):g}"
    return _NAMES.get(given, given)
