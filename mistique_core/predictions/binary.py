"""How good predictions of two classes are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mistique_core.predictions.problem import Floats

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class BinaryCounts:
    """Rows by truth and decision, of the positive class."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int

    @property
    def rows(self) -> int:
        """All rows."""
        return self.true_positive + self.false_positive + self.true_negative + self.false_negative

    def metrics(self) -> dict[str, float]:
        """Return accuracy, precision, recall, F1 and Matthews' correlation; a share of nothing is NaN."""
        tp, fp, tn, fn = self.true_positive, self.false_positive, self.true_negative, self.false_negative
        spread = math.sqrt(float(tp + fp) * float(tp + fn) * float(tn + fp) * float(tn + fn))
        return {
            "accuracy": _ratio(tp + tn, self.rows),
            "precision": _ratio(tp, tp + fp),
            "recall": _ratio(tp, tp + fn),
            "f1": _ratio(2 * tp, 2 * tp + fp + fn),
            "mcc": (float(tp) * tn - float(fp) * fn) / spread if spread else math.nan,
        }


def binary_counts(is_positive: Booleans, decided: Booleans) -> BinaryCounts:
    """Count rows, (rows,) each."""
    hits = int(np.count_nonzero(is_positive & decided))
    positive, chosen = int(np.count_nonzero(is_positive)), int(np.count_nonzero(decided))
    return BinaryCounts(hits, chosen - hits, len(decided) - positive - chosen + hits, positive - hits)


def log_loss(is_positive: Booleans, probabilities: Floats) -> float:
    """Return the mean negative logarithm of the true class's probability; 0 counts as 2.2e-16."""
    least = float(np.finfo(np.float64).eps)
    true = np.clip(np.where(is_positive, probabilities, 1 - probabilities), least, 1 - least)
    return float(-np.log(true).mean()) if len(true) else math.nan


def brier(is_positive: Booleans, probabilities: Floats) -> float:
    """Return the mean squared difference of probability and truth."""
    return float(np.square(probabilities - is_positive).mean()) if len(probabilities) else math.nan


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
