"""What comparisons return: immutable values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class HyperparameterComparison:
    """Hyperparameters of two models.

    Attributes
    ----------
    only_1, only_2
        Name -> value of those that only one model has.
    shared
        Name -> (value of the first, value of the second).
    """

    only_1: dict[str, Any]
    only_2: dict[str, Any]
    shared: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class FeatureComparison:
    """Features of two models.

    Attributes
    ----------
    only_1, only_2
        Those that only one model has, in its order.
    shared
        Those that both have, in the order of the first.
    """

    only_1: tuple[str, ...]
    only_2: tuple[str, ...]
    shared: tuple[str, ...]


@dataclass(frozen=True)
class ImportanceComparison:
    """How important a feature is to two models.

    Attributes
    ----------
    feature
        Its name.
    percentile_1, percentile_2
        Fraction of the model's features that are at most as important, in (0, 1]: 1 for the most important one;
        ``None`` where the model has no such feature.
    """

    feature: str
    percentile_1: float | None
    percentile_2: float | None


@dataclass(frozen=True)
class ConfidenceInterval:
    """The interval of one coefficient.

    Attributes
    ----------
    index, name, target
        Which coefficient: 0 for the intercept, then the features from 1, for each target.
    low, high
        Its bounds.
    """

    index: int
    name: str
    target: str
    low: float
    high: float


@dataclass(frozen=True)
class RunTable:
    """Hyperparameters and metrics of several runs side by side.

    Attributes
    ----------
    run_ids
        The runs, n of them.
    parameter_names
        Names of hyperparameters, p of them: those that differ first, each part by name.
    parameters
        object (p, n): JSON values; ``None`` where a run has none.
    differing_parameters
        How many of the names differ: a value, or whether there is one.
    metric_names
        Names of metrics, m of them: those that differ first, each part by name.
    metrics
        float64 (m, n): NaN where a run has none.
    differing_metrics
        How many of the names differ.
    """

    run_ids: tuple[int, ...]
    parameter_names: tuple[str, ...]
    parameters: npt.NDArray[np.object_]
    differing_parameters: int
    metric_names: tuple[str, ...]
    metrics: npt.NDArray[np.float64]
    differing_metrics: int
