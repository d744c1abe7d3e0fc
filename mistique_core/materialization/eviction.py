"""Making room under a budget: the lowest gamma goes first, and only for what is clearly worth more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mistique_core.materialization.candidate import Part

HYSTERESIS = 1.5
"""What comes must be worth so many times what goes. Two that take turns are asked for equally often, in the long run:
neither ever reaches one and a half times the other's gamma; each exchange needs half as many queries again."""


@dataclass(frozen=True)
class Holder:
    """Columns that are kept and could go.

    Attributes
    ----------
    part
        Which.
    gamma
        What keeping them saves, in seconds per GB.
    chunks
        Chunks that they refer to.
    """

    part: Part
    gamma: float
    chunks: frozenset[int]


def worth_of(holder: Holder) -> float:
    """Return the gamma from which on something may take a holder's place."""
    return holder.gamma * HYSTERESIS


def make_room(
    excess_bytes: int, holders: Sequence[Holder], fixed: Collection[int], chunk_bytes: Mapping[int, int]
) -> list[Holder] | None:
    """Return which holders have to go.

    Parameters
    ----------
    excess_bytes
        Bytes that have to be freed.
    holders
        What could go.
    fixed
        Chunks that what cannot go, and what comes, refer to.
    chunk_bytes
        Chunk -> encoded bytes.

    Returns
    -------
    list or None
        As few as are needed of the lowest gamma, lowest first; ``None`` where all together free too little.
    """
    users = Counter(chunk for holder in holders for chunk in holder.chunks)
    users.update(dict.fromkeys(fixed, len(holders) + 1))
    going: list[Holder] = []
    freed = 0
    for holder in sorted(holders, key=lambda item: (item.gamma, item.part)):
        if freed >= excess_bytes:
            break
        users.subtract(holder.chunks)
        freed += sum(chunk_bytes[chunk] for chunk in holder.chunks if not users[chunk])
        going.append(holder)
    if freed < excess_bytes:
        return None
    for holder in list(reversed(going)):  # one that a later, larger one made superfluous stays
        back = sum(chunk_bytes[chunk] for chunk in holder.chunks if not users[chunk])
        if freed - back >= excess_bytes:
            going.remove(holder)
            users.update(holder.chunks)
            freed -= back
    return going
