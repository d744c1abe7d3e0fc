"""The values that a search chooses from: the cells of a grid, in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.specification.searched_values import SearchedValues


@dataclass(frozen=True)
class SearchSpace:
    """The parameters of a search with what each may be.

    Attributes
    ----------
    parameters
        Parameter -> its values, in the order of the file.
    """

    parameters: Mapping[str, SearchedValues]

    @property
    def cells(self) -> int | None:
        """Number of combinations of values; ``None`` if a range has no steps."""
        sizes = [values.size for values in self.parameters.values()]
        known = [size for size in sizes if size is not None]
        return math.prod(known) if len(known) == len(sizes) else None

    def cell(self, number: int) -> dict[str, Any]:
        """Return one combination, parameter -> value; of the last parameter the value changes with each number.

        Parameters
        ----------
        number
            From 0, below :attr:`cells`.

        Raises
        ------
        InvalidInputError
            If there is no such combination.
        """
        if self.cells is None or not 0 <= number < self.cells:
            raise InvalidInputError(f"cell {number} does not exist; there are {self.cells or 'no'} cells")
        chosen = {}
        for name, values in reversed(list(self.parameters.items())):
            number, position = divmod(number, values.size or 1)
            chosen[name] = values.at(position)
        return {name: chosen[name] for name in self.parameters}

    def to_json(self) -> dict[str, Any]:
        """Return the parameters as the file gives them."""
        return {name: values.to_json() for name, values in self.parameters.items()}
