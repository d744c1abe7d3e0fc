"""Drop some columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.model import Stage, StageResult
from mistique_core.workflows.column_views import view_columns
from mistique_core.workflows.inputs import only_input, require_columns

_MISSING = ("raise", "ignore")


class DropColumnsStage(Stage):
    """Drop the named columns of a frame; no value of the others is copied.

    Parameters
    ----------
    columns
        Names; a single name may be given as a text.
    missing
        ``raise`` or ``ignore``: what a name does that is no column.
    """

    outputs = ("",)
    row_wise = True

    def __init__(self, columns: Sequence[str] | str, missing: str = "raise") -> None:
        if missing not in _MISSING:
            raise InvalidInputError(f"missing={missing!r} is unknown; pass one of {', '.join(_MISSING)}")
        self.columns = [columns] if isinstance(columns, str) else list(columns)
        self.missing = missing

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"columns": self.columns, "missing": self.missing}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return the frame of the other columns, in their order.

        Raises
        ------
        InvalidInputError
            If a column does not exist and `missing` is ``raise``, or no column would be left.
        """
        frame = only_input(inputs, "drop")
        if self.missing == "raise":
            require_columns(frame, self.columns, "dropped")
        kept = [str(name) for name in frame.columns if name not in set(self.columns)]
        if not kept:
            raise InvalidInputError(f"dropping {', '.join(self.columns)} leaves no column; keep at least one")
        return StageResult(frames={"": view_columns(frame, kept, "kept")})
