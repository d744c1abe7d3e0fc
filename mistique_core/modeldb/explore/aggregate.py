"""Statistics of groups, for charts: average, sum, median, variance, standard deviation, count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt


class Aggregate(StrEnum):
    """A statistic; the names of the original ModelDB. Variance and standard deviation are of a sample (n - 1)."""

    AVERAGE = "average"
    SUM = "sum"
    MEDIAN = "median"
    VARIANCE = "variance"
    STDEV = "stdev"
    COUNT = "count"


@dataclass(frozen=True)
class AggregatedGroup:
    """One group.

    Attributes
    ----------
    keys
        Its values, one of each key.
    value
        The statistic; NaN where it is not defined, such as the variance of one value.
    count
        How many values it is of.
    """

    keys: tuple[Any, ...]
    value: float
    count: int


def aggregate(
    values: npt.NDArray[np.float64], keys: Sequence[npt.NDArray[Any]], how: str | Aggregate
) -> tuple[AggregatedGroup, ...]:
    """Return a statistic of each group, in the order in which the groups first occur.

    Parameters
    ----------
    values
        float64 (n,): NaN is left out, as a missing value.
    keys
        Each (n,): rows that have the same of all keys are one group; ``None`` and NaN are left out.
    how
        The statistic.
    """
    chosen = Aggregate(how)
    rows: dict[tuple[Any, ...], list[int]] = {}
    for at in np.flatnonzero(~np.isnan(values)).tolist():
        key = tuple(_plain(column[at]) for column in keys)
        if not any(part is None or part != part for part in key):
            rows.setdefault(key, []).append(at)
    return tuple(AggregatedGroup(key, _statistic(values[at], chosen), len(at)) for key, at in rows.items())


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _statistic(values: npt.NDArray[np.float64], how: Aggregate) -> float:
    match how:
        case Aggregate.AVERAGE:
            return float(np.mean(values))
        case Aggregate.SUM:
            return float(np.sum(values))
        case Aggregate.MEDIAN:
            return float(np.median(values))
        case Aggregate.COUNT:
            return float(len(values))
    if len(values) < 2:
        return float("nan")
    return float(np.var(values, ddof=1) if how is Aggregate.VARIANCE else np.std(values, ddof=1))
