"""A DataFrame whose columns are read when something looks at them.

pandas keeps the values of a DataFrame in one attribute, its manager. Here that attribute is built when it is
first used, so that whatever pandas can do with a DataFrame it can do with this one. What concerns whole columns
(choosing, dropping, renaming, replacing and adding them) is answered before that, from names alone: the columns
that such code does not touch are neither read nor, when the frame is stored again, hashed or written.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import pandas as pd

# pandas declares these otherwise than they are.
_COPIES_ON_WRITE = int(pd.__version__.partition(".")[0]) >= 3
_FLAGS: Any = type(pd.DataFrame().flags)
_COLUMNS: Any = pd.DataFrame.__dict__["columns"]
_INDEX: Any = pd.DataFrame.__dict__["index"]


class ColumnSource(Protocol):
    """Where the columns of a lazy frame are read from. A column is known by a handle, which only the source reads."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    def index(self) -> pd.Index[Any]:
        """Return the row labels, the same object each time."""

    def dtype(self, handle: Any) -> Any:
        """Return the pandas dtype of a column, or ``None`` where only its values can tell."""

    def read(self, handles: Sequence[Any]) -> Sequence[pd.Series[Any]]:
        """Return the values of some columns, whose index is :meth:`index`."""


@dataclass
class _Unread:
    """The columns of a frame whose manager has not been built.

    Attributes
    ----------
    source
        Where they are read from.
    handles
        Name -> handle of those that nothing has looked at.
    values
        Name -> values of the others: read, replaced or added.
    names
        All names, in order.
    """

    source: ColumnSource
    handles: dict[str, Any]
    values: dict[str, pd.Series[Any]]
    names: pd.Index[Any]


