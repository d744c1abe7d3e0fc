"""Groups of rows by the values of a column."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.wording import listed
from mistique_core.errors import InvalidInputError

MISSING = "missing"
MOST_GROUPS = 200
_MOST_PLAIN_NUMBERS = 20


@dataclass(frozen=True)
class Groups:
    """A group for each row.

    Attributes
    ----------
    names
        Names for people, in the order of the groups; ``missing`` comes last.
    values
        The value that a group stands for: of the column, an interval for binned numbers, ``None`` for missing ones.
    codes
        (rows,) int64: the group of each row.
    """

    names: tuple[str, ...]
    values: tuple[Any, ...]
    codes: npt.NDArray[np.int64]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Rows of each group, (groups,)."""
        return np.bincount(self.codes, minlength=len(self.names))


def groups_of(column: pd.Series, bins: int | None = None) -> Groups:
    """Return the groups that the values of a column form.

    Numbers with more than 20 different values are binned by quantiles, if `bins` says into how many; others, and all
    other dtypes, form a group a value: sorted, categories in their order. Only groups that have rows exist. Missing
    values and NaN form a group of their own, infinities belong to the outer quantiles.

    Parameters
    ----------
    column
        Labels or numbers.
    bins
        Number of quantiles; fewer come back where values repeat.

    Raises
    ------
    InvalidInputError
        If there are more than 200 groups.
    """
    missing = column.isna().to_numpy(dtype=bool)
    known = column[~missing]
    is_number = column.dtype.kind in "iuf" and not isinstance(column.dtype, pd.CategoricalDtype)
    if bins is not None and is_number and known.nunique() > max(_MOST_PLAIN_NUMBERS, bins):
        codes, values = _quantiles(known, bins)
    else:
        codes, values = sorted_codes(known)
    names = [_name(value) for value in values]
    if len(names) > MOST_GROUPS:
        raise InvalidInputError(
            f"column {column.name!r} has {len(names):,} different values, more than {MOST_GROUPS} groups; "
            "name a column of labels"
        )
    every = np.full(len(column), len(names), dtype=np.int64)
    every[~missing] = codes
    if missing.any():
        names, values = [*names, MISSING], [*values, None]
    return Groups(tuple(names), tuple(values), every)


def sorted_codes(known: pd.Series) -> tuple[npt.NDArray[np.int64], list[Any]]:
    """Return (rows,) the place of each value among all, and all that occur: sorted, categories in their order.

    Parameters
    ----------
    known
        Values none of which is missing. Values of several types are sorted by their texts.
    """
    if isinstance(known.dtype, pd.CategoricalDtype):
        present = known.cat.remove_unused_categories()
        return np.asarray(present.cat.codes, dtype=np.int64), list(present.cat.categories)
    if known.dtype.kind in "iufbmM":
        codes, found = pd.factorize(known, sort=True)
        return np.asarray(codes, dtype=np.int64), list(found)
    codes, found = pd.factorize(known)
    values = list(found)
    try:
        order = sorted(range(len(values)), key=values.__getitem__)
    except TypeError:
        order = sorted(range(len(values)), key=lambda place: str(values[place]))
    places = np.empty(len(values), dtype=np.int64)
    places[order] = np.arange(len(values))
    return np.asarray(places[codes], dtype=np.int64), [values[place] for place in order]


def _quantiles(known: pd.Series, bins: int) -> tuple[npt.NDArray[np.int64], list[Any]]:
    """Return codes and intervals of equally many values; each interval holds its upper bound, the first both."""
    values = known.to_numpy(dtype=np.float64)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1), method="inverted_cdf"))
    codes = np.clip(np.searchsorted(edges, values, side="left") - 1, 0, max(len(edges) - 2, 0))
    pairs = list(pairwise(edges)) or [(edges[0], edges[0])]
    used, places = np.unique(codes, return_inverse=True)
    intervals = [
        pd.Interval(float(low), float(high), closed="both" if place == 0 else "right")
        for place, (low, high) in enumerate(pairs)
    ]
    return places.astype(np.int64), [intervals[place] for place in used]


def _name(value: Any) -> str:
    if isinstance(value, pd.Interval):
        first = "[" if value.closed == "both" else "("
        return f"{first}{value.left:.4g}, {value.right:.4g}]"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def position_of(groups: Groups, label: Any) -> int:
    """Return the position of the group that a label names, by value or by name.

    Raises
    ------
    InvalidInputError
        If there is none.
    """
    for place, value in enumerate(groups.values):
        if value is not None and type(value) is type(label) and value == label:
            return place
    for place, name in enumerate(groups.names):
        if name == _name(label):
            return place
    raise InvalidInputError(f"there is no group {label!r}; known: {listed(groups.names, 8)}")


def everything(rows: int, name: str) -> Groups:
    """Return one group that holds all rows."""
    return Groups((name,), (name,), np.zeros(rows, dtype=np.int64))
