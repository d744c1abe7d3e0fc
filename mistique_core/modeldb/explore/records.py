"""What exploring returns: immutable values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class MainModel:
    """A fitted model of a run.

    Attributes
    ----------
    id
        Its row.
    type_name
        Class name.
    predicts
        Whether it is known to solve a problem, as classifiers and regressors do and scalers do not.
    """

    id: int
    type_name: str
    predicts: bool


@dataclass(frozen=True)
class RunGroup:
    """Runs that have the same value of a field.

    Attributes
    ----------
    label
        The value for people.
    count
        How many runs.
    condition
        The filter that finds them among the others; "" where none does.
    """

    label: str
    count: int
    condition: str


@dataclass(frozen=True)
class RunGroups:
    """How runs divide by the values of a field.

    Attributes
    ----------
    groups
        The largest first. A run with several values counts in each of them.
    others
        How many values are not listed.
    others_count
        Runs of these values.
    total
        Runs that fit the filter.
    """

    groups: tuple[RunGroup, ...]
    others: int
    others_count: int
    total: int


@dataclass(frozen=True)
class NamedValues:
    """Names of metrics and hyperparameters that runs have.

    Attributes
    ----------
    metrics, hyperparameters
        Names, those of the newest run first, then by name.
    runs
        How many of the newest runs were looked at.
    """

    metrics: tuple[str, ...]
    hyperparameters: tuple[str, ...]
    runs: int


@dataclass(frozen=True)
class RunValues:
    """Values of a few fields of all runs that fit a filter.

    Attributes
    ----------
    run_ids
        int64 (n,), in the order in which the runs started.
    started_at
        float64 (n,): Unix seconds; NaN where that is not known.
    numbers
        Field -> float64 (n,): the numbers; NaN for what is no number or missing. Truth values are 0 and 1.
    texts
        Field -> object (n,): the values as texts, ``None`` where missing.
    """

    run_ids: npt.NDArray[np.int64]
    started_at: npt.NDArray[np.float64]
    numbers: dict[str, npt.NDArray[np.float64]]
    texts: dict[str, npt.NDArray[np.object_]]
