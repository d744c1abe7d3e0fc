"""Which object of a script is which data: by identity, never by value, and without holding anything alive.

``X = df.drop(columns="y")``, ``df[["a", "b"]]``, ``df["y"]``, ``X.to_numpy()`` and ``probabilities[:, 1]`` are views of
the data that they come from, not data of their own. A frame whose columns have changed since it was seen is new data,
made of the old; new values in old columns are not noticed.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mistique_core.modeldb.client.data_source import DataSource, DataView, columns_of, is_spark_frame, rows_of

OnChanged = Callable[[DataSource, DataSource], None]


@dataclass(frozen=True)
class _Place:
    """Where the values of an array lie in memory: what a slice of it is told by, also when the array itself is gone."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, array: np.ndarray[Any, Any]) -> _Place:
        """Return the place of an array."""
        return cls(array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str)


@dataclass
class _Seen:
    """An object that is known, for as long as it lives.

    What was taken out of a frame that nobody asked about yet has no view, but refers to that frame.
    """

    reference: weakref.ref[Any]
    view: DataView | None
    labels: Any
    taken_from: tuple[weakref.ref[Any], tuple[str, ...]] | None = None


@dataclass
class _Memory:
    """Memory that known arrays lie in, for as long as its owner lives."""

    reference: weakref.ref[Any]
    places: dict[_Place, DataView]


class ColumnViews:
    """Object -> view, for the objects of one run. Safe to use from several threads.

    Parameters
    ----------
    on_changed
        Called with the old and the new source of a frame whose columns have changed.
    """

    def __init__(self, on_changed: OnChanged | None = None) -> None:
        self._seen: dict[int, _Seen] = {}
        self._memory: dict[int, _Memory] = {}
        self._on_changed = on_changed

    def remember(self, data: Any, view: DataView) -> None:
        """Remember what an object is; one that cannot be referred to weakly, such as a list, is forgotten at once."""
        if self._remember(data, view) is not None and isinstance(data, np.ndarray):
            self._remember_place(data, view)

    def _remember(self, data: Any, view: DataView | None) -> _Seen | None:
        try:
            reference = weakref.ref(data, _forgetting(self._seen, id(data)))
        except TypeError:
            return None
        labels = None if is_spark_frame(data) else getattr(data, "columns", None)
        seen = self._seen[id(data)] = _Seen(reference, view, labels)
        return seen

    def _remember_place(self, array: np.ndarray[Any, Any], view: DataView) -> None:
        owner = array if array.base is None else array.base
        memory = self._memory.get(id(owner))
        if memory is None or memory.reference() is not owner:
            try:
                reference = weakref.ref(owner, _forgetting(self._memory, id(owner)))
            except TypeError:
                return
            memory = self._memory[id(owner)] = _Memory(reference, {})
        memory.places[_Place.of(array)] = view

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
        memory = self._memory.get(id(data.base))
        if memory is None or memory.reference() is not data.base:
            return None
        part = _Place.of(data)
        for place, view in list(memory.places.items()):
            columns = _columns_of_slice(part, place, view.columns or ())
            if columns is not None:
                return DataView(view.source, columns)
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
        """Remember that an array holds the values of a frame or of a known Series, or a copy those of a known one."""
        is_table = isinstance(values, np.ndarray) and hasattr(data, "columns")
        view = self.view(data) if is_table else self.find(data)
        if view is not None and values is not data and values.shape == data.shape:
            self.remember(values, view)


def _forgetting(known: dict[int, Any], key: int) -> Callable[[weakref.ref[Any]], None]:
    """Return what forgets an object that has died, unless another one has got its address already."""

    def forget(dead: weakref.ref[Any]) -> None:
        found = known.get(key)
        if found is not None and found.reference is dead:
            known.pop(key, None)

    return forget


def _columns_of_slice(part: _Place, whole: _Place, columns: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return which columns of an array a slice holds, or ``None`` where it does not hold all rows of some columns."""
    dimensions, rows = len(part.shape), part.shape[:1]
    if not 0 < dimensions <= 2 or not 0 < len(whole.shape) <= 2 or rows != whole.shape[:1] or not rows[0]:
        return None
    count = part.shape[1] if dimensions == 2 else 1
    width = whole.shape[1] if len(whole.shape) == 2 else 1
    if len(columns) != width or part.strides[0] != whole.strides[0] or part.dtype != whole.dtype:
        return None
    step = whole.strides[1] if len(whole.shape) == 2 else np.dtype(whole.dtype).itemsize
    if not step or (count > 1 and part.strides[1] != step):
        return None
    first, rest = divmod(part.address - whole.address, step)
    return columns[first : first + count] if not rest and first >= 0 and first + count <= width else None
