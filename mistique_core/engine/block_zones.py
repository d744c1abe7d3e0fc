"""The ranges of the row blocks of a column, by which predicates and rankings leave blocks unread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.partition import Zone, may_match


@dataclass(frozen=True)
class MatchingBlocks:
    """Which row blocks of a column a predicate may hold in.

    Attributes
    ----------
    rows
        Rows of a block.
    may_match
        bool (n_blocks,): False where no value can match.
    """

    rows: int
    may_match: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class BlockZones:
    """Ranges of the row blocks of a column.

    Attributes
    ----------
    rows
        Rows of a block.
    dtype
        Of the stored numbers.
    of_blocks
        The range of each block; ``None`` where it is not known.
    """

    rows: int
    dtype: str
    of_blocks: Sequence[Zone | None]

    def matching(self, symbol: str, value: Any) -> MatchingBlocks:
        """Return in which blocks a comparison may hold; see :func:`mistique_core.partition.may_match`."""
        may = [zone is None or may_match(zone, self.dtype, symbol, value) for zone in self.of_blocks]
        return MatchingBlocks(self.rows, np.array(may, bool))

    def end(self, block: int, *, largest: bool) -> Any:
        """Return the largest or smallest value of a block; infinite if not known, ``None`` where all values are NaN."""
        zone = self.of_blocks[block]
        if zone is None:
            return np.inf if largest else -np.inf
        end = zone.high if largest else zone.low
        return None if end is None else np.frombuffer(end, self.dtype)[0].item()
