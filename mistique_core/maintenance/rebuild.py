"""Rebuilding the storage half of a catalogue from the partition files alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.chunks import NewColumn, known_addresses
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.layouts import pack_versions
from mistique_core.catalogue.open_writes import hold_exclusively
from mistique_core.catalogue.tables import (
    chunk,
    column_chunk,
    column_version,
    deleted_partition,
    intermediate,
    partition,
)
from mistique_core.maintenance.batches import delete_in, select_in
from mistique_core.maintenance.move import place_values
from mistique_core.maintenance.problems import Problem
from mistique_core.maintenance.progress import Progress, no_progress
from mistique_core.maintenance.rebuild_plan import RebuildPlan, plan_rebuild
from mistique_core.maintenance.rebuild_state import CatalogueState, load_state, sound_chunks
from mistique_core.maintenance.scan import FoundChunk, Scanned, scan_files
from mistique_core.storage import StorageBackend


@dataclass(frozen=True)
class RebuildReport:
    """What was restored, or would be.

    Attributes
    ----------
    partitions, chunks, column_versions
        Rows that were made anew.
    moved_chunks
        Chunks whose row pointed to a place that is not there.
    relisted_columns
        Column versions whose list of chunks was wrong.
    intermediates
        Intermediates that have all their columns again.
    problems
        What cannot be read or restored.
    dry_run
        Whether nothing was changed.
    """

    partitions: int
    chunks: int
    column_versions: int
    moved_chunks: int
    relisted_columns: int
    intermediates: int
    problems: tuple[Problem, ...]
    dry_run: bool


def rebuild(
    catalogue: Catalogue, backend: StorageBackend, *, dry_run: bool = False, progress: Progress = no_progress
) -> RebuildReport:
    """Restore rows of partitions, chunks and column versions that are missing or point nowhere.

    Every restored chunk was decoded and compared with its address, every column version with its own, and
    every intermediate with its own. Rows that are right stay as they are. What nothing refers to is restored
    too, and the next ``gc`` removes it.

    Parameters
    ----------
    catalogue, backend
        The store.
    dry_run
        Change nothing.
    progress
        Told (done, total) bytes.

    Raises
    ------
    CatalogueUnavailableError
        If the catalogue cannot be used.
    StorageError
        If the files cannot be listed or read.
    """
    files = list(backend.files())
    sizes = {file.name: file.bytes for file in files}
    with catalogue.read() as connection:
        removed = set(connection.scalars(sa.select(deleted_partition.c.name)))
        sound = sound_chunks(connection, sizes)
        scanned = scan_files(backend, connection, files, sound=sound, removed=removed, progress=progress)
    with catalogue.read() if dry_run else catalogue.write() as connection:
        if not dry_run:
            hold_exclusively(connection)
            scanned = _still_there(backend, scanned)
        state = load_state(connection, scanned.files)
        plan = plan_rebuild(state, scanned)
        if not dry_run:
            _apply(connection, state, plan, scanned)
    return RebuildReport(
        len(plan.partitions),
        len(plan.chunks),
        len(plan.columns),
        len(plan.moved),
        len(plan.listed),
        len(plan.relinked),
        plan.problems,
        dry_run,
    )


def _still_there(backend: StorageBackend, scanned: Scanned) -> Scanned:
    """Leave out what ``gc`` has deleted since it was read."""
    names = set(backend.names())
    return Scanned(
        {address: item for address, item in scanned.chunks.items() if item.file in names},
        {name: documents for name, documents in scanned.documents.items() if name in names},
        {name: size for name, size in scanned.files.items() if name in names},
        scanned.problems,
    )


def _apply(connection: sa.Connection, state: CatalogueState, plan: RebuildPlan, scanned: Scanned) -> None:
    """Write the rows in the order that the foreign keys ask for."""
    _insert_partitions(connection, state, plan, scanned)
    _place_chunks(connection, state, plan)
    _insert_columns(connection, plan)
    _relink(connection, plan)
    _remove_empty_partitions(connection, scanned)
    _set_sequences(connection)


def _insert_partitions(connection: sa.Connection, state: CatalogueState, plan: RebuildPlan, scanned: Scanned) -> None:
    now = time.time()
    rows = [
        {"id": state.next_partition + number, "name": name, "bytes": scanned.files[name], "created_at": now}
        for number, name in enumerate(plan.partitions)
    ]
    if rows:
        connection.execute(sa.insert(partition), rows)
        delete_in(connection, deleted_partition.c.name, plan.partitions)


def _place_chunks(connection: sa.Connection, state: CatalogueState, plan: RebuildPlan) -> None:
    """Insert new rows and correct wrong ones; differences come after what they are differences to."""
    files = {item.file for item in (*plan.chunks, *plan.moved)}
    query = sa.select(partition.c.id, partition.c.name)
    owners = {str(row.name): int(row.id) for row in select_in(connection, query, partition.c.name, files)}
    ids = dict(state.chunks)
    for number, item in enumerate(plan.chunks):
        ids[item.location.address] = state.next_chunk + number
    for is_difference in (False, True):
        new = [item for item in plan.chunks if (item.base is not None) == is_difference]
        if new:
            connection.execute(sa.insert(chunk), [_chunk_row(item, ids, owners) for item in new])
        for item in plan.moved:
            if (item.base is not None) == is_difference:
                row = _chunk_row(item, ids, owners)
                connection.execute(sa.update(chunk).where(chunk.c.id == row.pop("id")).values(**row))


def _chunk_row(item: FoundChunk, ids: dict[bytes, int], owners: dict[str, int]) -> dict[str, Any]:
    location, zone = item.location, item.zone
    return {
        "id": ids[location.address],
        "address": location.address,
        "dtype": location.dtype,
        "shape": list(location.shape),
        "partition_id": owners[item.file],
        **place_values(location),
        "low": None if zone is None else zone.low,
        "high": None if zone is None else zone.high,
        "nulls": None if zone is None else zone.nulls,
        "base_id": None if item.base is None else ids[item.base],
    }


def _insert_columns(connection: sa.Connection, plan: RebuildPlan) -> None:
    for item, column in plan.columns:
        parents = known_addresses(connection, column_version, [column.categories] if column.categories else [])
        connection.execute(
            sa.insert(column_version).values(
                id=item,
                address=column.address,
                logical_type=column.logical_type,
                n_rows=column.rows,
                block_rows=column.block_rows,
                logical_bytes=column.logical_bytes,
                categories_id=parents[column.categories] if column.categories else None,
                scheme=column.scheme,
                max_abs_error=column.max_abs_error if column.scheme is not None else None,
            )
        )
    for column in plan.listed:
        parents = known_addresses(connection, column_version, [column.categories] if column.categories else [])
        connection.execute(
            sa.update(column_version)
            .where(column_version.c.address == column.address)
            .values(categories_id=parents[column.categories] if column.categories else None)
        )
    _list_chunks(connection, [*(column for _, column in plan.columns), *plan.listed])
    there = sa.select(column_version.c.id)
    connection.execute(sa.delete(column_chunk).where(column_chunk.c.column_version_id.not_in(there)))


def _list_chunks(connection: sa.Connection, columns: Sequence[NewColumn]) -> None:
    ids = known_addresses(connection, column_version, [column.address for column in columns])
    chunks = known_addresses(connection, chunk, [address for column in columns for _, _, address in column.chunks])
    delete_in(connection, column_chunk.c.column_version_id, ids.values())
    rows = [
        {"column_version_id": ids[column.address], "part": part, "block": block, "chunk_id": chunks[address]}
        for column in columns
        for part, block, address in column.chunks
    ]
    if rows:
        connection.execute(sa.insert(column_chunk), rows)


def _relink(connection: sa.Connection, plan: RebuildPlan) -> None:
    addresses = {item for _, row_id, columns in plan.relinked for item in (row_id, *columns)}
    ids = known_addresses(connection, column_version, addresses)
    for frame, row_id, columns in plan.relinked:
        packed = pack_versions([ids[address] for address in columns])
        connection.execute(
            sa.update(intermediate)
            .where(intermediate.c.id == frame.id)
            .values(row_id_version=ids[row_id], columns=packed)
        )


def _remove_empty_partitions(connection: sa.Connection, scanned: Scanned) -> None:
    """Remove rows of partitions whose file is gone and to which no chunk points any more."""
    used = sa.select(chunk.c.id).where(chunk.c.partition_id == partition.c.id).exists()
    rows = connection.execute(sa.select(partition.c.id, partition.c.name).where(~used)).all()
    delete_in(connection, partition.c.id, [int(row.id) for row in rows if row.name not in scanned.files])


def _set_sequences(connection: sa.Connection) -> None:
    """Let PostgreSQL give ids above those that were written explicitly."""
    if connection.dialect.name != "postgresql":
        return
    for table in (partition, chunk, column_version):
        last = connection.scalar(sa.select(sa.func.max(table.c.id)))
        if last is not None:
            sequence = sa.func.pg_get_serial_sequence(table.name, "id")
            connection.execute(sa.select(sa.func.setval(sequence, sa.func.greatest(last, sa.func.nextval(sequence)))))
