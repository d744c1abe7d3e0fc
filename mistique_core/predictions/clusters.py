"""Similar models and similar examples side by side (thesis Fig. 6-3)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mistique_core.predictions.matrix import Matrix
from mistique_core.predictions.orders import Permutation

SAMPLE_ROWS = 20_000
MOST_CLUSTERS = 24
_PASSES = 12
Cells = npt.NDArray[np.floating]
_CHUNK = 1 << 13


def leaf_order(distances: Cells) -> list[int]:
    """Return items in the order of the leaves of an average-linkage tree, so that similar ones are neighbours.

    Parameters
    ----------
    distances
        (items, items) symmetric. Of two joined branches, each is turned so that the ends that meet are the nearer ones.

    Returns
    -------
    list of int
        Each item once.
    """
    branches = [[item] for item in range(len(distances))]
    between = distances.astype(np.float64, copy=True)
    np.fill_diagonal(between, np.inf)
    while len(branches) > 1:
        left, right = sorted(divmod(int(np.argmin(between)), len(branches)))
        sizes = len(branches[left]), len(branches[right])
        joined = (between[left] * sizes[0] + between[right] * sizes[1]) / sum(sizes)
        branches[left] = _turned(branches[left], branches[right], distances)
        between[left], between[:, left] = joined, joined
        between[left, left] = np.inf
        between = np.delete(np.delete(between, right, axis=0), right, axis=1)
        del branches[right]
    return branches[0] if branches else []


def _turned(left: list[int], right: list[int], distances: Cells) -> list[int]:
    choices = [(left, right), (left[::-1], right), (left, right[::-1]), (left[::-1], right[::-1])]
    best = min(choices, key=lambda pair: distances[pair[0][-1], pair[1][0]])
    return best[0] + best[1]


def model_order(matrix: Matrix) -> list[int]:
    """Return the models so that those with similar correctness are neighbours; measured on 20,000 spread rows."""
    cells = _cells(matrix, _spread(matrix.rows, SAMPLE_ROWS))
    return leaf_order(_distances(cells.T, cells.T))


def row_clusters(matrix: Matrix, clusters: int = MOST_CLUSTERS, seed: int = 0) -> npt.NDArray[np.int32]:
    """Return (rows,) the cluster of each row, numbered so that similar clusters have neighbouring numbers.

    k-means over the rows' correctness, its centres fitted to 20,000 evenly spread rows; then every row goes to its
    nearest centre. The same matrix always gives the same clusters.

    Parameters
    ----------
    matrix
        The matrix.
    clusters
        How many at most.
    seed
        Of the first centres.
    """
    sample = _cells(matrix, _spread(matrix.rows, SAMPLE_ROWS))
    centres = _first_centres(sample, clusters, np.random.default_rng(seed))
    for _ in range(_PASSES):
        nearest = np.argmin(_distances(sample, centres), axis=1)
        for at in range(len(centres)):
            mine = nearest == at
            if mine.any():
                centres[at] = sample[mine].mean(axis=0)
    centres = centres[leaf_order(_distances(centres, centres))]
    found = np.empty(matrix.rows, np.int32)
    for start in range(0, matrix.rows, _CHUNK):
        part = np.arange(start, min(start + _CHUNK, matrix.rows))
        found[part] = np.argmin(_distances(_cells(matrix, part), centres), axis=1)
    return found


def cluster_order(matrix: Matrix, codes: npt.NDArray[np.int32]) -> Permutation:
    """Return the order of clusters; within one along its first principal component.

    Parameters
    ----------
    matrix
        The matrix.
    codes
        (rows,) the cluster of each row.
    """
    cells = _cells(matrix, _spread(matrix.rows, SAMPLE_ROWS))
    centred = cells - cells.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    along = np.zeros(matrix.rows, np.float32)
    for model in range(len(matrix.columns)):
        along += matrix.correctness(model).astype(np.float32) * np.float32(axes[model, -1])
    return np.lexsort((along, codes)).astype(np.int32)


def _first_centres(sample: Cells, clusters: int, rng: np.random.Generator) -> Cells:
    """Return centres far from each other: k-means++."""
    centres = sample[[int(rng.integers(len(sample)))]]
    nearest = _distances(sample, centres)[:, 0]
    while len(centres) < clusters and nearest.sum() > 0:
        shares = nearest.astype(np.float64)
        chosen = int(rng.choice(len(sample), p=shares / shares.sum()))
        centres = np.vstack([centres, sample[[chosen]]])
        nearest = np.minimum(nearest, _distances(sample, centres[-1:])[:, 0])
    return centres


def _cells(matrix: Matrix, positions: npt.NDArray[np.int64]) -> Cells:
    """Return (positions, models) float32 correctness in steps of 1 / 200."""
    found = np.empty((len(positions), len(matrix.columns)), np.float32)
    for at in range(len(matrix.columns)):
        found[:, at] = matrix.correctness(at, positions)
    return found


def _spread(rows: int, most: int) -> npt.NDArray[np.int64]:
    if rows <= most:
        return np.arange(rows)
    return np.linspace(0, rows - 1, most).astype(np.int64)


def _distances(left: Cells, right: Cells) -> Cells:
    """Return (left, right) squared Euclidean distances, of values from 0 to 200, so that cancelling is mild."""
    squares = (left * left).sum(axis=1)[:, None] + (right * right).sum(axis=1)[None, :] - 2 * left @ right.T
    return np.asarray(np.maximum(squares, 0))
