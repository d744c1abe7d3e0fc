"""What a filter says, as plain values: conditions on a run, an order and a limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Operator(StrEnum):
    """How a field is compared with a value."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="


@dataclass(frozen=True)
class Field:
    """What a condition is about.

    Attributes
    ----------
    group
        ``metrics``, ``params``, ``tags`` or ``metadata``; "" for a fact of the run itself.
    name
        Name in the group, or of the fact.
    """

    group: str
    name: str


@dataclass(frozen=True)
class Now:
    """The moment of asking, moved by `seconds`."""

    seconds: float = 0.0


Value = int | float | str | bool | Now


@dataclass(frozen=True)
class Comparison:
    """A value of the field that compares so exists."""

    field: Field
    operator: Operator
    value: Value


@dataclass(frozen=True)
class OneOf:
    """A value of the field that is among the values (or, negated, is not) exists."""

    field: Field
    values: tuple[Value, ...]
    is_negated: bool = False


@dataclass(frozen=True)
class Like:
    """A text of the field that matches the pattern (or, negated, does not) exists; ``%`` any text, ``_`` one letter."""

    field: Field
    pattern: str
    is_negated: bool = False


@dataclass(frozen=True)
class IsNull:
    """The field has no value (or, negated, has one)."""

    field: Field
    is_negated: bool = False


@dataclass(frozen=True)
class HasTag:
    """The run, or a model version that it made, carries the tag."""

    field: Field


@dataclass(frozen=True)
class Not:
    """The condition does not hold."""

    condition: Condition


@dataclass(frozen=True)
class And:
    """All conditions hold."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Or:
    """At least one condition holds."""

    conditions: tuple[Condition, ...]


Condition = Comparison | OneOf | Like | IsNull | HasTag | Not | And | Or


@dataclass(frozen=True)
class Order:
    """One key of the order; runs without a value come last in either direction."""

    field: Field
    is_descending: bool = False


@dataclass(frozen=True)
class FilterQuery:
    """A whole filter.

    Attributes
    ----------
    where
        The condition; ``None`` for all runs.
    order
        Keys, the most important first; empty for newest first.
    limit
        Most runs to return, over all pages; ``None`` for all.
    """

    where: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None

    def fields(self) -> tuple[Field, ...]:
        """Return the fields that it names, each once, in order."""
        named = [] if self.where is None else list(_fields(self.where))
        return tuple(dict.fromkeys([*named, *(key.field for key in self.order)]))


def _fields(condition: Condition) -> Iterator[Field]:
    if isinstance(condition, Not):
        yield from _fields(condition.condition)
    elif isinstance(condition, And | Or):
        for part in condition.conditions:
            yield from _fields(part)
    else:
        yield condition.field
