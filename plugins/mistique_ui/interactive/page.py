"""What one interactive page is: an address, a layout, and callbacks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from mistique_core.errors import InvalidInputError
from mistique_core.model.whole_number import whole_number

if TYPE_CHECKING:
    from dash import Dash

    from mistique_ui.interactive.viewer import Viewer

MOST = 2**31 - 1
"""Largest number that an address may hold: what the database's integers hold."""


@dataclass(frozen=True)
class Arguments:
    """What the address of a page says.

    Attributes
    ----------
    path
        Values of the placeholders of :attr:`Page.path`.
    query
        The first value of each name behind the question mark.
    """

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    def number(self, name: str, default: int | None = None) -> int:
        """Return a whole number from the path or the query.

        Raises
        ------
        InvalidInputError
            If it is missing and has no default, or is no number that a row can have.
        """
        text = self.path.get(name, self.query.get(name, ""))
        if not text and default is not None:
            return default
        number = whole_number(text)
        if number is None:
            raise InvalidInputError(f"{name}={text[:80]!r} is no number; open the page from a link of another page")
        return number

    def numbers(self, name: str, at_most: int = 1_000) -> list[int]:
        """Return the numbers of a list such as ``1,2,7-12``, empty where the name is missing.

        Raises
        ------
        InvalidInputError
            If it is no such list, or longer than `at_most`.
        """
        text = self.query.get(name, "")
        parts = [part.strip() for part in text.split(",")] if text.strip() else []
        found: list[int] = []
        for part in parts:
            first, dash, last = part.partition("-")
            low, high = whole_number(first.strip()), whole_number((last if dash else first).strip())
            if low is None or high is None or low > high:
                raise InvalidInputError(f"{name}={text[:80]!r} is no list of numbers; write them as 1,2,7-12")
            size = len(found) + high - low + 1
            if size > at_most:
                raise InvalidInputError(f"{size} {name} are too many; name at most {at_most}")
            found += range(low, high + 1)
        return found


def written(numbers: Iterable[int]) -> str:
    """Return ascending numbers as an address says them: ``1,2,7-12``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(
        str(low) if low == high else f"{low},{high}" if high == low + 1 else f"{low}-{high}" for low, high in runs
    )


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes
    ----------
    path
        Address below the interactive pages, with placeholders: ``/projects/{project_id}``.
    section
        Entry of the navigation that is marked; see :data:`mistique_ui.navigation.SECTIONS`.
    title
        Of the browser's tab.
    layout
        Makes the page's content; may raise :class:`~mistique_core.errors.MistiqueError` or ``HTTPException``, which
        are shown in its place.
    register
        Adds the page's callbacks; ids of components begin with the page's name, since all pages share one application.
    """

    path: str
    section: str
    title: str
    layout: Callable[[Viewer, Arguments], Any]
    register: Callable[[Dash], None] | None = None

    def match(self, path: str) -> dict[str, str] | None:
        """Return the values of the placeholders, or ``None`` where the address is another page's."""
        found = self._pattern.fullmatch(path)
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = re.split(r"\{(\w+)\}", self.path)
        return re.compile("".join(f"(?P<{part}>[^/]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts)))
