"""What a policy decides about: columns of an intermediate that are judged together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

Part = tuple[int, tuple[int, ...]]
"""(intermediate, positions of columns)."""


@dataclass(frozen=True)
class Candidate:
    """Columns of an intermediate that could be re-run instead of being kept.

    Attributes
    ----------
    id
        The intermediate.
    columns
        Positions of the columns.
    read_seconds
        Estimate of reading them.
    stored_bytes
        Amortised encoded bytes, S(i, c) of thesis Eq. 5.5: of what several hold, a share.
    queries
        Queries made to them so far.
    chunks
        Ids of all chunks that keeping them takes.
    """

    id: int
    columns: tuple[int, ...]
    read_seconds: float
    stored_bytes: float
    queries: int
    chunks: frozenset[int] = field(default=frozenset())

    @property
    def part(self) -> Part:
        """What identifies it."""
        return self.id, self.columns


def levels(queries: Sequence[int]) -> list[tuple[int, tuple[int, ...]]]:
    """Group columns that were asked for equally often, and so, mostly, together: they pay together or not at all.

    Parameters
    ----------
    queries
        How often each column was asked for, by position.

    Returns
    -------
    list of tuple
        (queries, positions), the most asked for first.
    """
    found: dict[int, list[int]] = defaultdict(list)
    for position, count in enumerate(queries):
        found[count].append(position)
    return [(count, tuple(found[count])) for count in sorted(found, reverse=True)]
