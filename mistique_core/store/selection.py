"""Which rows a query wants: by row id, by predicate, or the first n."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean
from mistique_core.frames import RowIndex, check_row_id

Predicate = tuple[str, str, Any]
RowIds = npt.NDArray[np.int64]
Fetch = Callable[[Predicate, RowIds], "pd.Series[Any]"]

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda values, wanted: values.isin(list(wanted)),
}


@dataclass(frozen=True)
class Selection:
    """The rows of a query; all rows when every field is ``None``.

    Attributes
    ----------
    row_id
        Wanted row ids in the wanted order, int64, unique.
    where
        Predicates (column, operator, value), all of which must hold.
    n_ex
        Most rows to return.
    row_range
        Bounds of the wanted row ids, from the first (inclusive) to the second (exclusive), instead of `row_id`.
    """

    row_id: RowIds | None
    where: tuple[Predicate, ...]
    n_ex: int | None
    row_range: tuple[int | None, int | None] | None = None

    @property
    def restricts(self) -> bool:
        """Whether anything but all rows in stored order is asked for."""
        return self.row_id is not None or self.row_range is not None or self.n_ex is not None or bool(self.where)

    @classmethod
    def of(cls, row_id: Any, where: Any, n_ex: int | None) -> Selection:
        """Check and normalise what the caller passed.

        Raises
        ------
        InvalidInputError
            If a row id is no integer or repeats, a predicate is malformed, or n_ex is negative.
        """
        ids = row_range = None
        if isinstance(row_id, slice):
            row_range = _bounds(row_id)
        elif row_id is not None:
            ids = check_row_id(np.atleast_1d(np.asarray(row_id)), "the query")
        if n_ex is not None and (not isinstance(n_ex, (int, np.integer)) or isinstance(n_ex, bool) or n_ex < 0):
            raise InvalidInputError(f"n_ex={n_ex!r} is not a number of rows; give an integer of at least 0")
        return cls(ids, _predicates(where), None if n_ex is None else int(n_ex), row_range)

    def choose(self, available: RowIndex, fetch: Fetch) -> RowIds | None:
        """Return the row ids to fetch, or ``None`` for all of `available` in stored order.

        Parameters
        ----------
        available
            The row ids that every target holds.
        fetch
            Takes a predicate and row ids; returns its column (index ``row_id``) at those of them that the
            predicate may hold for.
        """
        ids = available.ids
        if self.row_range is not None:
            low, high = self.row_range
            inside = np.ones(len(ids), bool)
            inside &= ids >= low if low is not None else True
            inside &= ids < high if high is not None else True
            ids = ids[inside]
        if self.row_id is not None:
            _, found = available.find(self.row_id)
            if not found.all():
                missing = self.row_id[~found]
                more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
                shown = (
                    f"known: {len(available)} rows from {available.ids.min()} to {available.ids.max()}"
                    if len(available)
                    else "it has no rows"
                )
                raise NotFoundError(f"row_id {missing[0]}{more} is not in the intermediate; {shown}")
            ids = self.row_id
        for predicate in self.where:
            column = fetch(predicate, ids)
            ids = np.asarray(column.index, dtype=np.int64)[matches(column, *predicate)]
        if self.n_ex is not None:
            ids = ids[: self.n_ex]
        return None if ids is available.ids else ids


def _bounds(wanted: slice) -> tuple[int | None, int | None]:
    bounds = (wanted.start, wanted.stop)
    for bound in bounds:
        if bound is not None and (not isinstance(bound, (int, np.integer)) or isinstance(bound, bool)):
            raise InvalidInputError(f"row_id={wanted!r} has the bound {bound!r}; give integers, such as slice(0, 100)")
    if wanted.step is not None:
        raise InvalidInputError(f"row_id={wanted!r} has a step; name the row ids instead")
    return bounds


def matches(column: pd.Series[Any], name: str, symbol: str, value: Any) -> npt.NDArray[np.bool_]:
    """Return, bool (n_rows,), where a predicate (name, symbol, value) holds; a missing value never does."""
    try:
        mask = _OPERATORS[symbol](column, value)
    except TypeError as error:
        raise InvalidInputError(
            f"column {name!r} of dtype {column.dtype} cannot be compared by {symbol!r} with {value!r}"
        ) from error
    return np.asarray(pd.Series(mask).fillna(False), dtype=bool)


def _predicates(where: Any) -> tuple[Predicate, ...]:
    if where is None:
        return ()
    items: Sequence[Any] = [where] if isinstance(where, tuple) and where and isinstance(where[0], str) else list(where)
    for item in items:
        if not (isinstance(item, (tuple, list)) and len(item) == 3 and isinstance(item[0], str)):
            raise InvalidInputError(f"where={item!r} is not (column, operator, value), such as ('age', '>=', 18)")
        if item[1] not in _OPERATORS:
            raise InvalidInputError(f"operator {item[1]!r} is unknown; {did_you_mean(str(item[1]), _OPERATORS)}")
    return tuple((item[0], item[1], item[2]) for item in items)
