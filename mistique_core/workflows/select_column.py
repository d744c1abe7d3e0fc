"""Keep some columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.model import Stage, StageResult
from mistique_core.workflows.column_views import view_columns
from mistique_core.workflows.inputs import only_input


class SelectColumnStage(Stage):
    """Keep the named columns of a frame, in the given order; no value is copied.

    Parameters
    ----------
    columns
        At least one name; a single name may be given as a text.
    """

    outputs = ("",)
    row_wise = True

    def __init__(self, columns: Sequence[str] | str) -> None:
        self.columns = [columns] if isinstance(columns, str) else list(columns)
        if not self.columns:
            raise InvalidInputError("columns=[] selects nothing; name at least one column")

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"columns": self.columns}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return the frame of these columns.

        Raises
        ------
        InvalidInputError
            If a column does not exist.
        """
        return StageResult(frames={"": view_columns(only_input(inputs, "select"), self.columns, "selected")})
