"""Garbage collection: rows that nothing refers to, then, after a grace period, the bytes.

The rows go in one transaction that keeps registering writers away. A removed partition is remembered,
and its file is deleted only after the grace period, so that a reader that has just looked up where a
chunk lies still finds it. Before a file is deleted it is looked at once more, under the same lock,
because a writer may have registered the same bytes again.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from mistique_core import telemetry
from mistique_core.catalogue.captures import end_captures, silent_captures
from mistique_core.catalogue.clock import catalogue_seconds
from mistique_core.catalogue.database import Catalogue, upsert
from mistique_core.catalogue.open_writes import end_write, hold_exclusively, open_writes
from mistique_core.catalogue.tables import (
    chunk,
    column_chunk,
    column_version,
    deleted_partition,
    fitted,
    intermediate,
    layout,
    partition,
    similar_band,
)
from mistique_core.maintenance.batches import delete_in, select_in
from mistique_core.maintenance.dead_files import FileVerdict, Tombstone, judge_files
from mistique_core.maintenance.documents import described, known_versions, stored_documents
from mistique_core.maintenance.garbage import Garbage, find_garbage
from mistique_core.maintenance.progress import Progress, no_progress
from mistique_core.maintenance.references import load_references
from mistique_core.maintenance.scratch_index import scratch_indexes
from mistique_core.maintenance.writers import check_grace, is_alive, stale_writes
from mistique_core.storage import Leftover, StorageBackend, StoredFile

log = logging.getLogger(__name__)

DEFAULT_GRACE_SECONDS = 3 * 86_400.0
ABANDONED_SECONDS = 3 * 86_400.0
"""A capture in progress that has stored nothing for so long is taken for given up."""
LEAST_LEFTOVER_SECONDS = 3_600.0
"""Unfinished files younger than this are never removed: a write that just began may own them."""
_FILES_AT_ONCE = 16
_CLOCK_SECONDS = 5.0
"""Clocks that agree to this are taken for one."""


@dataclass(frozen=True)
class GcReport:
    """What a garbage collection removed, or would remove.

    Attributes
    ----------
    column_versions, chunks, layouts
        Rows that nothing referred to.
    chunk_bytes
        Encoded bytes of these chunks.
    partitions, partition_bytes
        Partitions that hold no live chunk any more, and the lengths of their files.
    deleted_files, deleted_bytes
        Files that were deleted because their grace period is over, the orphans included.
    orphans
        Those of them that no transaction ever made visible.
    waiting_files, waiting_bytes
        Files that a later collection will delete.
    missing_files
        Removed partitions whose file was already gone.
    leftovers
        Unfinished files of killed writers, removed.
    stale_writes
        Announced writes whose process is dead or silent, forgotten.
    dry_run
        Whether nothing was changed.
    """

    column_versions: int
    chunks: int
    layouts: int
    chunk_bytes: int
    partitions: int
    partition_bytes: int
    deleted_files: tuple[str, ...]
    deleted_bytes: int
    orphans: tuple[str, ...]
    waiting_files: int
    waiting_bytes: int
    missing_files: tuple[str, ...]
    leftovers: tuple[Leftover, ...]
    stale_writes: tuple[str, ...]
    dry_run: bool


@dataclass(frozen=True)
class _Doomed:
    """Rows to be removed, and the partitions among them by id, as (name, bytes)."""

    garbage: Garbage
    partitions: Mapping[int, tuple[str, int]]


def collect_garbage(
    catalogue: Catalogue,
    backend: StorageBackend,
    *,
    grace_seconds: float = DEFAULT_GRACE_SECONDS,
    dry_run: bool = False,
    now: float | None = None,
    progress: Progress = no_progress,
) -> GcReport:
    """Remove what nothing refers to.

    Parameters
    ----------
    catalogue, backend
        The store.
    grace_seconds
        How long a file stays after its partition was removed, or after it was written when no
        transaction made it visible.
    dry_run
        Change nothing, and report what would be changed.
    now
        Unix seconds by the clock of the catalogue; default what it shows. That of the storage is
        measured beside it; it is taken to agree where `now` is given, and in a dry run.
    progress
        Told the number of files deleted so far, and of those to delete.

    Raises
    ------
    InvalidInputError
        If the grace period is shorter than the age of a write in progress.
    StorageError
        If a file cannot be deleted; what was done until then stays done, and the next collection goes on.
    """
    lead = 0.0 if dry_run or now is not None else _lead_of_storage(catalogue, backend)
    with catalogue.read() as connection:
        now = catalogue_seconds(connection) if now is None else now
        writes = open_writes(connection)
    stale = stale_writes(writes, now=now, host=platform.node(), is_alive=is_alive)
    check_grace([write for write in writes if write not in stale], grace_seconds, now)
    documents = _documents_of_empty_partitions(catalogue, backend)
    with catalogue.read() if dry_run else catalogue.write() as connection:
        if not dry_run:
            hold_exclusively(connection)
            _end_abandoned_captures(connection, now)
        doomed = _find(connection, documents)
        registered, tombstones = _partition_names(connection)
        if not dry_run:
            _remove_rows(connection, doomed, now)
            for write in stale:
                end_write(connection, write.id)
    removed = {name: Tombstone(size, now) for name, size in doomed.partitions.values()}
    files = [file.moved(-lead) for file in backend.files()]
    verdict = judge_files(
        files, registered - set(removed), {**tombstones, **removed}, now=now, grace_seconds=grace_seconds
    )
    deleted: Sequence[StoredFile] = (*verdict.expired, *verdict.orphans)
    if not dry_run:
        deleted = _delete_files(catalogue, backend, verdict, now - grace_seconds, progress)
    names = {file.name for file in deleted}
    report = GcReport(
        column_versions=len(doomed.garbage.versions),
        chunks=len(doomed.garbage.chunks),
        layouts=len(doomed.garbage.layouts),
        chunk_bytes=doomed.garbage.chunk_bytes,
        partitions=len(doomed.partitions),
        partition_bytes=sum(size for _, size in doomed.partitions.values()),
        deleted_files=tuple(sorted(names)),
        deleted_bytes=sum(file.bytes for file in deleted),
        orphans=tuple(file.name for file in verdict.orphans if file.name in names),
        waiting_files=len(verdict.waiting),
        waiting_bytes=sum(file.bytes for file in verdict.waiting),
        missing_files=verdict.missing,
        leftovers=tuple(backend.leftovers(max(grace_seconds, LEAST_LEFTOVER_SECONDS), remove=not dry_run)),
        stale_writes=tuple(write.id for write in stale),
        dry_run=dry_run,
    )
    if not dry_run:
        telemetry.report(
            "gc",
            chunks=report.chunks,
            partitions=report.partitions,
            deleted_files=len(report.deleted_files),
            deleted_bytes=report.deleted_bytes,
            orphans=len(report.orphans),
            waiting_bytes=report.waiting_bytes,
            stale_writes=len(report.stale_writes),
        )
    return report


def _lead_of_storage(catalogue: Catalogue, backend: StorageBackend) -> float:
    """Return by how many seconds the clock that stamps files is ahead of the catalogue's, as little as may be."""
    with catalogue.read() as connection:
        before = catalogue_seconds(connection)
    stamp = backend.clock_seconds()
    with catalogue.read() as connection:
        after = catalogue_seconds(connection)
    if before - _CLOCK_SECONDS <= stamp <= after + _CLOCK_SECONDS:
        return 0.0
    lead = stamp - after
    log.warning("the clock of %r differs by %+.0f s from the catalogue's; ages of files allow for it", backend, lead)
    return lead


