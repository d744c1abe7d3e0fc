"""The answer of a part of a check-up that is no technique of its own: like any answer, with its own figure."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from mistique_core.diagnostics import DiagnosticResult
from mistique_core.errors import InvalidInputError

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
        try:
            module = import_module(f"mistique_core.checkup.figures.{self.technique}")
        except ModuleNotFoundError as error:
            if error.name and error.name.partition(".")[0] == "plotly":
                raise InvalidInputError(
                    "figures need Plotly; install it with pip install 'mistique-airflow[ui]'"
                ) from error
            raise
        figure: Figure = module.draw(self)
        return figure
