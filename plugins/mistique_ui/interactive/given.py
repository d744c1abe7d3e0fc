"""Values that a browser sent. They can be anything, whatever the control that they come from allows."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from mistique_core.errors import InvalidInputError, did_you_mean

MOST_CHARACTERS = 2_000
MOST_ITEMS = 1_000
MOST = 2**31 - 1
"""Largest number of a row: what the database's integers hold."""


def text(value: Any, name: str, most: int = MOST_CHARACTERS) -> str:
    """Return a text, empty for ``None``.

    Raises
    ------
    InvalidInputError
        If it is none, or longer than `most` characters.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInputError(f"{name}={_shown(value)} is no text; write one")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidInputError(f"{name}={_shown(value)} is no text; write one")
    if len(value) > most:
        raise InvalidInputError(f"{name} has {len(value):,} characters; write at most {most:,}")
    return value


def number(value: Any, name: str, least: int = 0, most: int = MOST) -> int:
    """Return a whole number from `least` to `most`, both inclusive; raises ``InvalidInputError`` otherwise."""
    whole = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not whole or value != int(value) or not least <= value <= most:
        raise InvalidInputError(f"{name}={_shown(value)} is no whole number from {least} to {most}; give one")
    return int(value)


def choice(value: Any, name: str, choices: Collection[str]) -> str:
    """Return one of some texts; raises ``InvalidInputError`` otherwise."""
    given = text(value, name)
    if given not in choices:
        raise InvalidInputError(f"{name}={_shown(given)} is no choice; {did_you_mean(given, choices)}")
    return given


def texts(value: Any, name: str, most: int = MOST_ITEMS) -> list[str]:
    """Return a list of texts, empty for ``None``; raises ``InvalidInputError`` otherwise."""
    return [text(item, name) for item in _items(value, name, most)]


def numbers(value: Any, name: str, most: int = MOST_ITEMS) -> list[int]:
    """Return a list of numbers of rows, empty for ``None``; raises ``InvalidInputError`` otherwise."""
    return [number(item, name) for item in _items(value, name, most)]


def _items(value: Any, name: str, most: int) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidInputError(f"{name}={_shown(value)} is no list; choose some")
    if len(value) > most:
        raise InvalidInputError(f"{len(value):,} {name} are too many; choose at most {most:,}")
    return value


def _shown(value: Any) -> str:
    return repr(value)[:80]
