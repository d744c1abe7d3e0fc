"""The rows that a user has selected, as a short text that an address can hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mistique_core.errors import InvalidInputError
from mistique_core.model.whole_number import whole_number

MOST_ROWS = 400
_LARGEST = 2**63 - 1

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """Some rows, by one of two ways to say which.

    Attributes
    ----------
    row_ids
        Row ids; empty where `span` says it.
    order, span
        An order, and positions in it from the first (inclusive) to the last (exclusive).
    """

    row_ids: tuple[int, ...] = ()
    order: str = ""
    span: tuple[int, int] = (0, 0)

    @classmethod
    def parse(cls, text: str) -> Selection:
        """Return what ``rows:1,2,3`` or ``span:0-100:error`` says.

        Raises
        ------
        InvalidInputError
            If it says neither.
        """
        kind, _, rest = text.partition(":")
        if kind == "rows":
            parts = rest.split(",")
            numbers = [number for part in parts if (number := whole_number(part, most=_LARGEST)) is not None]
            if len(numbers) == len(parts) <= MOST_ROWS:
                return cls(tuple(dict.fromkeys(numbers)))
        if kind == "span":
            bounds, _, order = rest.partition(":")
            first, _, last = bounds.partition("-")
            low, high = whole_number(first, most=_LARGEST), whole_number(last, most=_LARGEST)
            if low is not None and high is not None and low < high and order:
                return cls(order=order, span=(low, high))
        raise InvalidInputError(f"{text[:80]!r} selects no rows; select them in the matrix or in the table")

    def __str__(self) -> str:
        if self.row_ids:
            return "rows:" + ",".join(map(str, self.row_ids))
        return f"span:{self.span[0]}-{self.span[1]}:{self.order}"
