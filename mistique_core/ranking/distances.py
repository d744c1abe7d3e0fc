"""Euclidean distances of one exact point from rows of which only near points are known.

The triangle inequality gives, with ``c`` near ``x`` by at most ``r``: ``|c - q| - r <= |x - q| <= |c - q| + r``. It
holds in each group of units by itself, and the groups add up by Pythagoras, which is never worse than the same for all
units at once. Where more is known of the errors ``e = x - c``, namely between what ``<q - c, e>`` lies,
``|x - q|^2 = |c - q|^2 - 2 <q - c, e> + |e|^2`` says more. What says most is taken, group by group.
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

    def add(
        self,
        rows: slice,
        centres: npt.NDArray[Any],
        radius: Numbers,
        query: npt.NDArray[Any],
        least: Numbers | None = None,
        products: tuple[Numbers, Numbers] | None = None,
    ) -> None:
        """Add one group of units of some rows.

        Parameters
        ----------
        rows
            Where they are.
        centres
            Points near them, shape ``(units, rows, *map_shape)``.
        radius
            How far the rows are from them at most, (rows,).
        query
            The point, exactly: ``(units, *map_shape)``.
        least
            How far they are from them at least; ``None`` for 0.
        products
            Between what the product of the point, seen from the centre of each row, with the row, seen from there too,
            lies, (rows,) each; NaN where nothing is known of it.
        """
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            squares = _squares(centres, query, np.dtype(np.float64 if centres.dtype == np.float64 else np.float32))
            if np.isinf(squares).any():
                squares = _squares(centres, query, np.dtype(np.float64))
            distances = np.sqrt(squares)
            low = np.square(np.maximum(distances * (1 - ROUNDING) - radius, 0.0))
            high = np.square(distances * (1 + ROUNDING) + radius)
            if products is not None:
                smallest = 0.0 if least is None else np.square(least)
                # Of infinities nothing is known either; where a distance is NaN, `low` and `high` stay so.
                nearest = squares * (1 - 3 * ROUNDING) - 2.0 * products[1] + smallest
                furthest = squares * (1 + 3 * ROUNDING) - 2.0 * products[0] + np.square(radius)
                low = np.maximum(low, _known(nearest, low))
                high = np.minimum(high, _known(furthest, high))
            self._low[rows] += low
            self._high[rows] += high

    def bounds(self) -> tuple[Numbers, Numbers]:
        """Return the least and the largest distance of each row; NaN where a value is NaN."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(self._low) * (1 - ROUNDING), np.sqrt(self._high) * (1 + ROUNDING)


def _squares(centres: npt.NDArray[Any], query: npt.NDArray[Any], dtype: np.dtype[Any]) -> Numbers:
    difference = np.subtract(centres, query[:, None], dtype=dtype)
    np.square(difference, out=difference)
    return np.asarray(difference.reshape(*difference.shape[:2], -1).sum(axis=2).sum(axis=0, dtype=np.float64))


def _known(values: Numbers, otherwise: Numbers) -> Numbers:
    return np.where(np.isfinite(values), values, otherwise)
