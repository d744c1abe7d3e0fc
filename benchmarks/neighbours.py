"""How well stored values keep who is near whom: overlap of nearest neighbours, found by brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_QUERY_ROWS = 500


def nearest(values: NDArray[Any], queries: NDArray[np.int64], k: int = 50) -> NDArray[np.int64]:
    """Return the `k` nearest rows (Euclidean) of each query row, itself left out, in no order.

    Parameters
    ----------
    values
        (rows, ...); compared as float32.
    queries
        Positions of the query rows.
    k
        How many neighbours, less than the number of rows.

    Returns
    -------
    numpy.ndarray
        (queries, k) int64 positions.
    """
    points = values.reshape(len(values), -1).astype(np.float32, copy=False)
    # The centre changes no distance, and keeps the difference of large squares from losing digits.
    points = points - points.mean(axis=0)
    squares = np.einsum("ij,ij->i", points, points)
    found = np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), _QUERY_ROWS):
        some = queries[start : start + _QUERY_ROWS]
        distances = squares - 2 * (points[some] @ points.T)
        distances[np.arange(len(some)), some] = np.inf
        found[start : start + len(some)] = np.argpartition(distances, k, axis=1)[:, :k]
    return found


def overlap(exact: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    """Return the mean share, 0 to 1, of the exact neighbours that were found."""
    shared = [len(np.intersect1d(one, other)) for one, other in zip(exact, found, strict=True)]
    return float(np.mean(shared)) / exact.shape[1]
