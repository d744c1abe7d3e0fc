"""What a query returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
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
    """

    frame: pd.DataFrame
    plan: QueryPlan
    single: bool
    max_abs_error: float = 0.0

    @property
    def values(self) -> npt.NDArray[Any]:
        """Values as an array: (n_rows,) for one column, else (n_rows, n_columns) of a common dtype."""
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
        return [str(name) for name in self.frame.columns]

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with exactly the logged dtypes, index ``row_id``."""
        return self.frame

    def to_arrow(self) -> pa.Table:
        """Return an Arrow table with the row ids as first column.

        Raises
        ------
        InvalidInputError
            If pyarrow is not installed.
        """
        try:
            import pyarrow as pa
        except ModuleNotFoundError as error:
            raise InvalidInputError("to_arrow() needs pyarrow; install it with 'pip install pyarrow'") from error
        return pa.Table.from_pandas(self.frame.reset_index(names=ROW_ID), preserve_index=False)
