"""Whole numbers that stand in texts: of versions, rows and limits."""

from __future__ import annotations

LARGEST = 2**31 - 1
"""Largest number of a row or a version: what the database's integers hold."""
_MOST_DIGITS = 20


def whole_number(text: str, least: int = 0, most: int = LARGEST) -> int | None:
    """Return the number that a text of ASCII digits spells; ``None`` if it is no such text, or out of range.

    Python's own ``int`` also reads the digits of other scripts, refuses more than 4,300 digits with an error of its
    own, and ``str.isdigit`` takes characters such as a superscript two that ``int`` does not.

    Parameters
    ----------
    text
        What a person or a browser gave.
    least, most
        Bounds (inclusive).

    Examples
    --------
    >>> whole_number("12"), whole_number("0", 1), whole_number("²"), whole_number("9" * 5_000)
    (12, None, None, None)
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        return None
    number = int(text)
    return number if least <= number <= most else None
