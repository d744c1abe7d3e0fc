"""Compacting: partitions with much dead space, and small ones, are written anew, full and without waste.

The order is that of every write: new partitions are durable first, then one transaction moves the rows
of their chunks and remembers the old files for the grace period of ``gc``, so that readers that have just
looked up where a chunk lies still find it. Chunks are not encoded anew (but for those of format version 1);
each is verified before it is copied, and a damaged one stays where it is.
"""

from __future__ import annotations

import logging
import os
import platform
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa

from mistique_core import telemetry
from mistique_core.catalogue.chunks import chunks_by_id
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.open_writes import begin_write, end_write
from mistique_core.catalogue.tables import chunk, partition
from mistique_core.config import StoreConfig
from mistique_core.errors import CorruptPartitionError, InvalidInputError, NotFoundError
from mistique_core.maintenance.compact_plan import Chunks, PartitionFact, choose_sources, plan_bins
from mistique_core.maintenance.damage import Damage, describe
from mistique_core.maintenance.move import Source, Written, build, move_rows, put
from mistique_core.maintenance.problems import Problem
from mistique_core.maintenance.progress import Progress, no_progress
from mistique_core.maintenance.snapshot import snapshot
from mistique_core.partition import scan_partition
from mistique_core.storage import StorageBackend

log = logging.getLogger(__name__)

DEFAULT_MAX_DEAD = 0.05
DEFAULT_SMALL_BYTES = 8 * 1024 * 1024
_MOST_TRIES = 3


@dataclass(frozen=True)
class CompactReport:
    """What compacting did, or would do.

    Attributes
    ----------
    removed
        Names of the partitions whose chunks were moved; ``gc`` deletes their files.
    removed_bytes
        Lengths of their files.
    written
        Names of the new partitions.
    written_bytes
        Lengths of their files.
    moved_chunks
        Number of chunks that were copied.
    upgraded_chunks
        How many of them were encoded anew, because they were of format version 1.
    problems
        Damaged chunks, which were left where they are.
    dry_run
        Whether nothing was changed.
    """

    removed: tuple[str, ...]
    removed_bytes: int
    written: tuple[str, ...]
    written_bytes: int
    moved_chunks: int
    upgraded_chunks: int
    problems: tuple[Problem, ...]
    dry_run: bool


@dataclass
class _Work:
    """What was done so far."""

    removed: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    moved: set[int] = field(default_factory=set)
    upgraded: int = 0
    damage: Damage = field(default_factory=Damage)


