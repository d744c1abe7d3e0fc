"""Which rows of which row blocks are wanted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]


def by_block(positions: Rows, block_rows: int) -> tuple[dict[int, Rows], Rows | None]:
    """Split positions by row block.

    Returns
    -------
    tuple
        Block -> positions within it; and where each wanted row lies in their concatenation, or
        ``None`` when it is in order already.
    """
    numbers = positions // block_rows
    if not len(positions):
        return {}, None
    if (numbers[1:] >= numbers[:-1]).all():
        order = None
        ordered, sorted_numbers = positions, numbers
    else:
        stable = np.argsort(numbers, kind="stable")
        order = np.empty_like(stable)
        order[stable] = np.arange(len(stable))
        ordered, sorted_numbers = positions[stable], numbers[stable]
    blocks, starts = np.unique(sorted_numbers, return_index=True)
    pieces = np.split(ordered % block_rows, starts[1:])
    return dict(zip(blocks.tolist(), pieces, strict=True)), order


def wanted_rows(rows: Mapping[int, Rows], count: int, block_rows: int) -> dict[int, Rows | None]:
    """Return block -> positions within it, or ``None`` where they are all of its rows, in stored order.

    Parameters
    ----------
    rows
        What :func:`by_block` returned.
    count, block_rows
        Rows of the column, and of each block but the last.
    """
    return {
        block: None if is_whole(inside, min(block_rows, count - block * block_rows)) else inside
        for block, inside in rows.items()
    }


def is_whole(rows: Rows, size: int) -> bool:
    """Whether the rows of a block are all of them, in stored order."""
    return len(rows) == size and rows[0] == 0 and rows[-1] == size - 1 and bool((rows[1:] > rows[:-1]).all())
