"""How good predictions of several classes are: one against the rest, and averages."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mistique_core.predictions.curves import RankingCurves, ranking_curves
from mistique_core.predictions.problem import Codes, Floats

MOST_SCORES = 20_000_000
"""Rows x classes up to which all of them are ranked together for the micro average."""


@dataclass(frozen=True)
class OneVersusRest:
    """Curves of each class against the others.

    Attributes
    ----------
    classes
        One for each class that has probabilities; ``None`` for the others.
    micro
        All pairs of a row and a class ranked together; ``None`` where they are too many.
    macro_roc_auc, macro_average_precision
        Means over the classes that have rows.
    log_loss
        Mean negative logarithm of the probability of what is true, of probabilities that were scaled to sum to 1.
    """

    classes: tuple[RankingCurves | None, ...]
    micro: RankingCurves | None
    macro_roc_auc: float
    macro_average_precision: float
    log_loss: float


def confusion(truth: Codes, decided: Codes, classes: int) -> npt.NDArray[np.int64]:
    """Return (classes, classes) rows by true (down) and predicted class (across)."""
    pairs = truth.astype(np.int64) * classes + decided
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_metrics(counts: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return accuracy, and precision, recall and F1 averaged over classes (macro); a share of nothing counts as 0.

    Classes that neither the truth nor a decision names are left out, as in scikit-learn.
    """
    hits, actual, chosen = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    used = actual + chosen > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.nan_to_num(hits / chosen)[used]
        recall = np.nan_to_num(hits / actual)[used]
        f1 = np.nan_to_num(2 * hits / (actual + chosen))[used]
    rows = counts.sum()
    return {
        "accuracy": float(hits.sum() / rows) if rows else math.nan,
        "precision": float(precision.mean()) if len(precision) else math.nan,
        "recall": float(recall.mean()) if len(recall) else math.nan,
        "f1": float(f1.mean()) if len(f1) else math.nan,
    }


def one_versus_rest(truth: Codes, probabilities: Floats) -> OneVersusRest:
    """Return curves of each class.

    Parameters
    ----------
    truth
        (rows,) positions of the classes.
    probabilities
        (rows, classes) float64; a column of NaN for a class that has none.
    """
    known = ~np.asarray(np.isnan(probabilities).all(axis=0))
    classes = tuple(
        ranking_curves(truth == at, np.ascontiguousarray(probabilities[:, at])) if known[at] else None
        for at in range(probabilities.shape[1])
    )
    micro = None
    if probabilities.size <= MOST_SCORES and known.any():
        is_true = truth[:, None] == np.flatnonzero(known)[None, :]
        micro = ranking_curves(is_true.ravel(), np.ascontiguousarray(probabilities[:, known]).ravel())
    areas = [item.roc_auc for item in classes if item is not None and not math.isnan(item.roc_auc)]
    averages = [item.average_precision for item in classes if item is not None]
    averages = [value for value in averages if not math.isnan(value)]
    return OneVersusRest(classes, micro, _mean(areas), _mean(averages), _log_loss(truth, probabilities))


def _log_loss(truth: Codes, probabilities: Floats) -> float:
    filled = np.nan_to_num(probabilities)
    least = float(np.finfo(np.float64).eps)
    with np.errstate(invalid="ignore", divide="ignore"):
        true = filled[np.arange(len(truth)), truth] / filled.sum(axis=1)
    return float(-np.log(np.clip(np.nan_to_num(true), least, 1 - least)).mean()) if len(truth) else math.nan


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan
