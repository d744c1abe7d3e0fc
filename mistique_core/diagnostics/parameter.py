"""One parameter of a technique: its type, its bounds, and the check of a value before anything is read."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

from mistique_core.diagnostics.predicate import Predicate, check_predicates
from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.model import ALL_COLUMNS, IntermediateKey

Kind = Literal[
    "column", "columns", "keys", "row", "rows", "integer", "number", "boolean", "choice", "label", "where"
]  # fmt: skip
Value = (
    None
    | bool
    | int
    | float
    | str
    | IntermediateKey
    | tuple[IntermediateKey, ...]
    | tuple[int, ...]
    | tuple[Predicate, ...]
)

_PART = r"[^.@*]+"
_INTERMEDIATE = rf"{_PART}\.{_PART}(@[1-9][0-9]*)?\.{_PART}"
_ONE_COLUMN = rf"^{_INTERMEDIATE}\.(?!\*$).+$"
_ANY_KEY = rf"^{_INTERMEDIATE}(\..+)?$"
_SHAPES: dict[Kind, dict[str, Any]] = {
    "column": {"type": "string", "pattern": _ONE_COLUMN},
    "columns": {"type": "array", "items": {"type": "string", "pattern": _ONE_COLUMN}},
    "keys": {"type": "array", "items": {"type": "string", "pattern": _ANY_KEY}},
    "row": {"type": "integer"},
    "rows": {"type": "array", "items": {"type": "integer"}},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "choice": {"type": "string"},
    "label": {"type": ["string", "number", "boolean"]},
    "where": {"type": "array", "items": {"type": ["string", "array"]}},
}
LISTS: frozenset[Kind] = frozenset({"columns", "keys", "rows", "where"})


@dataclass(frozen=True)
class Parameter:
    """One parameter of a technique.

    Attributes
    ----------
    name
        As in the function's signature.
    kind
        ``column``: the key of one column. ``columns``: one or several of them. ``keys``: keys of columns or of whole
        intermediates. ``row``, ``rows``: row ids. ``integer``, ``number``, ``boolean``. ``choice``: one of `choices`.
        ``label``: the value of a class or group. ``where``: predicates, see :mod:`mistique_core.diagnostics.predicate`.
    help
        One sentence for people.
    required
        Whether it must be given.
    default
        Its value otherwise.
    choices
        Of a ``choice``.
    minimum, maximum
        Bounds of numbers, inclusive.
    above
        Bound of a number, exclusive.
    arrays
        Whether a call from Python may pass a NumPy array in place of a key.
    """

    name: str
    kind: Kind
    help: str
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    arrays: bool = False

    @property
    def title(self) -> str:
        """The name for people."""
        return self.name.replace("_", " ").capitalize()

    @property
    def is_list(self) -> bool:
        """Whether it takes several values."""
        return self.kind in LISTS

    @property
    def json_schema(self) -> dict[str, Any]:
        """Its JSON schema (draft 2020-12); ``null`` stands for the default, unless it is required."""
        schema = {"title": self.title, "description": self.help, **_SHAPES[self.kind]}
        if self.choices:
            schema["enum"] = [*self.choices] if self.required else [*self.choices, None]
        if self.required and self.is_list:
            schema["minItems"] = 1
        bounds = {"minimum": self.minimum, "maximum": self.maximum, "exclusiveMinimum": self.above}
        schema.update({name: bound for name, bound in bounds.items() if bound is not None})
        if not self.required:
            schema["default"] = list(self.default) if isinstance(self.default, tuple) else self.default
            types = schema["type"]
            schema["type"] = ["null", *([types] if isinstance(types, str) else types)]
        return schema

    def check(self, value: Any) -> Value:
        """Return the value in the form in which a technique takes it.

        Keys are parsed; lists become tuples; one key or row is taken as a list of one.

        Raises
        ------
        InvalidInputError
            If the value has the wrong type or is out of bounds; the message names parameter, value and remedy.
        """
        if value is None and not self.required:
            return self.default  # type: ignore[no-any-return]
        if self.arrays and hasattr(value, "__array__"):
            return value  # type: ignore[no-any-return]
        return _CHECKS[self.kind](self, value)

    def refusal(self, value: Any, why: str) -> InvalidInputError:
        """Return the error that says why a value cannot be used."""
        return InvalidInputError(f"{self.name}={reprlib.repr(value)} {why}")


def _key(parameter: Parameter, value: Any) -> IntermediateKey:
    if not isinstance(value, str | IntermediateKey):
        raise parameter.refusal(value, "is not a key; write project.model.intermediate.column in quotes")
    try:
        return IntermediateKey.parse(value)
    except InvalidInputError as error:
        raise InvalidInputError(f"{parameter.name}: {error}") from None


def _column(parameter: Parameter, value: Any) -> IntermediateKey:
    key = _key(parameter, value)
    if key.column == ALL_COLUMNS:
        raise parameter.refusal(str(value), "names all columns, where one is needed; add the column's name to the key")
    return key


def _columns(parameter: Parameter, value: Any) -> tuple[IntermediateKey, ...]:
    return tuple(_column(parameter, item) for item in _items(parameter, value, "keys"))


def _keys(parameter: Parameter, value: Any) -> tuple[IntermediateKey, ...]:
    return tuple(_key(parameter, item) for item in _items(parameter, value, "keys"))


def _items(parameter: Parameter, value: Any, what: str) -> Sequence[Any]:
    if isinstance(value, str | IntermediateKey):
        return [value]
    items = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(items, list | tuple | range):
        raise parameter.refusal(value, f"is not a list of {what}; write one item a line, or [...] in JSON")
    if parameter.required and not items:
        raise parameter.refusal(value, f"is empty; give at least one of the {what}")
    return items


def _row(parameter: Parameter, value: Any) -> int:
    if isinstance(value, list | tuple) and len(value) == 1:
        return _row(parameter, value[0])
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise parameter.refusal(value, "is not a row_id; give an integer")
    return int(value)


def _rows(parameter: Parameter, value: Any) -> tuple[int, ...]:
    if isinstance(value, Integral) and not isinstance(value, bool):
        return (int(value),)
    if isinstance(value, str):
        raise parameter.refusal(value, "is not a list of row ids; write [3, 17]")
    return tuple(_row(parameter, item) for item in _items(parameter, value, "row ids"))


def _integer(parameter: Parameter, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise parameter.refusal(value, f"is not an integer; give one{_range(parameter)}")
    return int(_bounded(parameter, value))


def _number(parameter: Parameter, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise parameter.refusal(value, f"is not a finite number; give one{_range(parameter)}")
    return float(_bounded(parameter, value))


def _bounded(parameter: Parameter, value: Any) -> Any:
    low, high, above = parameter.minimum, parameter.maximum, parameter.above
    if (
        (low is not None and value < low)
        or (high is not None and value > high)
        or (above is not None and value <= above)
    ):
        raise parameter.refusal(
            value,
            f"is out of range; give {'an integer' if parameter.kind == 'integer' else 'a number'}{_range(parameter)}",
        )
    return value


def _range(parameter: Parameter) -> str:
    limits = [("of at least", parameter.minimum), ("above", parameter.above), ("of at most", parameter.maximum)]
    told = [f"{word} {limit:g}" for word, limit in limits if limit is not None]
    return f" {' and '.join(told)}" if told else ""


def _boolean(parameter: Parameter, value: Any) -> bool:
    if not isinstance(value, bool):
        raise parameter.refusal(value, "is not a truth value; give true or false")
    return value


def _choice(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str) or value not in parameter.choices:
        close = did_you_mean(value, parameter.choices) if isinstance(value, str) else "give a string"
        raise parameter.refusal(value, f"is unknown; use one of {', '.join(parameter.choices)} ({close})")
    return value


def _label(parameter: Parameter, value: Any) -> bool | int | float | str:
    plain = value.item() if hasattr(value, "item") else value
    if not isinstance(plain, bool | int | float | str):
        raise parameter.refusal(value, "is no value of a column; give a string, a number, true or false")
    return plain


def _where(parameter: Parameter, value: Any) -> tuple[Predicate, ...]:
    return check_predicates(parameter.name, value)


_CHECKS: dict[Kind, Callable[[Parameter, Any], Value]] = {
    "column": _column,
    "columns": _columns,
    "keys": _keys,
    "row": _row,
    "rows": _rows,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "choice": _choice,
    "label": _label,
    "where": _where,
}
