"""What a check finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "missing file",
    "wrong size",
    "misplaced chunk",
    "broken difference",
    "incomplete column",
    "wrong column",
    "incomplete frame",
    "wrong frame",
    "lost object",
    "damaged chunk",
    "damaged file",
]

_SHOWN = 6


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be.

    Attributes
    ----------
    kind
        Which sort of thing.
    what
        What is wrong, with names, one line.
    remedy
        What to do about it, one line.
    """

    kind: Kind
    what: str
    remedy: str


@dataclass(frozen=True)
class CheckReport:
    """What a check looked at and found.

    Attributes
    ----------
    problems
        What is wrong; empty when the store is clean.
    partitions, chunks, column_versions, intermediates
        Numbers of rows that were looked at.
    partition_bytes
        Bytes of all partition files.
    waiting_files, waiting_bytes
        Files of removed partitions that ``gc`` will delete; no problem.
    orphans, orphan_bytes
        Files that no transaction made visible; no problem.
    open_writes
        Writes in progress, as ``host:pid``.
    covered, covered_bytes
        Partition files that were read and verified byte by byte.
    is_complete
        Whether these are all that were asked for; a check with a time limit goes on where it stopped.
    """

    problems: tuple[Problem, ...]
    partitions: int
    chunks: int
    column_versions: int
    intermediates: int
    partition_bytes: int
    waiting_files: int
    waiting_bytes: int
    orphans: int
    orphan_bytes: int
    open_writes: tuple[str, ...]
    covered: int = 0
    covered_bytes: int = 0
    is_complete: bool = True

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def shown(names: Iterable[str], separator: str = ", ") -> str:
    """Return names in order, each once; many are cut short and counted."""
    listed = list(dict.fromkeys(names))
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return separator.join(listed[:_SHOWN]) + more
