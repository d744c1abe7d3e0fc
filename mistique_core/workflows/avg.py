"""The mean of several columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mistique_core.errors import InvalidInputError
from mistique_core.model import Stage, StageResult
from mistique_core.workflows.column_views import view_columns, with_columns
from mistique_core.workflows.inputs import only_input, require_numbers


class AvgStage(Stage):
    """Add the mean of some columns, row by row, as float64; missing values are left out of it.

    Parameters
    ----------
    columns
        Columns of numbers. They are added up in the given order.
    output
        Name of the new column, which is missing where all `columns` are.
    keep
        Whether `columns` stay.
    """

    outputs = ("",)
    row_wise = True

    def __init__(self, columns: Sequence[str], output: str, keep: bool = True) -> None:
        self.columns = [columns] if isinstance(columns, str) else list(columns)
        if not self.columns:
            raise InvalidInputError("columns=[] has no mean; name at least one column")
        self.output = output
        self.keep = keep

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"columns": self.columns, "output": self.output, "keep": self.keep}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return the frame with the new column behind the others, which are not copied."""
        frame = only_input(inputs, "average")
        total, count = np.zeros(len(frame)), np.zeros(len(frame))
        for name in self.columns:
            values = require_numbers(frame, name, "averaged")
            known = ~np.isnan(values)
            total += np.where(known, values, 0.0)
            count += known
        mean = np.divide(total, count, out=np.full(len(frame), np.nan), where=count > 0)
        dropped = set() if self.keep else set(self.columns)
        kept = view_columns(frame, [str(name) for name in frame.columns if name not in dropped], "kept")
        return StageResult(frames={"": with_columns(kept, {self.output: mean}, what="average")})
