"""Which properties are homes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mistique_core.model import Stage, StageResult
from mistique_core.workflows.column_views import with_columns
from mistique_core.workflows.inputs import only_input, require_column

RESIDENTIAL_CODES = (246, 247, 248, 260, 261, 262, 263, 264, 265, 266, 267, 268, 269, 273, 274, 275, 276, 279)
"""Zillow's land use codes for homes: duplex to quadruplex, single family, mobile, condominium, cooperative, ..."""


class IsResidentialStage(Stage):
    """Add a bool column: whether a property's land use is residential; false where it is missing.

    Parameters
    ----------
    column
        Column with the land use code.
    codes
        The residential ones.
    output
        Name of the new column.
    """

    outputs = ("",)
    row_wise = True

    def __init__(
        self,
        column: str = "propertylandusetypeid",
        codes: Sequence[int | float | str] = RESIDENTIAL_CODES,
        output: str = "is_residential",
    ) -> None:
        self.column = column
        self.codes = list(codes)
        self.output = output

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"column": self.column, "codes": self.codes, "output": self.output}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return the frame with the new column behind the others, which are not copied."""
        frame = only_input(inputs, "is residential")
        found = require_column(frame, self.column, "land use").isin(self.codes).to_numpy(dtype=np.bool_)
        return StageResult(frames={"": with_columns(frame, {self.output: found}, what="is residential")})
