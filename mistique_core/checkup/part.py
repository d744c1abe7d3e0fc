"""The answer of a part of a check-up that is no technique of its own: like any answer, with its own figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mistique_core.diagnostics import DiagnosticResult
from mistique_core.diagnostics.drawing import drawn

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Part(DiagnosticResult):
    """See :class:`mistique_core.diagnostics.DiagnosticResult`; `technique` names the part."""

    def figure(self) -> Figure:
        """Return the answer as a Plotly figure.

        Raises
        ------
        InvalidInputError
            If Plotly is not installed.
        """
        return drawn("mistique_core.checkup.figures", self.technique, self)
