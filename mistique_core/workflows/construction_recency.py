"""How new a building is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.model import Stage, StageResult
from mistique_core.workflows.column_views import with_columns
from mistique_core.workflows.inputs import only_input, require_numbers


class ConstructionRecencyStage(Stage):
    """Add the years from a building's construction to a given year, as float64.

    Parameters
    ----------
    column
        Column with the year of construction; the recency is missing where it is.
    year
        The year to count to.
    output
        Name of the new column.
    """

    outputs = ("",)
    row_wise = True

    def __init__(self, column: str = "yearbuilt", year: int = 2016, output: str = "construction_recency") -> None:
        if isinstance(year, bool) or not isinstance(year, int):
            raise InvalidInputError(f"year={year!r} is no year; pass an integer such as 2016")
        self.column = column
        self.year = year
        self.output = output

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"column": self.column, "year": self.year, "output": self.output}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return the frame with the new column behind the others, which are not copied."""
        frame = only_input(inputs, "construction recency")
        recency = self.year - require_numbers(frame, self.column, "year")
        return StageResult(frames={"": with_columns(frame, {self.output: recency}, what="construction recency")})
