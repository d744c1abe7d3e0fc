"""SVCCA: how much of what one layer represents another one does, over the same examples (thesis Algorithm 1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import InvalidInputError

VARIANCE = 0.99
_EXCESS = 1e-9
"""By how much a correlation may exceed 1 through rounding is cut off anyway; sums of shares are compared with this."""


def mean_cca(x: npt.NDArray[Any], y: npt.NDArray[Any], variance: float = VARIANCE) -> float:
    """Return the mean canonical correlation of two layers' main directions.

    Raghu et al., *SVCCA* (2017), as in Algorithm 1 of the thesis: each layer is centred and projected onto its main
    directions, as few as explain `variance` of it; the canonical correlations of the two projections are summed, and
    divided by the smaller number of directions.

    Maps are flattened: each value of a convolutional layer is a neuron of its own, so that an example is one
    observation and layers of any shapes can be compared. (The other way, each pixel as an observation, would need
    maps of one size.) The result therefore grows with the number of values a row, and towards 1 where there are no
    more rows than directions: compare values of the same rows, and of layers of the same shape.

    Parameters
    ----------
    x, y
        (rows, ...) of the same rows in the same order, finite real numbers. float32 and narrower is computed in
        float32, wider in float64.
    variance
        Share of each layer's variance that its directions must explain, above 0, at most 1.

    Returns
    -------
    float
        0 to 1. NaN where a layer does not vary: it has no directions.

    Raises
    ------
    InvalidInputError
        If the arrays differ in rows, have fewer than two, or hold NaN or infinities; or `variance` is out of range.
    """
    correlations, _ = canonical_correlations(x, y, variance)
    return float(correlations.mean()) if len(correlations) else float("nan")


def canonical_correlations(
    x: npt.NDArray[Any], y: npt.NDArray[Any], variance: float = VARIANCE
) -> tuple[npt.NDArray[np.float64], tuple[int, int]]:
    """Return the canonical correlations of two layers' main directions, and how many directions each has.

    Parameters and errors are those of :func:`mean_cca`.

    Returns
    -------
    tuple
        As many correlations, 0 to 1 and descending, as the side with fewer directions has; none where one has none.
    """
    if not 0 < variance <= 1:
        raise InvalidInputError(f"variance={variance!r} is no share; give a number above 0 and at most 1, such as 0.99")
    if len(x) != len(y):
        raise InvalidInputError(f"SVCCA compares layers over the same rows, but got {len(x)} and {len(y)}; align them")
    first, second = main_directions(x, variance), main_directions(y, variance)
    sizes = first.shape[1], second.shape[1]
    if not all(sizes):
        return np.empty(0), sizes
    found = np.linalg.svd(first.T @ second, compute_uv=False)
    return np.clip(found, 0, 1).astype(np.float64), sizes


def main_directions(values: npt.NDArray[Any], variance: float = VARIANCE) -> npt.NDArray[Any]:
    """Return an orthonormal basis of a centred layer's main directions, as seen over the rows.

    Parameters
    ----------
    values
        (rows, ...), flattened to one line a row.
    variance
        Share of the variance that they must explain, above 0, at most 1.

    Returns
    -------
    numpy.ndarray
        (rows, directions): the left singular vectors of the largest singular values; no directions if the values
        do not vary.

    Raises
    ------
    InvalidInputError
        If there are fewer than two rows, or values that are not finite.
    """
    if values.ndim < 1 or len(values) < 2:
        raise InvalidInputError(f"SVCCA needs at least two rows, but got an array of shape {values.shape}; log more")
    working = np.dtype(np.float32 if np.can_cast(values.dtype, np.float32) else np.float64)
    points: npt.NDArray[np.float32 | np.float64] = values.reshape(len(values), -1).astype(working)
    constant = points.min(axis=0, initial=np.inf) == points.max(axis=0, initial=-np.inf)
    points = np.subtract(points, points.mean(axis=0, dtype=np.float64), out=points, casting="same_kind")
    points[:, constant] = 0  # a mean is rounded
    wide = points.shape[1] > len(points)
    products = points @ points.T if wide else points.T @ points
    if not np.isfinite(products).all():
        raise InvalidInputError("SVCCA is undefined for NaN and infinities; leave out the rows or units that hold them")
    squares, vectors = np.linalg.eigh(products)
    order = np.argsort(squares)[::-1]
    shares = np.cumsum(np.clip(squares[order], 0, None), dtype=np.float64)
    negligible = float(squares.max(initial=0)) * len(squares) ** 0.5 * float(np.finfo(working.name).eps)
    rank = int(np.count_nonzero(squares > negligible))
    if not rank:
        return np.empty((len(points), 0), working)
    count = min(int(np.searchsorted(shares, shares[-1] * variance * (1 - _EXCESS))) + 1, rank)
    chosen = vectors[:, order[:count]]
    if wide:
        return np.ascontiguousarray(chosen)
    # Small directions come out of the squared matrix slightly askew; a QR decomposition of the projections is exact.
    return np.asarray(np.linalg.qr(points @ chosen)[0])
