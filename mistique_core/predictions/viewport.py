"""What is seen of a prediction matrix: mean correctness of as many bins of rows as the screen can show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mistique_core.errors import InvalidInputError
from mistique_core.predictions.levels import STEPS
from mistique_core.predictions.matrix import Matrix
from mistique_core.predictions.orders import Permutation
from mistique_core.predictions.problem import Codes

BLOCK_ROWS = 64
"""Rows whose sum is kept for each column of an ordered matrix."""
MOST_BINS = 400


@dataclass(frozen=True)
class OrderedMatrix:
    """A matrix in some order of rows, with sums of blocks, so that any part of it is seen at once.

    Attributes
    ----------
    matrix
        The cells.
    permutation
        (rows,) int32: the position of each row of this order in the matrix.
    sums
        (1 + models, blocks) uint16: sums over blocks of 64 rows of the truth and of each model's correctness, in steps
        of 1 / 200.
    truth
        (rows,) uint8 levels of the truth, in the order of the matrix.
    """

    matrix: Matrix
    permutation: Permutation
    sums: npt.NDArray[np.uint16]
    truth: Codes

    @property
    def nbytes(self) -> int:
        """Bytes of memory beside the matrix."""
        return self.permutation.nbytes + self.sums.nbytes + self.truth.nbytes


@dataclass(frozen=True)
class Viewport:
    """Bins of equally many rows.

    Attributes
    ----------
    start, step
        Position of the first row in the order, and rows of each bin; the last bin may have fewer.
    rows
        (bins,) rows of each bin.
    truth
        (bins,) uint8 mean of the truth in steps of 1 / 200; see :meth:`Matrix.truth_levels`.
    correctness
        (bins, models) uint8 mean correctness in steps of 1 / 200.
    """

    start: int
    step: int
    rows: npt.NDArray[np.int64]
    truth: Codes
    correctness: Codes


def ordered(matrix: Matrix, permutation: Permutation) -> OrderedMatrix:
    """Return a matrix in an order of its rows (``permutation``: each position once)."""
    blocks = -(-matrix.rows // BLOCK_ROWS)
    sums = np.empty((1 + len(matrix.columns), blocks), np.uint16)
    starts = np.arange(blocks) * BLOCK_ROWS
    truth = matrix.truth_levels()
    for at in range(len(sums)):
        levels = truth if at == 0 else matrix.correctness(at - 1)
        found = np.take(levels, permutation)
        whole = matrix.rows // BLOCK_ROWS
        sums[at, :whole] = found[: whole * BLOCK_ROWS].reshape(whole, BLOCK_ROWS).sum(axis=1, dtype=np.uint16)
        if blocks > whole:
            sums[at, whole:] = found[starts[whole] :].sum(dtype=np.uint16)
    return OrderedMatrix(matrix, permutation, sums, truth)


def view(shown: OrderedMatrix, first: int, stop: int, bins: int = MOST_BINS) -> Viewport:
    """Return at most `bins` (and two) bins that cover the rows from `first` to `stop`.

    Bins begin at multiples of their length, so that moving the viewport does not change what a bin holds.

    Parameters
    ----------
    shown
        An ordered matrix.
    first, stop
        Positions in the order, from the first (inclusive) to the last (exclusive).
    bins
        How many fit on the screen.

    Raises
    ------
    InvalidInputError
        If there is no such part.
    """
    rows = shown.matrix.rows
    first, stop = max(first, 0), min(stop, rows)
    if first >= stop or bins < 1:
        raise InvalidInputError(f"rows {first} to {stop} are no part of {rows:,} rows; show all of them")
    step = -(-(stop - first) // bins)
    if step >= BLOCK_ROWS:
        return _from_blocks(shown, first, stop, -(-step // BLOCK_ROWS))
    start = first // step * step
    end = min(-(-stop // step) * step, rows)
    places = shown.permutation[start:end]
    edges = np.arange(0, end - start, step)
    sizes = np.diff(np.append(edges, end - start))
    cells = [shown.truth[places]]
    cells += [shown.matrix.correctness(model, places) for model in range(len(shown.matrix.columns))]
    means = [_mean(np.add.reduceat(levels, edges, dtype=np.uint32), sizes) for levels in cells]
    return Viewport(start, step, sizes, means[0], np.stack(means[1:], axis=1))


def _from_blocks(shown: OrderedMatrix, first: int, stop: int, blocks: int) -> Viewport:
    step = blocks * BLOCK_ROWS
    start, rows = first // step, shown.matrix.rows
    end = min(-(-stop // step) * blocks, shown.sums.shape[1])
    edges = np.arange(start * blocks, end, blocks)
    sizes = np.minimum((edges + blocks) * BLOCK_ROWS, rows) - edges * BLOCK_ROWS
    part = shown.sums[:, edges[0] : end]
    means = _mean(np.add.reduceat(part, edges - edges[0], axis=1, dtype=np.uint32), sizes)
    return Viewport(start * step, step, sizes, means[0], np.ascontiguousarray(means[1:].T))


def _mean(sums: npt.NDArray[np.uint32], sizes: npt.NDArray[np.int64]) -> Codes:
    return np.clip(np.rint(sums / sizes), 0, STEPS).astype(np.uint8)
