"""How the objective of a fit went down, iteration by iteration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def history_of(estimator: Any) -> dict[str, tuple[float, ...]]:
    """Return name -> one value an iteration, of whatever an estimator keeps about its fit.

    ``objective`` is the training loss; scores on held-out rows are called ``validation_score``; those of XGBoost and
    LightGBM ``<set>_<metric>``, such as ``validation_0_logloss``.
    """
    found: dict[str, tuple[float, ...]] = {}
    kind = type(estimator).__name__
    for attribute, name in (
        ("loss_curve_", "objective"),
        ("train_score_", "train_score" if kind.startswith("Hist") else "objective"),
        ("validation_scores_", "validation_score"),
        ("validation_score_", "validation_score"),
    ):
        _add(found, name, getattr(estimator, attribute, None))
    for data, metrics in _evaluations(estimator).items():
        for metric, values in metrics.items():
            _add(found, f"{data}_{metric}", values)
    return found


def _add(found: dict[str, tuple[float, ...]], name: str, values: Any) -> None:
    if values is None:
        return
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim == 1 and len(numbers):
        found[name] = tuple(numbers.tolist())


def _evaluations(estimator: Any) -> Mapping[str, Mapping[str, Any]]:
    """Return set -> metric -> values; XGBoost and LightGBM name the attribute alike."""
    results = getattr(estimator, "evals_result_", None)
    return results if isinstance(results, Mapping) else {}
