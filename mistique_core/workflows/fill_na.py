"""Fill missing values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.categories import Category, sorted_categories
from mistique_core.workflows.column_views import with_columns
from mistique_core.workflows.inputs import require_column
from mistique_core.workflows.learning import LearningStage

_STRATEGIES = ("constant", "mean", "median", "most_frequent")


class FillNaStage(LearningStage):
    """Fill the missing values of some columns; each column keeps its dtype, and its memory if it has none.

    Parameters
    ----------
    columns
        Columns to fill. Default: those that the fill fits, which is numbers for ``mean``, ``median`` and a
        number as `value`, texts for a text as `value`, and every column for ``most_frequent``.
    value
        What to fill in; only with the strategy ``constant``.
    strategy
        ``constant``, or what is learned of each column: ``mean``, ``median``, or ``most_frequent`` (of
        equally frequent values the smallest). Default: ``constant`` where there is a `value`, else ``median``.
    fit_on
        Input to learn from; default ``train`` where there is one.
    """

    learns = ("fill_values",)

    def __init__(
        self,
        columns: Sequence[str] | str | None = None,
        value: Category | None = None,
        strategy: str | None = None,
        fit_on: str | None = None,
    ) -> None:
        super().__init__(fit_on)
        strategy = strategy or ("median" if value is None else "constant")
        if strategy not in _STRATEGIES:
            raise InvalidInputError(f"strategy={strategy!r} is unknown; pass one of {', '.join(_STRATEGIES)}")
        if (value is None) == (strategy == "constant"):
            raise InvalidInputError(
                f"strategy={strategy!r} does not go with value={value!r}; pass a value for 'constant', and none else"
            )
        self.columns = [columns] if isinstance(columns, str) else None if columns is None else list(columns)
        self.value = value
        self.strategy = strategy

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"columns": self.columns, "value": self.value, "strategy": self.strategy, "fit_on": self.fit_on}

    def learn(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Return column name -> the value to fill in.

        Raises
        ------
        InvalidInputError
            If a column does not exist, has no value at all, or has no mean or median.
        """
        names = self.columns
        if names is None:
            names = [str(name) for name in frame.columns if self._fits(frame[name])]
        return {name: self._fill_value(require_column(frame, name, "filled")) for name in names}

    def apply(self, frame: pd.DataFrame, learned: Any) -> pd.DataFrame:
        """See :class:`LearningStage`."""
        new = {}
        for name, value in learned.items():
            column = require_column(frame, name, "filled")
            missing = column.isna().to_numpy(dtype=bool)
            if missing.any():
                new[name] = _filled(column, missing, value)
        return with_columns(frame, new, replace=new, what="fill")

    def _fits(self, column: pd.Series[Any]) -> bool:
        numeric = is_numeric_dtype(column.dtype) and not is_bool_dtype(column.dtype)
        if self.strategy == "most_frequent":
            return True
        if isinstance(self.value, str):
            return isinstance(column.dtype, pd.StringDtype)
        return is_bool_dtype(column.dtype) if isinstance(self.value, bool) else numeric

    def _fill_value(self, column: pd.Series[Any]) -> Any:
        if self.strategy == "constant":
            return self.value
        if self.strategy == "most_frequent":
            found: list[Category] = sorted_categories(column, at_most=1)
        elif is_numeric_dtype(column.dtype) and not is_bool_dtype(column.dtype):
            known = column.dropna().to_numpy(dtype=np.float64)
            found = [float(np.mean(known) if self.strategy == "mean" else np.median(known))] if len(known) else []
        else:
            raise InvalidInputError(
                f"column {column.name!r} of dtype {column.dtype} has no {self.strategy}; "
                "use the strategy 'most_frequent' or a value"
            )
        if not found:
            raise InvalidInputError(
                f"column {column.name!r} has no value to learn from in {len(column)} rows; drop it, or fill it by value"
            )
        return found[0]


def _filled(column: pd.Series[Any], missing: Any, value: Any) -> Any:
    """Return the values with the missing ones filled, in the column's own dtype, whichever rows are there."""
    misfit = isinstance(value, str) if is_numeric_dtype(column.dtype) else not isinstance(value, str)
    try:
        if misfit and not isinstance(column.dtype, pd.CategoricalDtype):
            raise TypeError(f"it holds {column.dtype}")
        filled = column.copy()
        filled[missing] = column.dtype.type(value) if isinstance(column.dtype, np.dtype) else value
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"column {column.name!r} cannot be filled with {value!r}: {error}; pass a value of its own type"
        ) from error
    return filled
