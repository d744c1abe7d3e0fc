"""Python values as JSON values, for what a program hands over rather than a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from mistique_core.errors import InvalidInputError


def plain_json(value: Any, place: str = "") -> Any:
    """Return a value of JSON types only: dates become ISO texts, tuples lists, and keys texts.

    Parameters
    ----------
    value
        Mappings, sequences, texts, numbers (also of NumPy), booleans, dates and ``None``.
    place
        Path to it with dots, for messages.

    Raises
    ------
    InvalidInputError
        If it holds anything else, or a number that is not finite.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInputError(f"{place or 'the value'} is {value}, which JSON lacks; leave it out or give a text")
        return float(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        made: dict[str, Any] = {}
        for key, item in value.items():
            name = _key(key, place)
            if name in made:
                raise InvalidInputError(f"{place or 'the mapping'} has the key {name!r} twice; rename one")
            made[name] = plain_json(item, f"{place}.{name}" if place else name)
        return made
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [plain_json(item, f"{place}.{position}") for position, item in enumerate(items)]
    item = getattr(value, "item", None)  # a NumPy scalar
    if callable(item) and getattr(value, "ndim", None) == 0:
        return plain_json(item(), place)
    raise InvalidInputError(
        f"{place or 'the value'} is a {type(value).__name__}, not JSON; give texts, numbers, lists and mappings"
    )


def _key(key: Any, place: str) -> str:
    """Return a key as text; one of several parts has none."""
    value = key if isinstance(key, str) else plain_json(key, f"a key of {place or 'the mapping'}")
    if isinstance(value, list | dict):
        raise InvalidInputError(f"{place or 'the mapping'} has the key {key!r}, which is no text; give one")
    return str(value)
