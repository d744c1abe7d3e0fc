"""Which object of a script is which data: by identity, never by value, and without holding anything alive.

``X = df.drop(columns="y")``, ``df[["a", "b"]]``, ``df["y"]``, ``X.to_numpy()`` and ``probabilities[:, 1]`` are views of
the data that they come from, not data of their own. A frame whose columns have changed since it was seen is new data,
made of the old; new values in old columns are not noticed.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from mistique_core.modeldb.client.data_source import DataSource, DataView, columns_of, rows_of

OnChanged = Callable[[DataSource, DataSource], None]


class _Seen:
    """An object that is known, for as long as it lives.

    What was taken out of a frame that nobody asked about yet has no view, but refers to that frame.
    """

    __slots__ = ("labels", "owner", "reference", "taken_from", "view")

    def __init__(self, reference: weakref.ref[Any], view: DataView | None, labels: Any, owner: int | None) -> None:
        self.reference = reference
        self.view = view
        self.labels = labels
        self.owner = owner
        self.taken_from: tuple[weakref.ref[Any], tuple[str, ...]] | None = None


class ColumnViews:
    """Object -> view, for the objects of one run. Safe to use from several threads.

    Parameters
    ----------
    on_changed
        Called with the old and the new source of a frame whose columns have changed.
    """

    def __init__(self, on_changed: OnChanged | None = None) -> None:
        self._seen: dict[int, _Seen] = {}
        self._arrays: dict[int, dict[int, None]] = {}
        self._on_changed = on_changed

    def remember(self, data: Any, view: DataView) -> None:
        """Remember what an object is; one that cannot be referred to weakly, such as a list, is forgotten at once."""
        self._remember(data, view)

    def _remember(self, data: Any, view: DataView | None) -> _Seen | None:
        key = id(data)
        try:
            reference = weakref.ref(data, lambda dead: self._forget(key, dead))
        except TypeError:
            return None
        owner = None
        if isinstance(data, np.ndarray):
            owner = key if data.base is None else id(data.base)
            self._arrays.setdefault(owner, {})[key] = None
        seen = self._seen[key] = _Seen(reference, view, getattr(data, "columns", None), owner)
        return seen

    def _forget(self, key: int, reference: weakref.ref[Any]) -> None:
        seen = self._seen.get(key)
        # Another object may have got the address already.
        if seen is None or seen.reference is not reference:
            return
        self._seen.pop(key, None)
        if seen.owner is not None:
            members = self._arrays.get(seen.owner, {})
            members.pop(key, None)
            if not members:
                self._arrays.pop(seen.owner, None)

    def find(self, data: Any) -> DataView | None:
        """Return what an object is a view of, or ``None`` for one that was never seen, or was changed since."""
        seen = self._get(data)
        if seen is None:
            return self._slice_of(data)
        if seen.labels is not None and seen.labels is not data.columns:
            return None  # pandas gives a frame new labels when a column comes or goes
        if seen.view is None and seen.taken_from is not None:
            seen.view = self._of_frame(*seen.taken_from)
        return seen.view

    def _get(self, data: Any) -> _Seen | None:
        seen = self._seen.get(id(data))
        return seen if seen is not None and seen.reference() is data else None

    def _of_frame(self, reference: weakref.ref[Any], names: tuple[str, ...]) -> DataView | None:
        frame = reference()
        if frame is None:
            return None
        source = self.view(frame).source
        return DataView(source, names) if all(name in (source.columns or {}) for name in names) else None

    def _slice_of(self, data: Any) -> DataView | None:
        """Return what a slice of all rows of a known array is."""
        if not isinstance(data, np.ndarray) or data.base is None:
            return None
        for key in list(self._arrays.get(id(data.base), ())):
            seen = self._seen.get(key)
            array = None if seen is None else seen.reference()
            if seen is None or seen.view is None or array is None:
                continue
            columns = _columns_of_slice(data, array, seen.view.columns or ())
            if columns is not None:
                return DataView(seen.view.source, columns)
        return None

    def view(self, data: Any, prefix: str = "x") -> DataView:
        """Return what an object is; one that was never seen is data of its own from now on."""
        found = self.find(data)
        if found is not None:
            return found
        before = self._get(data)
        columns, has_names = columns_of(data, prefix)
        source = DataSource(rows_of(data), columns, has_names=has_names)
        found = DataView(source, None if columns is None else tuple(columns))
        self.remember(data, found)
        if before is not None and before.view is not None and before.view.source.rows == source.rows:
            source.carries = before.view.source
            if self._on_changed is not None:
                self._on_changed(before.view.source, source)
        return found

    def adopt(self, data: Any, source: DataSource, columns: tuple[str, ...] | None = None) -> DataView:
        """Make an object a view of a source: of all its columns, or of some."""
        if columns is None and source.columns is not None:
            columns = tuple(source.columns)
        view = DataView(source, columns)
        self.remember(data, view)
        return view

    def took_columns(self, frame: Any, taken: Any) -> None:
        """Remember what was taken out of a frame by the names of columns, a Series or a frame of as many rows."""
        labels = getattr(taken, "columns", None)
        names = (str(taken.name),) if labels is None else tuple(map(str, labels))
        known = self.find(frame)
        if known is not None:
            if all(name in (known.columns or ()) for name in names):
                self.remember(taken, DataView(known.source, names))
            return
        seen = self._remember(taken, None)
        if seen is not None:
            seen.taken_from = (weakref.ref(frame), names)

    def took_values(self, data: Any, values: Any) -> None:
        """Remember that an array, or a copy, holds the values of a known object."""
        view = self.find(data)
        if view is not None and values is not data and values.shape == data.shape:
            self.remember(values, view)


def _columns_of_slice(part: Any, whole: Any, columns: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return which columns of an array a slice holds, or ``None`` where it does not hold all rows of some columns."""
    if not part.ndim or not whole.ndim or part.ndim > 2 or whole.ndim > 2 or len(part) != len(whole) or not len(part):
        return None
    count = part.shape[1] if part.ndim == 2 else 1
    width = whole.shape[1] if whole.ndim == 2 else 1
    if len(columns) != width or part.strides[0] != whole.strides[0] or part.dtype != whole.dtype:
        return None
    offset = part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    step = whole.strides[1] if whole.ndim == 2 else whole.itemsize
    if count > 1 and part.strides[1] != step:
        return None
    first, rest = divmod(offset, step)
    return columns[first : first + count] if not rest and first >= 0 and first + count <= width else None
