"""The distinct values of a column, as JSON values."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mistique_core.errors import InvalidInputError

Category = str | bool | int | float


def sorted_categories(column: pd.Series[Any], at_most: int | None = None) -> list[Category]:
    """Return the distinct values of a column in ascending order, missing ones left out.

    Parameters
    ----------
    column
        Texts, numbers or booleans, also as a categorical or with a nullable dtype.
    at_most
        Keep only so many: the most frequent ones, of equally frequent ones the smaller.

    Raises
    ------
    InvalidInputError
        If the column holds anything else, such as times.
    """
    counts = column.value_counts(dropna=True)
    pairs = [(_plain(value, column), int(count)) for value, count in counts.items() if count]
    pairs.sort(key=lambda pair: pair[0])
    if at_most is not None:
        pairs = sorted(sorted(pairs, key=lambda pair: -pair[1])[:at_most], key=lambda pair: pair[0])
    return [value for value, _ in pairs]


def _plain(value: Any, column: pd.Series[Any]) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, (str, bool, int, float)):
        raise InvalidInputError(
            f"column {column.name!r} holds {value!r}, a {type(value).__name__}; categories are texts, numbers "
            "or booleans: convert the column before"
        )
    return value


def codes_of(column: pd.Series[Any], categories: list[Category]) -> Any:
    """Return the position of each value among the categories.

    Returns
    -------
    ndarray
        intp (n_rows,); -1 where the value is missing or not a category.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.dtype.categories.dtype)
    codes = pd.Index(categories).get_indexer(pd.Index(column))
    codes[column.isna().to_numpy(dtype=bool)] = -1
    return codes
