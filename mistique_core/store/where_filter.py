"""Predicates of a scan: (column, operator, value), all of which must hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mistique_core.engine.row_scan import blocks_of, column_of
from mistique_core.engine.row_windows import RowsOf, RowSource, Window
from mistique_core.store.selection import Predicate, matches

Mask = npt.NDArray[np.bool_]


class WhereFilter:
    """See :class:`~mistique_core.engine.row_scan.RowFilter`.

    Parameters
    ----------
    predicates
        At least one; of columns that are no maps.
    """

    def __init__(self, predicates: Sequence[Predicate]) -> None:
        self._predicates = predicates
        self.names = tuple(dict.fromkeys(name for name, _, _ in predicates))

    def may_match(self, source: RowSource, windows: Sequence[Window]) -> Mask:
        """Return where no range rules out any of the predicates."""
        may = np.ones(len(windows), bool)
        for name, symbol, value in self._predicates:
            zones = source.zones(name)
            if zones is not None:
                found = zones.matching(symbol, value).may_match
                may &= np.array([found[blocks_of(window, zones)].any() for window in windows], bool)
        return may

    def mask(self, rows: RowsOf) -> Mask:
        """Return where all predicates hold."""
        mask = np.ones(len(rows), bool)
        for name, symbol, value in self._predicates:
            mask &= matches(column_of(rows, name), name, symbol, value)
        return mask