class LazyFrame(pd.DataFrame):
    """A DataFrame over stored columns; made by :meth:`over`.

    ``frame[name]``, ``frame[[...]]``, ``frame[name] = values``, ``del frame[name]``, :meth:`drop` of columns,
    :meth:`rename` of columns, ``assign``, ``pop`` and :meth:`copy` read only what they must, and those of them
    that give a frame give a lazy one. Everything else reads all columns first and is then pandas' own.
    ``pandas.DataFrame(frame)`` gives a plain frame.
    """

    @classmethod
    def over(cls, source: ColumnSource, handles: Mapping[str, Any]) -> LazyFrame:
        """Return a frame of stored columns.

        Parameters
        ----------
        source
            Where they are read from.
        handles
            Name -> handle, in order of the columns.
        """
        names = pd.Index(list(handles), dtype="str")
        return cls._make(_Unread(source, dict(handles), {}, names))

    @classmethod
    def _make(cls, unread: _Unread) -> LazyFrame:
        frame = cls.__new__(cls)
        object.__setattr__(frame, "_unread", unread)
        object.__setattr__(frame, "_attrs", {})
        if not _COPIES_ON_WRITE:
            object.__setattr__(frame, "_item_cache", {})
            object.__setattr__(frame, "_is_copy", None)
        object.__setattr__(frame, "_flags", _FLAGS(frame, allows_duplicate_labels=True))
        return frame

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    @property
    def _lazy(self) -> _Unread | None:
        return cast("_Unread | None", self.__dict__.get("_unread"))

    @property
    def _mgr(self) -> Any:
        built = self.__dict__.get("_built")
        if built is None:
            lazy = self.__dict__["_unread"]
            self._read(list(lazy.handles))
            data = {name: lazy.values[name] for name in lazy.names}
            frame = pd.DataFrame(data, index=lazy.source.index(), columns=lazy.names, copy=False)
            built = frame._mgr
            self._become(built)
        return built

    @_mgr.setter
    def _mgr(self, manager: Any) -> None:
        self._become(manager)

    def _become(self, manager: Any) -> None:
        """Be a plain frame from here on."""
        self.__dict__["_built"] = manager
        self.__dict__["_unread"] = None

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _plain, (pd.DataFrame(self),)

    def _read(self, names: Sequence[str]) -> None:
        """Read columns that nothing has looked at yet."""
        lazy = self._lazy
        assert lazy is not None
        for name, values in zip(names, lazy.source.read([lazy.handles[name] for name in names]), strict=True):
            lazy.values[name] = values.rename(name)
            del lazy.handles[name]

    def untouched(self) -> tuple[ColumnSource, dict[str, Any]] | None:
        """Return the source and name -> handle of the columns that still are exactly what is stored.

        Returns
        -------
        tuple or None
            ``None`` when all columns have been read.
        """
        lazy = self._lazy
        return None if lazy is None else (lazy.source, dict(lazy.handles))

    @property
    def columns(self) -> pd.Index[Any]:
        """The column labels."""
        lazy = self._lazy
        return cast("pd.Index[Any]", _COLUMNS.__get__(self)) if lazy is None else lazy.names

    @columns.setter
    def columns(self, labels: Any) -> None:
        lazy = self._lazy
        names = None if lazy is None or len(labels) != len(lazy.names) else pd.Index(labels)
        if lazy is None or names is None or not _are_names(names):
            _COLUMNS.__set__(self, labels)
        else:
            object.__setattr__(self, "_unread", _renamed(lazy, names))

    @property
    def index(self) -> pd.Index[Any]:
        """The row labels: the row ids, named ``row_id``."""
        lazy = self._lazy
        return cast("pd.Index[Any]", _INDEX.__get__(self)) if lazy is None else lazy.source.index()

    @index.setter
    def index(self, labels: Any) -> None:
        _INDEX.__set__(self, labels)

    @property
    def axes(self) -> list[pd.Index[Any]]:
        """The row labels and the column labels."""
        return [self.index, self.columns]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        lazy = self._lazy
        return super().shape if lazy is None else (lazy.source.rows, len(lazy.names))

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """2."""
        return 2

    @property
    def size(self) -> int:
        """Number of values."""
        return self.shape[0] * self.shape[1]

    @property
    def empty(self) -> bool:
        """Whether there are no rows or no columns."""
        return self.size == 0

    @property
    def dtypes(self) -> pd.Series[Any]:
        """The dtype of each column."""
        lazy = self._lazy
        if lazy is None:
            return super().dtypes
        known = {name: lazy.source.dtype(handle) for name, handle in lazy.handles.items()}
        self._read([name for name, dtype in known.items() if dtype is None])
        found = [lazy.values[name].dtype if name in lazy.values else known[name] for name in lazy.names]
        return pd.Series(found, index=lazy.names, dtype=object)

    def items(self) -> Iterator[tuple[Hashable, pd.Series[Any]]]:
        """Yield (name, values) of each column."""
        for name in self.columns:
            yield name, self[name]

    def __getitem__(self, key: Any) -> Any:
        lazy = self._lazy
        if lazy is not None and isinstance(key, str):
            lazy.names.get_loc(key)
            if key in lazy.handles:
                self._read([key])
            return lazy.values[key].copy(deep=False)
        if lazy is not None and isinstance(key, (list, pd.Index)) and _are_names(pd.Index(key)):
            return self._chosen(pd.DataFrame(columns=lazy.names)[list(key)].columns)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        lazy = self._lazy
        if lazy is None or not isinstance(key, str):
            super().__setitem__(key, value)
            return
        aligned = pd.DataFrame(index=lazy.source.index())
        aligned[key] = value
        lazy.values[key] = aligned[key]
        lazy.handles.pop(key, None)
        if key not in lazy.names:
            lazy.names = lazy.names.append(pd.Index([key], dtype=lazy.names.dtype))

    def __delitem__(self, key: Any) -> None:  # type: ignore[misc]
        lazy = self._lazy
        if lazy is None or not isinstance(key, str):
            super().__delitem__(key)
            return
        lazy.names = lazy.names.drop(key)
        lazy.handles.pop(key, None)
        lazy.values.pop(key, None)

    def drop(self, labels: Any = None, *, axis: Any = 0, columns: Any = None, **options: Any) -> Any:
        """Return the frame without some columns or rows; see :meth:`pandas.DataFrame.drop`."""
        lazy = self._lazy
        names = labels if columns is None and axis in (1, "columns") else columns
        only_columns = names is not None and (labels is None) != (columns is None) and set(options) <= {"errors"}
        if lazy is None or not only_columns:
            return super().drop(labels, axis=axis, columns=columns, **options)
        return self._chosen(lazy.names.drop([names] if isinstance(names, str) else names, **options))

    def rename(self, mapper: Any = None, *, columns: Any = None, axis: Any = None, **options: Any) -> Any:
        """Return the frame with other labels; see :meth:`pandas.DataFrame.rename`."""
        lazy = self._lazy
        changes = mapper if columns is None and axis in (1, "columns") else columns
        only_columns = changes is not None and (mapper is None) != (columns is None) and set(options) <= {"errors"}
        if lazy is not None and only_columns:
            names = pd.DataFrame(columns=lazy.names).rename(columns=changes, **options).columns
            if _are_names(names):
                return self._make(_renamed(lazy, names))
        return super().rename(mapper, columns=columns, axis=axis, **options)

    def copy(self, deep: bool | None = True) -> Any:  # type: ignore[misc]
        """Return a frame that can be changed apart from this one."""
        lazy = self._lazy
        if lazy is None:
            return super().copy(deep=deep)  # type: ignore[arg-type]
        is_deep = not _COPIES_ON_WRITE if deep is None else deep
        values = {name: item.copy(deep=is_deep) for name, item in lazy.values.items()}
        return self._make(_Unread(lazy.source, dict(lazy.handles), values, lazy.names))

    def _chosen(self, names: pd.Index[Any]) -> LazyFrame:
        lazy = self._lazy
        assert lazy is not None
        handles = {name: lazy.handles[name] for name in names if name in lazy.handles}
        values = {name: lazy.values[name].copy(deep=False) for name in names if name in lazy.values}
        return self._make(_Unread(lazy.source, handles, values, names))


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame: what a pickled lazy frame becomes."""
    return frame


# Libraries that do not want to import pandas, such as XGBoost, know its frames by the name of their class.
LazyFrame.__name__ = pd.DataFrame.__name__
LazyFrame.__qualname__ = pd.DataFrame.__qualname__
LazyFrame.__module__ = pd.DataFrame.__module__


def _are_names(labels: pd.Index[Any]) -> bool:
    """Return whether labels are different strings, as those of a lazy frame must be."""
    return labels.is_unique and all(isinstance(label, str) for label in labels)


def _renamed(lazy: _Unread, names: pd.Index[Any]) -> _Unread:
    new = dict(zip(lazy.names, names, strict=True))
    handles = {new[name]: handle for name, handle in lazy.handles.items()}
    values = {new[name]: item.rename(new[name]) for name, item in lazy.values.items()}
    return _Unread(lazy.source, handles, values, names)
