"""What a ranking of rows returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.frames import ROW_ID
from mistique_core.planner import QueryPlan


@dataclass(frozen=True)
class Ranking:
    """The rows that come first, in order.

    Attributes
    ----------
    row_id
        int64 (n,), at most k of them.
    values
        What they are ranked by, (n,): values or distances.
    exact
        Whether rows and values are those of full precision; else those of what is stored.
    max_abs_error
        Bound of the error of `values`: 0.0 where they are exact, up to rounding where they were re-run.
    rows, rerun_rows
        How many rows there are, and how many were re-run to rank them.
    plan
        How the values were obtained.
    sentence
        What was done, in one sentence.
    name
        Name of what is ranked by, for the column of :meth:`to_pandas`.
    """

    row_id: npt.NDArray[np.int64]
    values: npt.NDArray[Any]
    exact: bool
    max_abs_error: float
    rows: int
    rerun_rows: int
    plan: QueryPlan
    sentence: str
    name: str

    @property
    def rerun_share(self) -> float:
        """Share of the rows that were re-run, 0 to 1."""
        return self.rerun_rows / max(self.rows, 1)

    def to_pandas(self) -> pd.DataFrame:
        """Return one column, index ``row_id``, in order."""
        return pd.DataFrame({self.name: self.values}, index=pd.Index(self.row_id, name=ROW_ID))
