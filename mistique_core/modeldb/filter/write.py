"""Write a syntax tree as the text of a filter, which gives the same tree when it is read."""

from __future__ import annotations

import re

from mistique_core.modeldb.filter.syntax import (
    And,
    Comparison,
    Condition,
    Field,
    FilterQuery,
    HasTag,
    IsNull,
    Like,
    Not,
    Now,
    OneOf,
    Or,
    Value,
)

_PLAIN = re.compile(r"\w+(?:\.\w+)*")


def write_filter(query: FilterQuery) -> str:
    """Return the text of a filter."""
    parts = []
    if query.where is not None:
        parts.append(write_condition(query.where))
    if query.order:
        keys = (write_field(key.field) + (" desc" if key.is_descending else "") for key in query.order)
        parts.append("order by " + ", ".join(keys))
    if query.limit is not None:
        parts.append(f"limit {query.limit}")
    return " ".join(parts)


def write_condition(condition: Condition) -> str:
    """Return the text of a condition."""
    match condition:
        case And(conditions):
            return " and ".join(map(_operand, conditions))
        case Or(conditions):
            return " or ".join(map(_operand, conditions))
        case Not(inner):
            return f"not {_operand(inner)}"
        case Comparison(field, operator, value):
            return f"{write_field(field)} {operator} {_value(value)}"
        case OneOf(field, values, is_negated):
            listed = ", ".join(map(_value, values))
            return f"{write_field(field)} {'not ' if is_negated else ''}in ({listed})"
        case Like(field, pattern, is_negated):
            return f"{write_field(field)} {'not ' if is_negated else ''}like {_value(pattern)}"
        case IsNull(field, is_negated):
            return f"{write_field(field)} is {'not ' if is_negated else ''}null"
        case HasTag(field):
            return write_field(field)


def write_field(field: Field) -> str:
    """Return a field as it is named in a filter."""
    if not field.group:
        return field.name
    name = field.name if _PLAIN.fullmatch(field.name) else '"' + field.name.replace('"', '""') + '"'
    return f"{field.group}.{name}"


def _operand(condition: Condition) -> str:
    text = write_condition(condition)
    return f"({text})" if isinstance(condition, And | Or) else text


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, Now):
        return "now" if value.seconds == 0 else f"now {'-' if value.seconds < 0 else '+'} {abs(value.seconds)!r}s"
    return repr(value)
