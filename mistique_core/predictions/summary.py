"""One model's summary: what the Summary pane shows of it (thesis 6.2.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from mistique_core.predictions.assemble import Assembled, Assembler
from mistique_core.predictions.binary import binary_counts, brier, log_loss
from mistique_core.predictions.byte_cache import ByteCache
from mistique_core.predictions.curves import Calibration, RankingCurves, calibration, ranking_curves
from mistique_core.predictions.multiclass import OneVersusRest, class_metrics, confusion, one_versus_rest
from mistique_core.predictions.problem import class_of_column
from mistique_core.predictions.regression import RegressionSummary, regression_summary

Positions = npt.NDArray[np.int64]
_BYTES = 64 * 1024
"""Of one model's curves and points, at most."""


@dataclass(frozen=True)
class Ranking:
    """What depends on a model's exact probabilities or amounts, but on no threshold.

    Attributes
    ----------
    curves, calibration
        Of a binary problem with probabilities.
    classes
        Of a problem of several classes with probabilities.
    amounts
        Of a regression.
    metrics
        Name -> value.
    """

    curves: RankingCurves | None = None
    calibration: Calibration | None = None
    classes: OneVersusRest | None = None
    amounts: RegressionSummary | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of memory, about."""
        return _BYTES


@dataclass(frozen=True)
class ModelSummary:
    """One model over some rows.

    Attributes
    ----------
    name
        For people.
    metrics
        Name -> value; NaN where it does not exist.
    confusion
        (classes, classes) rows by true (down) and predicted class (across), in the order of the classes; ``None`` for a
        regression.
    ranking
        Curves.
    """

    name: str
    metrics: dict[str, float]
    confusion: npt.NDArray[np.int64] | None
    ranking: Ranking


def summarise(
    assembler: Assembler,
    cache: ByteCache,
    found: Assembled,
    *,
    threshold: float | None = None,
    positions: Positions | None = None,
) -> tuple[ModelSummary, ...]:
    """Return the summary of each model.

    Parameters
    ----------
    assembler
        Reads exact probabilities again; a matrix holds them in steps of half a percent.
    cache
        Keeps what was computed over all rows.
    found
        The models.
    threshold
        From which probability of the positive class on it is decided for; ``None`` for the models' own decisions.
    positions
        Only these rows of the matrix, ascending; all by default.
    """
    matrix = found.matrix
    summaries = []
    for at, name in enumerate(matrix.names):
        if positions is None:
            key = ("ranking", matrix.address, at)
            ranking = cache.get(key, partial(_ranking, assembler, found, at, None))
        else:
            ranking = _ranking(assembler, found, at, positions)
        decided, counts = _decided(found, at, threshold, positions)
        summaries.append(ModelSummary(name, decided | ranking.metrics, counts, ranking))
    return tuple(summaries)


def _decided(
    found: Assembled, at: int, threshold: float | None, positions: Positions | None
) -> tuple[dict[str, float], npt.NDArray[np.int64] | None]:
    matrix, problem = found.matrix, found.matrix.problem
    rows = slice(None) if positions is None else positions
    if problem.kind == "regression":
        return {}, None
    decisions = matrix.decisions(at, threshold)[rows]
    if problem.kind == "multiclass":
        counts = confusion(matrix.truth.codes[rows], decisions.astype(np.uint8), len(problem.classes))
        return class_metrics(counts), counts
    by_class = binary_counts(matrix.truth.is_positive[rows], decisions.astype(bool))
    table = np.array(
        [
            [by_class.true_negative, by_class.false_positive],
            [by_class.false_negative, by_class.true_positive],
        ]
    )
    return by_class.metrics(), table if problem.positive == 1 else table[::-1, ::-1]


def _ranking(assembler: Assembler, found: Assembled, at: int, positions: Positions | None) -> Ranking:
    matrix, item = found.matrix, found.sets[at]
    problem = matrix.problem
    ids = matrix.row_ids if positions is None else matrix.row_ids[positions]
    rows = slice(None) if positions is None else positions
    if problem.kind == "regression":
        assert item.prediction is not None  # or it would have been left out
        amounts = regression_summary(matrix.truth.values[rows], assembler.probabilities(item, item.prediction, ids))
        return Ranking(amounts=amounts, metrics=amounts.metrics)
    if not item.probabilities:
        return Ranking()
    if problem.kind == "binary":
        is_positive = matrix.truth.is_positive[rows]
        values = assembler.positive_probabilities(item, matrix.truth, ids)
        curves = ranking_curves(is_positive, values)
        return Ranking(
            curves,
            calibration(is_positive, values),
            metrics={
                "roc_auc": curves.roc_auc,
                "average_precision": curves.average_precision,
                "log_loss": log_loss(is_positive, values),
                "brier": brier(is_positive, values),
            },
        )
    given = {class_of_column(name): name for name in item.probabilities}
    table = np.full((len(ids), len(problem.classes)), math.nan)
    for place, name in enumerate(problem.classes):
        if name in given:
            table[:, place] = assembler.probabilities(item, given[name], ids)
    classes = one_versus_rest(matrix.truth.codes[rows], table)
    return Ranking(
        classes=classes,
        metrics={
            "roc_auc": classes.macro_roc_auc,
            "average_precision": classes.macro_average_precision,
            "log_loss": classes.log_loss,
        },
    )
