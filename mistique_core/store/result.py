"""What a query returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.frames.arrow import arrow_table
from mistique_core.planner import QueryPlan

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class QueryResult:
    """Columns of one or more intermediates, aligned by row id.

    Attributes
    ----------
    frame
        The columns, index ``row_id``.
    plan
        How the query was answered, with the measured time.
    single
        Whether one single column was asked for, so that `values` has one dimension.
    max_abs_error
        Bound of the absolute error of any value: 0.0 for lossless schemes.
    maps
        Where the values are maps: array (n_rows, *map_shape, n_columns); `frame` then holds the row ids only.
    names
        Names of the columns of `maps`.
    origin
        Layers whose lossy copies the values were computed from when they were logged, and their schemes; empty where
        the values are those that the network gives, within `max_abs_error`. Else that error is infinite: not known.
    """

    frame: pd.DataFrame
    plan: QueryPlan
    single: bool
    max_abs_error: float = 0.0
    maps: npt.NDArray[Any] | None = None
    names: tuple[str, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> npt.NDArray[Any]:
        """Values as an array.

        (n_rows,) for one column, else (n_rows, n_columns) of a common dtype; for maps (n_rows, height, width)
        for one column, else (n_rows, height, width, n_columns).
        """
        if self.maps is not None:
            values: npt.NDArray[Any] = self.maps[..., 0] if self.single else self.maps
            return values
        if self.single:
            return np.asarray(self.frame.iloc[:, 0])
        return self.frame.to_numpy()

    @property
    def row_id(self) -> npt.NDArray[np.int64]:
        """Row ids, int64 (n_rows,), in the order of `values`."""
        return np.asarray(self.frame.index, dtype=np.int64)

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns, in the order of `values`."""
        return list(self.names) if self.maps is not None else [str(name) for name in self.frame.columns]

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with exactly the logged dtypes, index ``row_id``.

        A map becomes one column a cell, named ``unit[y,x]``.
        """
        if self.maps is None:
            return self.frame
        cells = list(np.ndindex(self.maps.shape[1:-1]))
        data = {
            f"{name}[{','.join(map(str, cell))}]": self.maps[(slice(None), *cell, unit)]
            for unit, name in enumerate(self.names)
            for cell in cells
        }
        return pd.DataFrame(data, index=self.frame.index)

    def to_arrow(self) -> pa.Table:
        """Return an Arrow table with the row ids as first column; numbers are not copied.

        Categories become dictionaries, NaN becomes null, as pandas has it, and maps become tensors of fixed shape.

        Raises
        ------
        InvalidInputError
            If pyarrow is not installed.
        UnsupportedColumnError
            If Arrow has no type for a column.
        """
        if self.maps is None:
            return arrow_table(self.frame)
        return arrow_table(self.frame, {name: self.maps[..., unit] for unit, name in enumerate(self.names)})
