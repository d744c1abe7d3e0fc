"""What is wrong with a file that a person wrote: where, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mistique_core.errors import InvalidInputError

Path = tuple[str | int, ...]
"""Keys and positions that lead to a value of the document."""


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake.

    Attributes
    ----------
    line
        Line of the key or item, from 1.
    place
        Path with dots, such as ``stages.split.params.test_size``; "" for the document.
    text
        What is wrong, and what to do.
    """

    line: int
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


class DocumentError(InvalidInputError):
    """A file that a person wrote cannot be used; the message lists every problem, one a line.

    Parameters
    ----------
    source
        Name of the file, for people.
    problems
        All that is wrong, at least one.
    """

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(f"{source}:{problem.line}: {problem}" for problem in self.problems))

    def __reduce__(self) -> tuple[type[DocumentError], tuple[str, tuple[Problem, ...]]]:
        return type(self), (self.source, self.problems)


class WorkflowSpecificationError(DocumentError):
    """A workflow's file cannot be used."""
