"""Numbers inside the text of a scheme."""

from __future__ import annotations

import math
from typing import TypeGuard

from mistique_core.errors import InvalidInputError
from mistique_core.model.whole_number import whole_number


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a parameter is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite(value: object) -> bool:
    """Whether a parameter is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def number_text(number: float) -> str:
    """Return the shortest text that reads as this number: ``0.25``, ``1``, ``1e-05``."""
    return repr(float(number)).removesuffix(".0")


def parse_number(scheme: str, text: str) -> float:
    """Return a finite number that stands in the text of a scheme.

    Raises
    ------
    InvalidInputError
        If the text is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInputError(f"{scheme}({text}): {text!r} is no finite number; write it as 0.25 or 1e-3")
    return number


def parse_integer(scheme: str, text: str) -> int:
    """Return an integer that stands in the text of a scheme.

    Raises
    ------
    InvalidInputError
        If the text is none.
    """
    number = whole_number(text)
    if number is None:
        raise InvalidInputError(f"{scheme}({text[:40]}): {text[:40]!r} is no whole number; write it as in {scheme}(2)")
    return number
