"""Which rows of which row blocks are wanted, and where each of them goes in the answer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

_CUT_BYTES = 16


@dataclass(frozen=True, slots=True)
class RowPlaces:
    """The wanted rows by row block; every list has an item a block.

    Attributes
    ----------
    count
        How many rows are wanted.
    blocks
        Row blocks, ascending.
    rows
        Positions in the block (from 0), ascending.
    places
        Of each of them, the place in the answer.
    cuts
        Both as pairs of int64, for the compiled reader.
    """

    count: int
    blocks: list[int]
    rows: list[list[int]]
    places: list[list[int]]
    cuts: list[bytes]


def row_places(positions: npt.NDArray[np.intp], block_rows: int) -> RowPlaces:
    """Split positions (from 0, in the wanted order, at least one) by row block."""
    order = np.argsort(positions, kind="stable")
    numbers, inside = np.divmod(positions[order], block_rows)
    blocks, firsts = np.unique(numbers, return_index=True)
    packed = np.column_stack([inside, order]).astype(np.int64, copy=False).tobytes()
    starts = [*firsts.tolist(), len(positions)]
    rows, places = inside.tolist(), order.tolist()
    spans = list(pairwise(starts))
    return RowPlaces(
        len(positions),
        blocks.tolist(),
        [rows[start:end] for start, end in spans],
        [places[start:end] for start, end in spans],
        [packed[_CUT_BYTES * start : _CUT_BYTES * end] for start, end in spans],
    )
