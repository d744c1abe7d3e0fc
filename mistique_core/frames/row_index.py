"""Finding rows by their id, with what depends on the ids alone worked out once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

RowIds = npt.NDArray[np.int64]
Positions = npt.NDArray[np.intp]


class RowIndex:
    """Where each row id of an intermediate stands. It never changes, so it may be kept.

    Parameters
    ----------
    ids
        int64 (n,), unique, in any order.

    Attributes
    ----------
    ids
        The row ids in stored order.
    """

    def __init__(self, ids: RowIds) -> None:
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _order(self) -> Positions | None:
        """Positions in ascending order of id; ``None`` when they are stored in that order."""
        if bool((self.ids[1:] > self.ids[:-1]).all()):
            return None
        return np.argsort(self.ids, kind="stable")

    def find(self, wanted: RowIds) -> tuple[Positions, npt.NDArray[np.bool_]]:
        """Find where each wanted row id stands, in O(log n) each once the order is known.

        Parameters
        ----------
        wanted
            int64 (m,).

        Returns
        -------
        tuple
            Positions (m,) from 0, and whether each was found (m,); a position not found is 0.
        """
        if not len(self.ids):
            return np.zeros(len(wanted), np.intp), np.zeros(len(wanted), bool)
        positions = np.searchsorted(self.ids, wanted, sorter=self._order)
        positions = np.minimum(positions, len(self.ids) - 1)
        if self._order is not None:
            positions = self._order[positions]
        found = self.ids[positions] == wanted
        return np.where(found, positions, 0), found
