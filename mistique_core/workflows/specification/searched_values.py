"""The values that a search may give to one parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

SEARCHED_SCHEMA: dict[str, Any] = {
    "description": "Values to choose from, or a range",
    "anyOf": [
        {"type": "array", "minItems": 1},
        {
            "type": "object",
            "properties": {
                "low": {"description": "Least value", "type": "number"},
                "high": {"description": "Greatest value, which is included", "type": "number"},
                "step": {"description": "Only low, low + step, and so on", "type": "number"},
                "log": {"description": "Whether orders of magnitude are equally likely", "type": "boolean"},
                "type": {
                    "description": "Default: whole numbers if the parameter and the range are whole",
                    "enum": ["integer", "number"],
                },
            },
            "required": ["low", "high"],
            "additionalProperties": False,
        },
    ],
}
"""JSON schema of the values of one parameter."""


@dataclass(frozen=True)
class SearchedValues:
    """A list of values, or a range of numbers.

    Attributes
    ----------
    values
        JSON values in the order of the file; ``None`` for a range.
    low, high
        Bounds of the range, both included.
    step
        Distance between its values; ``None`` for all between the bounds. Of whole numbers it is 1 at least.
    log
        Whether its logarithm is what varies evenly.
    integer
        Whether its values are whole numbers.
    """

    values: tuple[Any, ...] | None = None
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    integer: bool = False

    @classmethod
    def from_json(cls, value: list[Any] | Mapping[str, Any], parameter: Any) -> SearchedValues:
        """Return what a value that matches the schema means for a parameter whose value in the file is `parameter`."""
        if isinstance(value, list):
            return cls(values=tuple(value))
        given = dict(value)
        numbers = [given[name] for name in ("low", "high", "step") if name in given]
        kind = given.pop("type", None)
        whole = all(_is_whole(number) for number in (*numbers, parameter))
        return cls(**given, integer=kind == "integer" or (kind is None and whole))

    @property
    def size(self) -> int | None:
        """Number of values; ``None`` if a range has no steps."""
        if self.values is not None:
            return len(self.values)
        if self.log or (self.step is None and not self.integer):
            return None
        low, high, step = self._decimals()
        return int((high - low) / step) + 1

    def at(self, position: int) -> Any:
        """Return one of the values, by its position from 0; only where :attr:`size` is a number."""
        if self.values is not None:
            return self.values[position]
        low, _, step = self._decimals()
        return int(low + step * position) if self.integer else float(low + step * position)

    def _decimals(self) -> tuple[Decimal, Decimal, Decimal]:
        """Return low, high and step as decimals, as a person counts: 0.1, 0.2, 0.3, and not 0.30000000000000004."""
        return Decimal(str(self.low)), Decimal(str(self.high)), Decimal(str(self.step or 1))

    def examples(self) -> tuple[Any, ...]:
        """Return values of every type that may be chosen."""
        if self.values is not None:
            return self.values
        return (int(self.low),) if self.integer else (float(self.low),)

    def to_json(self) -> Any:
        """Return the values as the file gives them."""
        if self.values is not None:
            return list(self.values)
        made: dict[str, Any] = {"low": self.low, "high": self.high}
        if self.step is not None:
            made["step"] = self.step
        if self.log:
            made["log"] = True
        return {**made, "type": "integer" if self.integer else "number"}

    def problem(self) -> str | None:
        """Return what is wrong with the values themselves, if anything."""
        if self.values is not None:
            texts = [repr(value) for value in self.values]
            twice = next((text for number, text in enumerate(texts) if text in texts[:number]), None)
            return None if twice is None else f"{twice} is there twice; remove one"
        numbers = {"low": self.low, "high": self.high, "step": self.step}
        if not self.low < self.high:
            return f"low={self.low} is not below high={self.high}; swap them, or write a list of one value"
        if self.step is not None and self.step <= 0:
            return f"step={self.step} is no distance; give a number above 0"
        fraction = next((name for name, number in numbers.items() if not (number is None or _is_whole(number))), None)
        if self.integer and fraction is not None:
            return f"{fraction}={numbers[fraction]} is no whole number; write one, or type: number"
        if self.log and self.low <= 0:
            return f"low={self.low} has no logarithm; give a number above 0, or leave out log"
        if self.log and self.step is not None:
            return "a range has either log or step; remove one, or write a list"
        return None


def _is_whole(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)
