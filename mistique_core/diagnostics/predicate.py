"""Predicates as people write them: ``rooms>=4`` or ``("rooms", ">=", 4)``."""

from __future__ import annotations

import json
from typing import Any

from mistique_core.errors import InvalidInputError, did_you_mean

Predicate = tuple[str, str, Any]
SYMBOLS = ("==", "!=", "<=", ">=", "<", ">")
_OPERATORS = (*SYMBOLS, "in")
_FORM = f"write COLUMN>=VALUE with one of {' '.join(SYMBOLS)}, or [column, operator, value]"


def parse_predicate(name: str, text: str) -> Predicate:
    """Parse ``column>=value``; the value is a JSON value or, failing that, a string.

    Parameters
    ----------
    name
        What the text was given as, for the error message.
    text
        The predicate. The column is the name of one in the question, or the key of any.

    Raises
    ------
    InvalidInputError
        If there is no comparison in it.
    """
    found = [(text.index(symbol), -len(symbol), symbol) for symbol in SYMBOLS if symbol in text]
    if not found:
        raise InvalidInputError(f"{name} {text!r} has no comparison; {_FORM}")
    symbol = min(found)[2]
    column, _, value = text.partition(symbol)
    if not column.strip():
        raise InvalidInputError(f"{name} {text!r} names no column; {_FORM}")
    try:
        parsed = json.loads(value.strip())
    except (ValueError, RecursionError):
        parsed = value.strip()
    return column.strip(), symbol, parsed


def check_predicates(name: str, value: Any) -> tuple[Predicate, ...]:
    """Return one or several predicates, as texts or as (column, operator, value), as a tuple of the latter.

    Raises
    ------
    InvalidInputError
        If one is malformed.
    """
    if isinstance(value, str) or _is_triple(value):
        value = [value]
    if not isinstance(value, list | tuple):
        raise InvalidInputError(f"{name}={value!r} is no list of predicates; {_FORM}")
    return tuple(_predicate(name, item) for item in value)


def _is_triple(value: Any) -> bool:
    """Whether it is one predicate rather than several texts; ``("a", "in", [1])`` has an operator in the middle."""
    return isinstance(value, list | tuple) and len(value) == 3 and isinstance(value[0], str) and value[1] in _OPERATORS


def _predicate(name: str, item: Any) -> Predicate:
    if isinstance(item, str):
        return parse_predicate(name, item)
    if not (isinstance(item, list | tuple) and len(item) == 3 and all(isinstance(part, str) for part in item[:2])):
        raise InvalidInputError(f"{name}={item!r} is no predicate; {_FORM}")
    if item[1] not in _OPERATORS:
        raise InvalidInputError(f"{name} has the unknown operator {item[1]!r}; {did_you_mean(item[1], _OPERATORS)}")
    return item[0], item[1], item[2]
