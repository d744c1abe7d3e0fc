"""Euclidean distances of one exact point from rows of which only near points are known.

The triangle inequality gives, with ``c`` near ``x`` by at most ``r``: ``|c - q| - r <= |x - q| <= |c - q| + r``. It
holds in each group of units by itself, and the groups add up by Pythagoras, which is never worse than the same for all
units at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

ROUNDING = 2.0**-16
"""Distances are sums of float32 squares in pairs: off by less than this, relatively."""

Numbers = npt.NDArray[np.float64]


def euclidean(values: npt.NDArray[Any], query: npt.NDArray[Any]) -> Numbers:
    """Return the distance of each row from one, in float64.

    Parameters
    ----------
    values
        Shape ``(rows, ...)``.
    query
        Shape of one row.
    """
    flat, point = values.reshape(len(values), -1), query.reshape(-1).astype(np.float64)
    found = np.empty(len(flat))
    with np.errstate(over="ignore", invalid="ignore"):
        for row, value in enumerate(flat):
            difference = value.astype(np.float64) - point
            found[row] = np.sqrt(np.dot(difference, difference))
    return found


class DistanceBounds:
    """Adds up the bounds of distances, group of units by group, and row block by row block.

    Parameters
    ----------
    rows
        Number of rows.
    """

    def __init__(self, rows: int) -> None:
        self._low = np.zeros(rows)
        self._high = np.zeros(rows)

    def add(self, rows: slice, centres: npt.NDArray[Any], radius: Numbers, query: npt.NDArray[Any]) -> None:
        """Add one group of units of some rows.

        Parameters
        ----------
        rows
            Where they are.
        centres
            Shape ``(units, rows, *map_shape)``.
        radius
            How far the rows are from them at most, (rows,).
        query
            The point, exactly: ``(units, *map_shape)``.
        """
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            squares = _squares(centres, query, np.dtype(np.float64 if centres.dtype == np.float64 else np.float32))
            if np.isinf(squares).any():
                squares = _squares(centres, query, np.dtype(np.float64))
            distances = np.sqrt(squares)
            self._low[rows] += np.square(np.maximum(distances * (1 - ROUNDING) - radius, 0.0))
            self._high[rows] += np.square(distances * (1 + ROUNDING) + radius)

    def bounds(self) -> tuple[Numbers, Numbers]:
        """Return the least and the largest distance of each row; NaN where a value is NaN."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(self._low) * (1 - ROUNDING), np.sqrt(self._high) * (1 + ROUNDING)


def _squares(centres: npt.NDArray[Any], query: npt.NDArray[Any], dtype: np.dtype[Any]) -> Numbers:
    difference = np.subtract(centres, query[:, None], dtype=dtype)
    np.square(difference, out=difference)
    return np.asarray(difference.reshape(*difference.shape[:2], -1).sum(axis=2).sum(axis=0, dtype=np.float64))
