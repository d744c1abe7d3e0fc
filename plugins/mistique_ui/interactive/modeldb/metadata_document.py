"""Edited metadata against what was there: keys that stay, and values that keep their type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mistique_core.errors import InvalidInputError

LOCKED = ("MODELDB_model_id", "MODELDB_date_created", "search", "trial")
"""Keys that the system writes: of the original ModelDB, and those of a trial of a search."""
MOST_CHARACTERS = 200_000


def read_document(text: str) -> dict[str, Any]:
    """Return the JSON object that a text is.

    Raises
    ------
    InvalidInputError
        If it is none; the message names line and column.
    """
    try:
        found = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise InvalidInputError(
            f"line {error.lineno}, column {error.colno}: {error.msg}; write a JSON object"
        ) from error
    except InvalidInputError:
        raise
    except ValueError as error:
        raise InvalidInputError(f"the metadata cannot be read: {error}; write shorter numbers") from error
    except RecursionError as error:
        raise InvalidInputError("the metadata are nested too deeply; write fewer levels") from error
    if not isinstance(found, dict):
        raise InvalidInputError(f"metadata must be a JSON object, not {_kind(found)}; write {{...}}")
    return found


def check_edit(before: Mapping[str, Any], after: Mapping[str, Any], *, may_change_types: bool) -> None:
    """Refuse an edit that changes a locked key, or the type of a value.

    Parameters
    ----------
    before, after
        The documents.
    may_change_types
        Whether values may get another type.

    Raises
    ------
    InvalidInputError
        If the edit is refused; it names the key.
    """
    for key in LOCKED:
        if before.get(key) != after.get(key):
            raise InvalidInputError(f"{key!r} is locked; leave it as it was")
    if not may_change_types:
        _same_types("", before, after)


def _same_types(path: str, before: Any, after: Any) -> None:
    if before is not None and after is not None and _kind(before) != _kind(after):
        raise InvalidInputError(
            f"{path!r} was {_kind(before)} and would become {_kind(after)}; give one of the same type, or allow others"
        )
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in before.keys() & after.keys():
            _same_types(f"{path}.{key}" if path else str(key), before[key], after[key])


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    for types, name in (((int, float), "a number"), (str, "a text"), (list, "a list"), (Mapping, "an object")):
        if isinstance(value, types):
            return name
    return "null"


def _refuse(name: str) -> Any:
    raise InvalidInputError(f"{name} is no JSON; write a number, a text or null")
