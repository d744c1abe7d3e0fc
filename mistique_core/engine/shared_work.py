"""What the re-runs of one query, or of a batch of queries, have in common: made or read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.cost import PLAIN, StoredPart
from mistique_core.planner import Facts

Array = npt.NDArray[Any]
RowIds = npt.NDArray[np.int64]
MOST_BYTES = 1 << 30
_FREE = (StoredPart(PLAIN, 0.0, 0.0, 0.0, 0.0, 0, 1),)


class SharedWork:
    """Whole intermediates that were made or read, and arrays of some rows; forgotten with the batch.

    Parameters
    ----------
    most_bytes
        What it may hold; more is made again where it is needed again.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._left = most_bytes
        self._frames: dict[int, pd.DataFrame] = {}
        self._arrays: dict[int, tuple[RowIds, Array]] = {}

    def add_frames(self, frames: Mapping[int, pd.DataFrame]) -> None:
        """Keep whole intermediates, index ``row_id``."""
        for item, frame in frames.items():
            size = int(frame.memory_usage(index=False).sum())
            if item not in self._frames and size <= self._left:
                self._frames[item] = frame
                self._left -= size

    def frame(self, item: int) -> pd.DataFrame | None:
        """Return a whole intermediate, if it is kept."""
        return self._frames.get(item)

    def add_array(self, item: int, row_ids: RowIds, values: Array) -> None:
        """Keep rows of a layer as the network gives them, ``(rows, *map_shape, units)``."""
        if item not in self._arrays and values.nbytes <= self._left:
            self._arrays[item] = (row_ids, values)
            self._left -= values.nbytes

    def array(self, item: int, row_ids: RowIds) -> Array | None:
        """Return these very rows of a layer, if they are kept."""
        kept = self._arrays.get(item)
        return kept[1] if kept is not None and np.array_equal(kept[0], row_ids) else None

    def cheapen(self, facts: Facts, row_ids: RowIds | None, *, by_rows: bool) -> Facts:
        """Return the facts of a plan that starts from what is kept, which costs nothing.

        Parameters
        ----------
        facts
            As they are without.
        row_ids
            The wanted rows; ``None`` for all.
        by_rows
            Whether the plan is one for arrays, or for some rows: whole frames then do not help.
        """
        kept = set() if by_rows else set(self._frames)
        if row_ids is not None:
            kept |= {item for item in self._arrays if self.array(item, row_ids) is not None}
        known = {
            item: replace(facts.intermediates[item], materialized=True, exact=True, parts=_FREE)
            for item in kept.intersection(facts.intermediates)
        }
        return replace(facts, intermediates={**facts.intermediates, **known}) if known else facts
