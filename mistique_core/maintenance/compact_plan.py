"""Which partitions to rewrite, and what goes together: pure functions over sizes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PartitionFact:
    """One partition.

    Attributes
    ----------
    id
        Its row.
    bytes
        Length of its file.
    dead_bytes
        Encoded bytes of those chunks in the file that the catalogue does not look for there.
    """

    id: int
    bytes: int
    dead_bytes: int


@dataclass(frozen=True)
class Chunks:
    """Live chunks of one partition that are moved together.

    Attributes
    ----------
    partition
        Where they are.
    chunks
        Their ids, in the order of the file; none where a file holds descriptions only.
    bytes
        Their encoded bytes.
    """

    partition: int
    chunks: tuple[int, ...]
    bytes: int


def is_wasteful(fact: PartitionFact, max_dead: float) -> bool:
    """Return whether more than a share `max_dead` of a file is dead."""
    return fact.dead_bytes > max_dead * fact.bytes


def choose_sources(
    facts: Iterable[PartitionFact], *, max_dead: float, small_bytes: int, forced: Collection[int] = ()
) -> tuple[set[int], set[int]]:
    """Return (partitions to rewrite, small partitions that may be merged with them or each other).

    One small partition alone stays as it is: a store always has a last one that is not full.
    """
    rewritten, small = set(forced), set[int]()
    for fact in facts:
        if is_wasteful(fact, max_dead):
            rewritten.add(fact.id)
        elif fact.bytes < small_bytes and fact.id not in rewritten:
            small.add(fact.id)
    if not rewritten and len(small) < 2:
        return set(), set()
    return rewritten, small


def plan_bins(
    sources: Mapping[int, Sequence[tuple[int, int]]],
    related: Iterable[tuple[int, int]],
    rewritten: Collection[int],
    limit: int,
) -> list[list[Chunks]]:
    """Return what goes into each new partition.

    What lies in one partition stays together, and so does, where it fits, what lies in two partitions
    of which one holds differences to chunks of the other. Groups are packed first-fit, largest first:
    at most one new partition is less than half full. A bin that would only copy one partition as it is
    is left out.

    Parameters
    ----------
    sources
        Partition -> (chunk, bytes) of its live chunks, in the order of the file.
    related
        Pairs of partitions with similar chunks.
    rewritten
        Partitions that are to be rewritten in any case.
    limit
        Most bytes of a new partition; a single chunk may exceed it.
    """
    groups = _join(_pieces(sources, limit), related, limit)
    groups.sort(key=lambda group: (-_size(group), group[0].partition, group[0].chunks))
    bins: list[list[Chunks]] = []
    for group in groups:
        place = next((bin_ for bin_ in bins if _size(bin_) + _size(group) <= limit), None)
        if place is None:
            bins.append(list(group))
        else:
            place += group
    wanted = set(rewritten)
    return [
        sorted(bin_, key=lambda item: (item.partition, item.chunks))
        for bin_ in bins
        if len({item.partition for item in bin_}) > 1 or not wanted.isdisjoint(item.partition for item in bin_)
    ]


def _size(group: Iterable[Chunks]) -> int:
    return sum(item.bytes for item in group)


def _pieces(sources: Mapping[int, Sequence[tuple[int, int]]], limit: int) -> list[Chunks]:
    """Cut what is larger than a partition, between chunks."""
    pieces = []
    for partition, chunks in sorted(sources.items()):
        taken: list[int] = []
        size = 0
        for chunk, length in chunks:
            if taken and size + length > limit:
                pieces.append(Chunks(partition, tuple(taken), size))
                taken, size = [], 0
            taken.append(chunk)
            size += length
        pieces.append(Chunks(partition, tuple(taken), size))
    return pieces


def _join(pieces: Sequence[Chunks], related: Iterable[tuple[int, int]], limit: int) -> list[list[Chunks]]:
    """Put pieces of related partitions into one group where that fits."""
    groups: dict[int, list[Chunks]] = {number: [piece] for number, piece in enumerate(pieces)}
    place: dict[int, int] = {}
    for number, piece in enumerate(pieces):
        place.setdefault(piece.partition, number)
    for first, second in sorted(set(related)):
        if first not in place or second not in place or place[first] == place[second]:
            continue
        kept, moved = place[first], place[second]
        if _size(groups[kept]) + _size(groups[moved]) > limit:
            continue
        groups[kept] += groups.pop(moved)
        place.update({partition: kept for partition, number in place.items() if number == moved})
    return list(groups.values())
