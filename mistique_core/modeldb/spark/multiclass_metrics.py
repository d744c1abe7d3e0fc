"""All metrics of a classifier's predictions at once, as one event."""

from __future__ import annotations

import sys
from typing import Any

from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.session import active_run
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.spark.metric_events import MODEL, add_metrics
from mistique_core.spark.environment import require_spark

_OPERATOR = "pyspark.mllib.evaluation:MulticlassMetrics"


def compute_multiclass_metrics(
    predictions: Any, model: Any = None, *, label_col: str = "label", prediction_col: str = "prediction"
) -> Any:
    """Return the metrics of a classifier's predictions; with an active run, they are recorded as one event.

    Recorded are ``accuracy``, ``precision_weighted``, ``recall_weighted``, ``f1_weighted``, and ``precision``,
    ``recall`` and ``f1`` of each class (``f1_0``, ``f1_1``...) up to ten classes. Spark computes them in one pass.

    Parameters
    ----------
    predictions
        A data frame of Spark with both columns.
    model
        What predicted; default the model that is known to have made `predictions`.
    label_col, prediction_col
        Columns of numbers: the truth and the predictions.

    Returns
    -------
    pyspark.mllib.evaluation.MulticlassMetrics
        Spark's own object: ``accuracy``, ``confusionMatrix()``, ``precision(label)``...

    Raises
    ------
    InvalidInputError
        If PySpark is missing.
    """
    if "pyspark" not in sys.modules:
        require_spark("compute_multiclass_metrics")
    run = active_run()
    if run is None or not run.tracker.is_listening:
        return _measured(predictions, label_col, prediction_col)

    def record(tracker: Tracker, call: TracedCall) -> None:
        metrics = {} if call.error is not None else _values(call.result)
        described = {"evaluator": _OPERATOR, "params": {"labelCol": label_col, "predictionCol": prediction_col}}
        params = {"label": label_col, "metrics": list(metrics), "evaluators": [described]}
        add_metrics(tracker, call, predictions, metrics, params, (_OPERATOR, "MulticlassMetrics"))

    args = (predictions, label_col, prediction_col)
    call = TracedCall(None, "compute_multiclass_metrics", _measured, args, {}, before={MODEL: model})
    return run.tracker.make(call, record)


ComputeMulticlassMetrics = compute_multiclass_metrics
"""The name of the original client."""


def _measured(predictions: Any, label_col: str, prediction_col: str) -> Any:
    from pyspark.mllib.common import JavaModelWrapper
    from pyspark.mllib.evaluation import MulticlassMetrics
    from pyspark.sql import functions

    pairs = predictions.select(functions.col(prediction_col).cast("double"), functions.col(label_col).cast("double"))
    java = pairs.sparkSession.sparkContext._jvm.org.apache.spark.mllib.evaluation
    # Its own constructor takes an RDD of Python's, whose rows would pass through workers of Python.
    metrics: Any = MulticlassMetrics.__new__(MulticlassMetrics)
    JavaModelWrapper.__init__(metrics, java.MulticlassMetrics(pairs._jdf))
    # Spark counts when it is first asked: here, so that what is asked later starts no job.
    _ = metrics.accuracy
    return metrics


_MOST_CLASSES = 10


def _values(metrics: Any) -> dict[str, float]:
    found = {
        "accuracy": metrics.accuracy,
        "precision_weighted": metrics.weightedPrecision,
        "recall_weighted": metrics.weightedRecall,
        "f1_weighted": metrics.weightedFMeasure(),
    }
    labels = [float(label) for label in metrics.call("labels")]
    if len(labels) <= _MOST_CLASSES:
        for label in labels:
            found[f"precision_{label:g}"] = metrics.precision(label)
            found[f"recall_{label:g}"] = metrics.recall(label)
            found[f"f1_{label:g}"] = metrics.fMeasure(label, 1.0)
    return {name: float(value) for name, value in found.items()}