def compact(
    catalogue: Catalogue,
    backend: StorageBackend,
    config: StoreConfig,
    *,
    max_dead: float = DEFAULT_MAX_DEAD,
    small_bytes: int = DEFAULT_SMALL_BYTES,
    rewrite: Sequence[str] = (),
    dry_run: bool = False,
    now: float | None = None,
    progress: Progress = no_progress,
) -> CompactReport:
    """Rewrite wasteful partitions and merge small ones.

    Parameters
    ----------
    catalogue, backend, config
        The store; new partitions hold up to ``partition_bytes``.
    max_dead
        Largest share of a file that may be dead, 0 to 1.
    small_bytes
        Partitions below this size are merged; at most half of ``partition_bytes`` counts.
    rewrite
        Names, or beginnings of names, of partitions that are to be rewritten in any case.
    dry_run
        Change nothing, but read and verify everything, so that the report is that of the real run.
    now
        Unix seconds; default the clock of this host.
    progress
        Told (done, total) bytes.

    Raises
    ------
    InvalidInputError
        If a limit is out of range.
    NotFoundError
        If a name in `rewrite` is that of no partition.
    StorageError
        If a new partition cannot be written; what was finished before stays done.
    """
    if not 0 <= max_dead <= 1:
        raise InvalidInputError(f"max_dead={max_dead!r} is no share from 0 to 1; 0.05 is the default")
    if not small_bytes >= 0:
        raise InvalidInputError(f"small_bytes={small_bytes!r} is not a number from 0; give bytes")
    sources = _sources(catalogue)
    forced = {item for name in rewrite for item in _named(sources, name)}
    small = min(small_bytes, config.partition_bytes // 2)
    facts = [PartitionFact(item.id, item.bytes, _dead_bytes(backend, item, max_dead)) for item in sources.values()]
    rewritten, merged = choose_sources(facts, max_dead=max_dead, small_bytes=small, forced=forced)
    chosen = {item: [(c.id, c.location.size) for c in sources[item].chunks] for item in rewritten | merged}
    owners = {c.id: item for item in chosen for c in sources[item].chunks}
    bases = [(c.base, item) for item in chosen for c in sources[item].chunks]
    related = [(owners[base], item) for base, item in bases if base is not None and base in owners]
    bins = plan_bins(chosen, related, rewritten, config.partition_bytes)
    work = _Work()
    total, done = sum(piece.bytes for bin_ in bins for piece in bin_), 0
    with _announced(catalogue, dry_run) as beat:
        for bin_ in bins:
            beat()
            _rewrite(catalogue, backend, config, bin_, sources, work, dry_run, now)
            done += sum(piece.bytes for piece in bin_)
            progress(done, total)
    report = CompactReport(
        tuple(sorted(work.removed)),
        sum(work.removed.values()),
        tuple(sorted(work.written)),
        sum(work.written.values()),
        len(work.moved),
        work.upgraded,
        tuple(describe(catalogue, backend, work.damage)),
        dry_run,
    )
    if not dry_run:
        telemetry.report(
            "compact",
            removed_bytes=report.removed_bytes,
            written_bytes=report.written_bytes,
            moved_chunks=report.moved_chunks,
            problems=len(report.problems),
        )
    return report


def _sources(catalogue: Catalogue) -> dict[int, Source]:
    """Return every partition with its chunks, in the order of the file."""
    found: dict[int, Source] = {}
    with snapshot(catalogue) as connection:
        for row in connection.execute(sa.select(partition).order_by(partition.c.id)).all():
            found[int(row.id)] = Source(int(row.id), str(row.name), int(row.bytes), [])
        names = {source.name: source for source in found.values()}
        for item in chunks_by_id(connection, connection.scalars(sa.select(chunk.c.id)).all()).values():
            names[item.partition].chunks.append(item)
    for source in found.values():
        source.chunks.sort(key=lambda item: (item.location.offset, item.address))
    return found


def _named(sources: dict[int, Source], name: str) -> list[int]:
    found = [source.id for source in sources.values() if name and source.name.startswith(name)]
    if not found:
        raise NotFoundError(f"no partition is named {name!r}; 'mistique check --read-data' names the damaged ones")
    return found


def _dead_bytes(backend: StorageBackend, source: Source, max_dead: float) -> int:
    """Return the bytes of chunks in a file that the catalogue does not look for there.

    A file is only read when more than its share is not accounted for by live chunks.
    """
    live = {item.address for item in source.chunks}
    unaccounted = source.bytes - sum(item.location.size for item in source.chunks)
    if unaccounted <= max_dead * source.bytes:
        return 0
    try:
        held = list(scan_partition(backend.get_range(source.name, 0, source.bytes)))
    except CorruptPartitionError as error:
        log.warning("partition %s cannot be scanned: %s", source.name[:12], error)
        return unaccounted
    return sum(location.size for location in held if location.address not in live)


@contextmanager
def _announced(catalogue: Catalogue, dry_run: bool) -> Iterator[_Beat]:
    """Announce a write for as long as partitions are written."""
    beat = _Beat(catalogue, uuid.uuid4().hex, dry_run)
    try:
        yield beat
    finally:
        beat.end()


class _Beat:
    """Sign of life of this write."""

    def __init__(self, catalogue: Catalogue, write_id: str, dry_run: bool) -> None:
        self._catalogue = catalogue
        self._id = write_id
        self._is_silent = dry_run
        self._has_begun = False

    def __call__(self) -> None:
        if not self._is_silent:
            with self._catalogue.write() as connection:
                begin_write(connection, self._id, platform.node(), os.getpid())
            self._has_begun = True

    def end(self) -> None:
        if self._has_begun:
            with self._catalogue.write() as connection:
                end_write(connection, self._id)


def _rewrite(
    catalogue: Catalogue,
    backend: StorageBackend,
    config: StoreConfig,
    bin_: Sequence[Chunks],
    sources: dict[int, Source],
    work: _Work,
    dry_run: bool,
    now: float | None,
) -> None:
    """Write one new partition and move the rows of its chunks."""
    wanted = {item for piece in bin_ for item in piece.chunks}
    parts = [
        Source(source.id, source.name, source.bytes, [item for item in source.chunks if item.id in wanted])
        for source in (sources[number] for number in sorted({piece.partition for piece in bin_}))
    ]
    made = build(catalogue, backend, parts, config.zstd_level, work.damage)
    if made is None:
        return
    moved = {item.id for item, _ in made.moved}
    removed: set[int] | None = None
    if dry_run:
        work.moved |= moved
        removed = {
            part.id for part in parts if part.name != made.name and _is_emptied(sources[part.id], made, work.moved)
        }
    for _ in range(0 if dry_run else _MOST_TRIES):
        put(backend, made)
        removed = move_rows(catalogue, backend, parts, made, now)
        if removed is not None:
            break
    if removed is None:
        return
    work.moved |= moved
    work.upgraded += made.upgraded
    work.removed.update((part.name, part.bytes) for part in parts if part.id in removed)
    if made.name is not None and made.name not in {part.name for part in parts}:
        work.written[made.name] = len(made.data)


def _is_emptied(source: Source, made: Written, moved: set[int]) -> bool:
    return source.id in made.described and all(item.id in moved for item in source.chunks)
