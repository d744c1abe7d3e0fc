"""Values at dot paths of a JSON document: ``owner.name``, ``scores.0``; with checked types."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean
from mistique_core.model.whole_number import whole_number

Path = tuple[str | int, ...]
MAX_DEPTH = 20
_LONG = 2**63
_INT = 2**31


class ValueType(StrEnum):
    """Types of single values in free metadata; those of the original ModelDB."""

    STRING = "string"
    INT = "int"
    DOUBLE = "double"
    LONG = "long"
    DATETIME = "datetime"
    BOOL = "bool"


def parse_path(path: str) -> Path:
    """Return the keys of a dot path; parts that are whole numbers are indices of vectors.

    Raises
    ------
    InvalidInputError
        If a part is empty or holds a quote, or there are more than 20 parts.
    """
    parts = path.split(".")
    if not all(parts) or '"' in path or len(parts) > MAX_DEPTH:
        raise InvalidInputError(
            f"{path!r} is not a path into metadata; write keys joined by dots, such as owner.name or scores.0, "
            f"without quotes, at most {MAX_DEPTH} of them"
        )
    numbers = [whole_number(part) for part in parts]
    return tuple(part if number is None else number for part, number in zip(parts, numbers, strict=True))


def typed_value(value: Any, value_type: str | ValueType) -> Any:
    """Return a value as the JSON value of its type; texts that spell it are read, as the original did.

    Parameters
    ----------
    value
        The value, or a text that spells it (``"3"``, ``"true"``, ``"2016-02-23"``).
    value_type
        ``string``, ``int`` (32 bits), ``double``, ``long`` (64 bits), ``datetime`` (ISO 8601, stored so in UTC) or
        ``bool``.

    Raises
    ------
    InvalidInputError
        If it is not of that type.
    """
    try:
        kind = ValueType(value_type)
    except ValueError:
        known = [item.value for item in ValueType]
        raise InvalidInputError(
            f"{value_type!r} is not a type of value; {did_you_mean(str(value_type), known)}"
        ) from None
    read = _READERS[kind](value)
    if read is None:
        raise InvalidInputError(f"{value!r} is not a value of type {kind.value}; {_REMEDIES[kind]}")
    return read


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(limit: int) -> Any:
    def read(value: Any) -> int | None:
        if isinstance(value, str):
            try:
                value = int(value.strip(), 10)
            except ValueError:
                return None
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return value if is_whole and -limit <= value < limit else None

    return read


def _double(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _datetime(value: Any) -> str | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat()


def _bool(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


_READERS = {
    ValueType.STRING: _string,
    ValueType.INT: _whole(_INT),
    ValueType.DOUBLE: _double,
    ValueType.LONG: _whole(_LONG),
    ValueType.DATETIME: _datetime,
    ValueType.BOOL: _bool,
}
_REMEDIES = {
    ValueType.STRING: "give a text",
    ValueType.INT: "give a whole number of 32 bits, or choose long",
    ValueType.DOUBLE: "give a finite number",
    ValueType.LONG: "give a whole number of 64 bits",
    ValueType.DATETIME: "give ISO 8601, such as 2026-11-01T12:00:00+00:00",
    ValueType.BOOL: "give true or false",
}


def value_at(document: Mapping[str, Any], path: str) -> Any:
    """Return what lies at a path.

    Raises
    ------
    NotFoundError
        If nothing does.
    """
    found: Any = document
    for key in parse_path(path):
        if isinstance(found, list) and isinstance(key, int) and key < len(found):
            found = found[key]
        elif isinstance(found, Mapping) and str(key) in found:
            found = found[str(key)]
        else:
            known = list(found) if isinstance(found, Mapping) else []
            raise NotFoundError(f"metadata has nothing at {path!r}; {did_you_mean(str(key), known)}")
    return found


def set_value(document: MutableMapping[str, Any], path: str, value: Any) -> None:
    """Put a value at a path, adding the objects on the way that are missing.

    Raises
    ------
    InvalidInputError
        If something on the way is neither an object nor a vector with that index.
    """
    *way, last = parse_path(path)
    place = _walk(document, way, path)
    if isinstance(place, list):
        if not isinstance(last, int) or last >= len(place):
            raise InvalidInputError(
                f"{path!r} names item {last!r} of a vector of {len(place)}; name one that exists, or append to it"
            )
        place[last] = value
    else:
        place[str(last)] = value


def vector_at(document: MutableMapping[str, Any], path: str) -> list[Any]:
    """Return the vector at a path, to be changed.

    Raises
    ------
    NotFoundError
        If there is nothing.
    InvalidInputError
        If it is not a vector.
    """
    found = value_at(document, path)
    if not isinstance(found, list):
        raise InvalidInputError(
            f"metadata at {path!r} is {type(found).__name__}, not a vector; create one at another path"
        )
    return found


def _walk(document: MutableMapping[str, Any], way: list[str | int], path: str) -> MutableMapping[str, Any] | list[Any]:
    place: Any = document
    for key in way:
        if isinstance(place, list) and isinstance(key, int) and key < len(place):
            place = place[key]
        elif isinstance(place, MutableMapping):
            place = place.setdefault(str(key), {})
        else:
            place = None
        if not isinstance(place, MutableMapping | list):
            raise InvalidInputError(
                f"{path!r} leads through {key!r}, which is a single value; remove that first, or choose another path"
            )
    found: MutableMapping[str, Any] | list[Any] = place
    return found
