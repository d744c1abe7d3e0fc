"""The k rows of smallest value where only bounds are known: exact values are asked for as few rows as can be.

A row has to be looked at if its lower bound does not exceed the k-th smallest exact value. So rows are looked at in
the order of their lower bounds, in batches, until the next lower bound exceeds the k-th smallest value that is known,
as DeepEverest (PVLDB 15(1), 2021) does with the partitions of its index.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mistique_core.errors import RerunMismatchError

Numbers = npt.NDArray[np.float64]
_LEAST_BATCH, _MOST_BATCH = 8, 512


class Refined(NamedTuple):
    """The rows of smallest value.

    Attributes
    ----------
    positions
        Where they are among the given rows, at most k of them, by value and then by row id.
    values
        Their exact values, float64.
    looked_at
        Positions of the rows whose exact values were asked for.
    """

    positions: npt.NDArray[np.intp]
    values: Numbers
    looked_at: npt.NDArray[np.intp]


def refine(
    low: Numbers,
    high: Numbers,
    row_ids: npt.NDArray[np.int64],
    k: int,
    exact: Callable[[npt.NDArray[np.intp]], npt.NDArray[Any]],
    slack: float = 0.0,
) -> Refined:
    """Return the `k` rows of smallest value, ties by ascending row id.

    Parameters
    ----------
    low, high
        Float64 (n,): each row's value is between them (inclusive), and known where they are equal. A row whose bounds
        are NaN has no value and never qualifies.
    row_ids
        int64 (n,), unique.
    k
        From 1; more than there are rows gives all.
    exact
        Takes positions, returns their exact values.
    slack
        By how much an exact value may be outside of its bounds, because it was computed once more and rounded in
        another way. Rows that could only be among the k by that much are looked at too.

    Raises
    ------
    RerunMismatchError
        If an exact value is further outside of its bounds.
    """
    upper = high.copy()
    known = low == high
    able = ~(np.isnan(low) | np.isnan(high))
    wanted = min(k, int(np.count_nonzero(able)))
    order = np.flatnonzero(able & ~known)
    order = order[np.argsort(low[order], kind="stable")]
    ordered = low[order]
    start, batch = 0, max(wanted, _LEAST_BATCH)
    while wanted:
        limit = np.partition(upper[able], wanted - 1)[wanted - 1] + slack
        stop = min(int(np.searchsorted(ordered, limit, side="right")), start + batch)
        if stop <= start:
            break
        chosen = order[start:stop]
        found = np.asarray(exact(chosen), dtype=np.float64)
        _check(found, low[chosen], high[chosen], row_ids[chosen], slack)
        upper[chosen] = found
        known[chosen] = True
        batch = _LEAST_BATCH if not start else min(2 * batch, _MOST_BATCH)
        start = stop
    settled = np.flatnonzero(able & known)
    best = settled[np.lexsort((row_ids[settled], upper[settled]))][:wanted]
    return Refined(best, upper[best], order[:start])


def _check(found: Numbers, low: Numbers, high: Numbers, row_ids: npt.NDArray[np.int64], slack: float) -> None:
    outside = ~((found >= low - slack) & (found <= high + slack))
    if outside.any():
        place = int(np.argmax(outside))
        raise RerunMismatchError(
            f"row {row_ids[place]} was re-run to {found[place]:.8g}, but what is stored says {low[place]:.8g} to "
            f"{high[place]:.8g}: it was computed in another way; rank what is re-run in full with strategy='rerun'"
        )
