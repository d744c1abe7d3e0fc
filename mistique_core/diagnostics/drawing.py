"""Finding what draws an answer; Plotly is imported only then."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mistique_core.errors import InvalidInputError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def drawn(package: str, technique: str, answer: Any) -> Figure:
    """Return the figure that the module of a technique draws.

    Parameters
    ----------
    package
        Import path of the package of such modules.
    technique
        Name of the module.
    answer
        What its function ``draw`` takes.

    Raises
    ------
    InvalidInputError
        If Plotly is not installed.
    """
    try:
        module = import_module(f"{package}.{technique}")
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == "plotly":
            raise InvalidInputError(
                "figures need Plotly; install it with pip install 'mistique-airflow[ui]'"
            ) from error
        raise
    figure: Figure = module.draw(answer)
    return figure
