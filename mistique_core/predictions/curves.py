"""ROC, precision-recall and calibration curves of one model (thesis Fig. 6-6), exact, thinned out for drawing only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mistique_core.predictions.problem import Floats

Booleans = npt.NDArray[np.bool_]
MOST_POINTS = 400
CALIBRATION_BINS = 10


@dataclass(frozen=True)
class RankingCurves:
    """How well probabilities rank positive before negative examples.

    Attributes
    ----------
    false_positive_rate, true_positive_rate
        Points of the ROC curve, from (0, 0) to (1, 1).
    recall, precision
        Points of the precision-recall curve, recall ascending.
    roc_auc, average_precision
        Areas, of all points and not only of those that are drawn; scikit-learn's values. NaN where a class has no row.
    """

    false_positive_rate: Floats
    true_positive_rate: Floats
    recall: Floats
    precision: Floats
    roc_auc: float
    average_precision: float


@dataclass(frozen=True)
class Calibration:
    """Predicted against observed shares, in bins of equal width that have rows.

    Attributes
    ----------
    predicted, observed
        (bins,) mean probability, and share of positive rows.
    rows
        (bins,) rows of each bin.
    """

    predicted: Floats
    observed: Floats
    rows: npt.NDArray[np.int64]


def ranking_curves(is_positive: Booleans, scores: Floats) -> RankingCurves:
    """Return the curves of scores, (rows,) float64 without NaN."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], is_positive[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], np.ones(min(len(ranked), 1), bool)))
    true = np.cumsum(hits)[last].astype(np.float64)
    false = 1.0 + last - true
    positives, negatives = float(np.count_nonzero(is_positive)), float(np.count_nonzero(~is_positive))
    with np.errstate(invalid="ignore", divide="ignore"):
        tpr = np.append(0.0, true) / positives
        fpr = np.append(0.0, false) / negatives
        precision = true / (true + false)
        area = float(np.trapezoid(tpr, fpr))
        average = float(np.sum(np.diff(tpr) * precision))
    drawn = _drawn(fpr, tpr)
    shown = _drawn(tpr[1:], precision)
    return RankingCurves(fpr[drawn], tpr[drawn], tpr[1:][shown], precision[shown], area, average)


def calibration(is_positive: Booleans, probabilities: Floats, bins: int = CALIBRATION_BINS) -> Calibration:
    """Return observed shares in `bins` bins of equal width from 0 to 1; a bin holds its lower bound, the last both."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    codes = np.searchsorted(edges[1:-1], probabilities)
    rows = np.bincount(codes, minlength=bins)
    used = rows > 0
    predicted = np.bincount(codes, weights=probabilities, minlength=bins)[used] / rows[used]
    observed = np.bincount(codes, weights=is_positive, minlength=bins)[used] / rows[used]
    return Calibration(predicted, observed, rows[used])


def _drawn(across: Floats, up: Floats) -> npt.NDArray[np.int64]:
    """Return which points to draw: the ends, and those between which the curve moves by at least a step."""
    if len(across) <= MOST_POINTS:
        return np.arange(len(across))
    moved = np.cumsum(np.abs(np.diff(across, prepend=across[0])) + np.abs(np.diff(up, prepend=up[0])))
    steps = np.floor(moved / max(float(moved[-1]), 1e-12) * (MOST_POINTS - 2)).astype(np.int64)
    kept = np.flatnonzero(np.diff(steps, prepend=-1))
    return np.unique(np.append(kept, len(across) - 1))
