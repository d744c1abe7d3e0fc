"""The name under which Airflow's pages show an operator that stands for many stages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class OperatorName:
    """The name of the stage of an operator; of its class, which is all that Airflow has of a mapped task, the class's.

    Parameters
    ----------
    of_operator
        Returns the name for an operator.
    """

    def __init__(self, of_operator: Callable[[Any], str]) -> None:
        self._of_operator = of_operator

    def __get__(self, operator: Any, owner: type[Any]) -> str:
        return owner.__name__ if operator is None else self._of_operator(operator)
