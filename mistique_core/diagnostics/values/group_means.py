"""Means and standard deviations of many columns by group, without what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]


def group_means(values: npt.NDArray[Any], codes: npt.NDArray[np.int64], groups: int) -> tuple[_Floats, _Floats]:
    """Return the mean of each column over the rows of each group, and how many values it is of.

    Parameters
    ----------
    values
        (rows, columns); NaN is left out, infinities are not.
    codes
        (rows,) the group of each row, from 0.
    groups
        How many there are.

    Returns
    -------
    tuple
        Means, (groups, columns) float64, NaN of nothing; and counts of the same shape.
    """
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(groups + 1))
    sums, counts = np.zeros((groups, values.shape[1])), np.zeros((groups, values.shape[1]))
    for group in range(groups):
        part = values[order[bounds[group] : bounds[group + 1]]]
        known = ~np.isnan(part)
        counts[group] = known.sum(axis=0)
        with np.errstate(invalid="ignore"):
            sums[group] = np.where(known, part, 0).sum(axis=0, dtype=np.float64)
    means = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means, counts


def deviations(values: npt.NDArray[Any]) -> tuple[_Floats, _Floats]:
    """Return mean and standard deviation (of the sample) of the finite values of each column, NaN of too few.

    A column of one value has exactly that mean, and the deviation 0.

    Parameters
    ----------
    values
        (rows, columns).
    """
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    mean = np.full(values.shape[1], np.nan)
    np.divide(np.where(known, values, 0).sum(axis=0, dtype=np.float64), counts, out=mean, where=counts > 0)
    square = np.square(np.where(known, values - mean, 0.0)).sum(axis=0, dtype=np.float64)
    variance = np.full(values.shape[1], np.nan)
    np.divide(square, counts - 1, out=variance, where=counts > 1)
    low = np.where(known, values, np.inf).min(axis=0, initial=np.inf)
    constant = (counts > 0) & (low == np.where(known, values, -np.inf).max(axis=0, initial=-np.inf))
    return np.where(constant, low, mean), np.where(constant & (counts > 1), 0.0, np.sqrt(variance))


def in_deviations(difference: _Floats, spread: _Floats) -> _Floats:
    """Return differences divided by standard deviations: 0 where both are 0, infinite where only the latter is."""
    found = np.full(difference.shape, np.nan)
    np.divide(difference, spread, out=found, where=spread > 0)
    constant = spread == 0
    unlike = np.where(difference == 0, 0.0, np.copysign(np.inf, difference))
    return np.where(constant & ~np.isnan(difference), unlike, found)
