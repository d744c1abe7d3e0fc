"""DataFrames of columns whose names were met before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mistique_core.engine.lru import LruCache

_INDEXES_KEPT = 256
_NUMBERS = "biuf"
"""Kinds of dtypes that pandas keeps in arrays of NumPy as they are."""


class FrameBuilder:
    """Puts columns together; safe to use from several threads.

    pandas makes an array of strings of names, and on the first access by name a hash table, anew for each frame.
    Frames of the same names share both here, but not the index that holds them, whose own name can be changed.
    """

    def __init__(self) -> None:
        self._indexes: LruCache[tuple[str, ...], pd.Index[Any]] = LruCache(_INDEXES_KEPT)

    def build(self, columns: Mapping[str, Any], index: pd.Index[Any], among: tuple[str, ...] = ()) -> pd.DataFrame:
        """Return a frame that takes over the arrays.

        Parameters
        ----------
        columns
            Name -> values (n_rows,), in order; a Series has the same index.
        index
            Of the rows.
        among
            More names that others will ask for, one by one.
        """
        known = self._index(tuple(columns), among)
        first = next(iter(columns.values()), None)
        if len(columns) == 1 and isinstance(first, np.ndarray) and first.dtype.kind in _NUMBERS and first.ndim == 1:
            return pd.DataFrame(first.reshape(-1, 1), index=index, columns=known.view(), copy=False)
        frame = pd.DataFrame(dict(enumerate(columns.values())), index=index, copy=False)
        frame.columns = known.view()
        return frame

    def _index(self, names: tuple[str, ...], among: tuple[str, ...]) -> pd.Index[Any]:
        known = self._indexes.get(names)
        if known is None:
            if len(names) == 1 < len(among) and names[0] in among:
                at = among.index(names[0])
                known = self._index(among, ())[at : at + 1]
            else:
                known = pd.Index(list(names), dtype=None if names else "str")
            self._indexes.put(names, known)
        return known
