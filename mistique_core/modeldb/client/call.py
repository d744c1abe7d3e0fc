"""A call of a script that is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class TracedCall:
    """One call, before and after it was made.

    Attributes
    ----------
    target
        The estimator; ``None`` for a function.
    method
        Name of the method or the function.
    function
        What was called.
    args, kwargs
        What with.
    started_at, ended_at
        Unix seconds.
    result
        What it returned.
    error
        What it raised, in one line; ``None`` if it did not.
    before
        What was looked at before the call was made.
    """

    target: Any
    method: str
    function: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    started_at: float = 0.0
    ended_at: float = 0.0
    result: Any = None
    error: str | None = None
    before: dict[str, Any] = field(default_factory=dict)

    def argument(self, position: int, *names: str) -> Any:
        """Return an argument by its position or one of its names; ``None`` if it was not given."""
        if position < len(self.args):
            return self.args[position]
        return next((self.kwargs[name] for name in names if name in self.kwargs), None)

    def further(self, *names: str) -> dict[str, Any]:
        """Return what was given beside some arguments, which come first; by position, where it has no name."""
        named = {name: value for name, value in self.kwargs.items() if name not in names}
        return {**{str(number): value for number, value in enumerate(self.args) if number >= len(names)}, **named}

    @property
    def times(self) -> dict[str, Any]:
        """When it ran and how it failed, as arguments of an event."""
        return {"started_at": self.started_at, "ended_at": self.ended_at, "error": self.error}