def _end_abandoned_captures(connection: sa.Connection, now: float) -> None:
    """Forget captures that have stored nothing for days, however short the grace period for files is."""
    abandoned = silent_captures(connection, now - ABANDONED_SECONDS)
    if abandoned:
        log.info("%d interrupted captures are given up: nobody went on with them", len(abandoned))
        end_captures(connection, abandoned)


def _documents_of_empty_partitions(catalogue: Catalogue, backend: StorageBackend) -> dict[str, list[bytes]]:
    """Return, for each partition without a live chunk, the column versions that its file describes.

    Read before the lock is taken: a partition that only then loses its last chunk waits for the next time.
    """
    with catalogue.read() as connection:
        empty = _names(connection, find_garbage(load_references(connection)).partitions.tolist())
    return {name: described(stored_documents(backend, name, size)) for name, size in empty.values()}


def _find(connection: sa.Connection, documents: Mapping[str, Sequence[bytes]]) -> _Doomed:
    """Return the garbage; a file that is the only description of a live column version is none."""
    garbage = find_garbage(load_references(connection))
    known = known_versions(connection, {address for item in documents.values() for address in item})
    query = sa.select(column_version.c.address)
    dead = {bytes(row.address) for row in select_in(connection, query, column_version.c.id, garbage.versions.tolist())}
    needed = known - dead
    partitions = {
        item: (name, size)
        for item, (name, size) in _names(connection, garbage.partitions.tolist()).items()
        if name in documents and needed.isdisjoint(documents[name])
    }
    return _Doomed(garbage, partitions)


