"""Evaluate predictions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.model import Stage, StageKind, StageResult
from mistique_core.workflows.inputs import only_input, require_column

CLASSIFICATION = ("accuracy", "f1", "log_loss", "precision", "recall", "roc_auc")
REGRESSION = ("max_error", "mean_absolute_error", "r2", "root_mean_squared_error")


class EvaluateStage(Stage):
    """Compute metrics from a frame of predictions.

    Parameters
    ----------
    label
        Column with the truth.
    metrics
        Names out of ``accuracy f1 log_loss precision recall roc_auc`` (binary classification) and
        ``max_error mean_absolute_error r2 root_mean_squared_error`` (regression).
    prediction
        Column with the predictions.
    probability
        Column with the probability of the positive class, for ``roc_auc`` and ``log_loss``.
    """

    kind = StageKind.METRIC
    outputs = ()

    def __init__(
        self,
        label: str,
        metrics: Sequence[str] = ("accuracy", "f1", "roc_auc"),
        prediction: str = "prediction",
        probability: str = "probability_1",
    ) -> None:
        for name in metrics:
            if name not in CLASSIFICATION + REGRESSION:
                raise InvalidInputError(
                    f"metric {name!r} is unknown; {did_you_mean(name, CLASSIFICATION + REGRESSION)}"
                )
        self.label_column = label
        self.metrics = list(metrics)
        self.prediction = prediction
        self.probability = probability

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {
            "label": self.label_column,
            "metrics": self.metrics,
            "prediction": self.prediction,
            "probability": self.probability,
        }

    def packages(self) -> tuple[str, ...]:
        """See :class:`Stage`."""
        return ("numpy", "pandas", "sklearn")

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return the metrics."""
        frame = only_input(inputs, "evaluate")
        truth = require_column(frame, self.label_column, "label")
        values = {name: float(self._metric(name, frame, truth)) for name in self.metrics}
        for name, value in values.items():
            if not math.isfinite(value):
                raise InvalidInputError(
                    f"metric {name!r} is {value} on these {len(frame)} rows with {truth.nunique()} classes; "
                    "evaluate on more rows, or leave it out of metrics"
                )
        return StageResult(metrics=values, metrics_input=next(iter(inputs)))

    def _metric(self, name: str, frame: pd.DataFrame, truth: pd.Series[Any]) -> float:
        from sklearn import metrics

        scored = name in ("roc_auc", "log_loss")
        column = self.probability if scored else self.prediction
        role = "probability" if scored else "prediction"
        function: Callable[..., float] = getattr(metrics, _FUNCTIONS.get(name, f"{name}_score"))
        return function(truth, require_column(frame, column, role))


_FUNCTIONS = {
    "log_loss": "log_loss",
    "max_error": "max_error",
    "mean_absolute_error": "mean_absolute_error",
    "root_mean_squared_error": "root_mean_squared_error",
}
