"""Fewer points of a chart that show the same outline."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def thinned(values: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.int64]:
    """Return the rows of a series to draw: the first, the last, and the smallest and largest of equally many rows each.

    Parameters
    ----------
    values
        float64 (n,) in the order of the x axis; rows of NaN are never drawn.
    most
        Most rows to return, at least 4.

    Returns
    -------
    int64, ascending. All rows that are not NaN where there are no more than `most`.
    """
    rows = np.flatnonzero(~np.isnan(values))
    if len(rows) <= most:
        return rows
    parts = np.array_split(rows, max(1, most // 2 - 1))
    kept = {int(rows[0]), int(rows[-1])}
    for part in parts:
        kept.add(int(part[np.argmin(values[part])]))
        kept.add(int(part[np.argmax(values[part])]))
    return np.array(sorted(kept), np.int64)