def _names(connection: sa.Connection, ids: Iterable[int]) -> dict[int, tuple[str, int]]:
    query = sa.select(partition.c.id, partition.c.name, partition.c.bytes)
    return {int(row.id): (str(row.name), int(row.bytes)) for row in select_in(connection, query, partition.c.id, ids)}


def _partition_names(connection: sa.Connection) -> tuple[set[str], dict[str, Tombstone]]:
    registered = {str(name) for name in connection.scalars(sa.select(partition.c.name))}
    rows = connection.execute(sa.select(deleted_partition))
    return registered, {str(row.name): Tombstone(int(row.bytes), float(row.deleted_at)) for row in rows}


def _remove_rows(connection: sa.Connection, doomed: _Doomed, now: float) -> None:
    """Remove rows in the order that the foreign keys ask for."""
    versions, chunks = doomed.garbage.versions.tolist(), doomed.garbage.chunks.tolist()
    if versions or chunks:
        delete_in(connection, column_chunk.c.column_version_id, versions)
        referring = (column_version.c.categories_id, intermediate.c.row_id_version, fitted.c.chunk_id)
        with scratch_indexes(connection, *referring):
            _delete_dependents_first(connection, column_version.c.categories_id, versions)
            delete_in(connection, similar_band.c.chunk_id, chunks)
            _delete_dependents_first(connection, chunk.c.base_id, chunks)
    delete_in(connection, layout.c.id, doomed.garbage.layouts.tolist())
    for name, size in doomed.partitions.values():
        upsert(connection, deleted_partition, {"name": name}, {"bytes": size, "deleted_at": now})
    delete_in(connection, partition.c.id, doomed.partitions)


def _delete_dependents_first(connection: sa.Connection, reference: sa.Column[int], ids: Sequence[int]) -> None:
    """Delete rows of a table that refers to itself: those that refer to another one come first."""
    table = reference.table
    query = sa.select(table.c.id).where(reference.is_not(None))
    referring = [int(row.id) for row in select_in(connection, query, table.c.id, ids)]
    delete_in(connection, table.c.id, referring)
    delete_in(connection, table.c.id, np.setdiff1d(ids, referring).tolist())


def _delete_files(
    catalogue: Catalogue, backend: StorageBackend, verdict: FileVerdict, newest: float, progress: Progress
) -> list[StoredFile]:
    """Delete files, a few under each lock, and forget removed partitions; return what was deleted."""
    candidates = [*verdict.expired, *verdict.orphans]
    deleted: list[StoredFile] = []
    for start in range(0, len(candidates), _FILES_AT_ONCE):
        batch = candidates[start : start + _FILES_AT_ONCE]
        with catalogue.write() as connection:
            hold_exclusively(connection)
            dead = _still_dead(connection, batch, newest)
            for file in dead:
                backend.delete(file.name)
            delete_in(connection, deleted_partition.c.name, [file.name for file in dead])
        deleted += dead
        progress(start + len(batch), len(candidates))
    if verdict.missing:
        log.info("%d removed partitions had no file any more", len(verdict.missing))
        with catalogue.write() as connection:
            hold_exclusively(connection)
            delete_in(connection, deleted_partition.c.name, verdict.missing)
    return deleted


def _still_dead(connection: sa.Connection, files: Sequence[StoredFile], newest: float) -> list[StoredFile]:
    """Return the files that are garbage now, when no writer can register one."""
    names = [file.name for file in files]
    registered = {row.name for row in select_in(connection, sa.select(partition.c.name), partition.c.name, names)}
    removed = {
        row.name: row.deleted_at
        for row in select_in(connection, sa.select(deleted_partition), deleted_partition.c.name, names)
    }
    # A write that began after the grace period was checked may own a file that was only just listed.
    first_write = min((write.started_at for write in open_writes(connection)), default=float("inf"))
    return [
        file
        for file in files
        if file.name not in registered
        and removed.get(file.name, file.modified_at) <= newest
        and (file.name in removed or file.modified_at < first_write - _CLOCK_SECONDS)
    ]
