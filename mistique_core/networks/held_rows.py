"""The input of a network while it lies in memory, so that what was just stored need not be read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
MOST_HELD_BYTES = 128 * 1024 * 1024
"""A larger input is read from the store row block by row block: a capture must not need memory for all of it."""


class RowSource(Protocol):
    """What the rows of a capture come from: an intermediate, or arrays in memory."""

    def take(self, positions: npt.NDArray[np.intp]) -> Array:
        """Return the rows at some positions, in that order."""
        ...

    def slice(self, start: int, stop: int) -> Array:
        """Return the rows from `start` (inclusive) to `stop` (exclusive)."""
        ...


class HeldRows:
    """Row blocks in memory, which nobody changes while they are used.

    Parameters
    ----------
    blocks
        Arrays ``(rows, *map_shape, units)`` of one length, but for the last one.
    """

    def __init__(self, blocks: Sequence[Array]) -> None:
        self._blocks = blocks
        self._rows = len(blocks[0])

    def take(self, positions: npt.NDArray[np.intp]) -> Array:
        """See :class:`RowSource`."""
        return np.stack([self._blocks[place // self._rows][place % self._rows] for place in positions.tolist()])

    def slice(self, start: int, stop: int) -> Array:
        """See :class:`RowSource`; `start` is the first row of a row block, and `stop` at most its end."""
        block, first = divmod(start, self._rows)
        if first or stop - start > self._rows:
            return self.take(np.arange(start, stop, dtype=np.intp))
        return self._blocks[block][: stop - start]
