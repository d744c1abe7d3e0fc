"""DataFrames of columns whose names were met before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mistique_core.engine.lru import LruCache

try:
    from pandas.api.internals import create_dataframe_from_blocks as from_blocks  # type: ignore[import-not-found]
except ImportError:  # before pandas 3
    from_blocks = None

_INDEXES_KEPT = 256
_NUMBERS = "biuf"
"""Kinds of dtypes that pandas keeps in arrays of NumPy as they are."""
_JOINED_ROWS = 4_096
"""Of more, a copy takes longer than a block of its own."""


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
            Name -> values (n_rows,), in order; a Series has the same index. Arrays of objects stay such.
        index
            Of the rows.
        among
            More names that others will ask for, one by one.
        """
        known = self._index(tuple(columns), among)
        values = list(columns.values())
        if from_blocks is not None and values and not any(isinstance(item, pd.Series) for item in values):
            made: pd.DataFrame = from_blocks(_blocks(values, len(index)), index=index, columns=known.view())
            return made
        if len(values) == 1 and isinstance(values[0], np.ndarray) and values[0].dtype.kind in _NUMBERS:
            return pd.DataFrame(values[0].reshape(-1, 1), index=index, columns=known.view(), copy=False)
        objects = {n: pd.Series(item, index=index, dtype=object) for n, item in enumerate(values) if _is_object(item)}
        frame = pd.DataFrame(dict(enumerate(values)) | objects, index=index, copy=False)
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


def _is_object(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype == object


def _blocks(columns: Sequence[Any], rows: int) -> list[tuple[Any, Any]]:
    """Return columns as pandas keeps them: (values, positions), arrays of NumPy as rows of two dimensions.

    Short ones of one dtype are copied together, which spares pandas a look at each.
    """
    groups: dict[Any, list[int]] = {}
    for number, values in enumerate(columns):
        together = rows <= _JOINED_ROWS and isinstance(values, np.ndarray)
        groups.setdefault(values.dtype if together else number, []).append(number)
    blocks: list[tuple[Any, Any]] = []
    for numbers in groups.values():
        values = columns[numbers[0]]
        if len(numbers) > 1:
            joined = np.empty((len(numbers), rows), values.dtype)
            np.concatenate([columns[number] for number in numbers], out=joined.reshape(-1))
            values = joined
        elif isinstance(values, np.ndarray):
            values = values.reshape(1, -1)
        blocks.append((values, np.array(numbers, np.intp)))
    return blocks
