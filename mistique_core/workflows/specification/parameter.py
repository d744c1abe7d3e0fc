"""The types of a workflow's parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from mistique_core.errors import InvalidInputError

_TYPES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_ANY = ["string", "number", "boolean", "array", "object", "null"]
_WORDS = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def type_of(value: Any) -> str | None:
    """Return JSON schema's name of a value's type; ``None`` if it is no JSON value."""
    if value is None:
        return "null"
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return next((name for kind, name in _TYPES.items() if isinstance(value, kind)), None)


def in_words(types: str | Iterable[str]) -> str:
    """Return JSON schema's types for people."""
    names = [types] if isinstance(types, str) else list(types)
    return " or ".join(_WORDS[name] for name in names)


def parameter_schema(values: Iterable[Any]) -> dict[str, Any]:
    """Return the JSON schema of what a parameter may be.

    Parameters
    ----------
    values
        What the file gives it: as default and in variations. A whole number and one with a fraction make it a
        number; null alone allows anything.
    """
    types = {type_of(value) or "null" for value in values}
    if "number" in types:
        types.discard("integer")
    if types == {"null"}:
        return {"type": _ANY}
    ordered = [name for name in ("null", "boolean", "integer", "number", "string", "array", "object") if name in types]
    return {"type": ordered[0] if len(ordered) == 1 else ordered}


def check_parameter(name: str, value: Any, schema: Mapping[str, Any]) -> None:
    """Raise if a parameter cannot take a value.

    Raises
    ------
    InvalidInputError
        If it is of another type than :func:`parameter_schema` allows.
    """
    types = schema["type"]
    allowed = {types} if isinstance(types, str) else set(types)
    given = type_of(value)
    if given in allowed or (given == "integer" and "number" in allowed):
        return
    raise InvalidInputError(f"parameter {name!r} is {value!r}; give {in_words(types)}")
