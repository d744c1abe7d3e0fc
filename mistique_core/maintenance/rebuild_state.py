"""What is left of the storage half of a catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.layouts import read_layout, unpack_versions
from mistique_core.catalogue.tables import (
    chunk,
    column_chunk,
    column_version,
    deleted_partition,
    fitted,
    intermediate,
    layout,
    model,
    model_version,
    partition,
    project,
)
from mistique_core.catalogue.unstored import unpack_unstored
from mistique_core.dedup import column_hash
from mistique_core.errors import MistiqueError
from mistique_core.maintenance.rebuild_ids import Frame
from mistique_core.maintenance.structure import lies_inside, storage_order

_BATCH = 10_000


@dataclass(frozen=True)
class CatalogueState:
    """What a catalogue knows.

    Attributes
    ----------
    partitions
        Name -> id.
    removed
        Names of partitions that wait for ``gc``.
    chunks
        Address -> id, of every row.
    sound
        Addresses of those that point into a file.
    versions
        Address -> id.
    right
        Ids of the column versions whose list of chunks is the one of their address.
    frames
        Intermediates whose list of columns can be read.
    unreadable
        Labels of the others.
    lost_objects
        Labels of fitted objects without a row for their bytes.
    next_partition, next_chunk, next_version
        Ids that nothing has or refers to.
    """

    partitions: Mapping[str, int]
    removed: frozenset[str]
    chunks: Mapping[bytes, int]
    sound: frozenset[bytes]
    versions: Mapping[bytes, int]
    right: frozenset[int]
    frames: tuple[Frame, ...]
    unreadable: tuple[str, ...]
    lost_objects: tuple[str, ...]
    next_partition: int
    next_chunk: int
    next_version: int


def load_state(connection: sa.Connection, files: Mapping[str, int]) -> CatalogueState:
    """Return what the catalogue knows.

    Parameters
    ----------
    connection
        A connection.
    files
        Name -> length of each file that is there.
    """
    partitions = {int(row.id): str(row.name) for row in connection.execute(sa.select(partition))}
    chunks, sound = _chunks(connection, {item: files[name] for item, name in partitions.items() if name in files})
    versions = {
        bytes(row.address): int(row.id)
        for row in connection.execute(sa.select(column_version.c.address, column_version.c.id))
    }
    frames, unreadable = _frames(connection)
    referred = [item for frame in frames for item in frame.ids]
    return CatalogueState(
        partitions={name: item for item, name in partitions.items()},
        removed=frozenset(connection.scalars(sa.select(deleted_partition.c.name))),
        chunks=chunks,
        sound=sound,
        versions=versions,
        right=_right(connection),
        frames=frames,
        unreadable=unreadable,
        lost_objects=_lost_objects(connection),
        next_partition=_next(connection, partition.c.id, chunk.c.partition_id),
        next_chunk=_next(connection, chunk.c.id, chunk.c.base_id, column_chunk.c.chunk_id, fitted.c.chunk_id),
        next_version=max(
            _next(connection, column_version.c.id, column_version.c.categories_id, column_chunk.c.column_version_id),
            max(referred, default=0) + 1,
        ),
    )


def sound_chunks(connection: sa.Connection, files: Mapping[str, int]) -> frozenset[bytes]:
    """Return the addresses of the chunks whose row points into a file that is there."""
    sizes = {int(row.id): files[row.name] for row in connection.execute(sa.select(partition)) if row.name in files}
    return _chunks(connection, sizes)[1]


def _chunks(connection: sa.Connection, sizes: Mapping[int, int]) -> tuple[dict[bytes, int], frozenset[bytes]]:
    base = chunk.alias("base")
    query: sa.Select[Any] = sa.select(chunk, base.c.id.label("found"), base.c.base_id.label("second")).outerjoin(
        base, base.c.id == chunk.c.base_id
    )
    ids: dict[bytes, int] = {}
    sound = set()
    for row in connection.execute(query).yield_per(_BATCH):
        address = bytes(row.address)
        ids[address] = int(row.id)
        has_base = row.base_id is None or (row.found is not None and row.second is None)
        if has_base and row.partition_id in sizes and lies_inside(row, sizes[row.partition_id]):
            sound.add(address)
    return ids, frozenset(sound)


def _right(connection: sa.Connection) -> frozenset[int]:
    lists: dict[int, list[tuple[str, int, bytes]]] = {}
    query = sa.select(
        column_chunk.c.column_version_id, column_chunk.c.part, column_chunk.c.block, chunk.c.address
    ).join(chunk, chunk.c.id == column_chunk.c.chunk_id)
    for row in connection.execute(query).yield_per(_BATCH):
        entry = (str(row.part), int(row.block), bytes(row.address))
        lists.setdefault(int(row.column_version_id), []).append(entry)
    parent = column_version.alias("parent")
    versions: sa.Select[Any] = sa.select(column_version, parent.c.address.label("parent")).outerjoin(
        parent, parent.c.id == column_version.c.categories_id
    )
    right = set()
    for row in connection.execute(versions).yield_per(_BATCH):
        chunks = storage_order(lists.get(row.id, []), row.scheme)
        categories = None if row.parent is None else bytes(row.parent)
        address = column_hash(row.logical_type, row.n_rows, row.block_rows, chunks, categories, row.scheme)
        if address == bytes(row.address):
            right.add(int(row.id))
    return frozenset(right)


def _frames(connection: sa.Connection) -> tuple[tuple[Frame, ...], tuple[str, ...]]:
    layouts = {int(row.id): bytes(row.names) for row in connection.execute(sa.select(layout))}
    query: sa.Select[Any] = sa.select(
        intermediate, project.c.name.label("project"), model.c.name.label("model"), model_version.c.number
    ).select_from(
        intermediate.join(model_version, model_version.c.id == intermediate.c.model_version_id)
        .join(model, model.c.id == model_version.c.model_id)
        .join(project, project.c.id == model.c.project_id)
    )
    frames, unreadable = [], []
    for row in connection.execute(query).yield_per(_BATCH):
        label = f"{row.project}.{row.model}@{row.number}.{row.name}"
        try:
            names = read_layout(layouts[row.layout_id])
            columns = tuple(unpack_versions(bytes(row.columns)).tolist())
            gone = None if row.unstored is None else unpack_unstored(bytes(row.unstored))
            unkept = () if gone is None else tuple(column.address for column in gone.columns)
            kept = () if gone is None else gone.kept
        except (MistiqueError, LookupError, ValueError, TypeError):
            unreadable.append(label)
            continue
        address = bytes(row.address)
        frame = Frame(int(row.id), label, address, row.n_rows, row.row_id_version, columns, names, unkept, kept)
        frames.append(frame)
    return tuple(frames), tuple(unreadable)


def _lost_objects(connection: sa.Connection) -> tuple[str, ...]:
    query = (
        sa.select(fitted.c.output, project.c.name, model.c.name.label("model"), model_version.c.number)
        .select_from(
            fitted.join(model_version, model_version.c.id == fitted.c.model_version_id)
            .join(model, model.c.id == model_version.c.model_id)
            .join(project, project.c.id == model.c.project_id)
            .outerjoin(chunk, chunk.c.id == fitted.c.chunk_id)
        )
        .where(chunk.c.id.is_(None))
        .order_by(fitted.c.id)
    )
    return tuple(f"{row.output!r} of {row.name}.{row.model}@{row.number}" for row in connection.execute(query))


def _next(connection: sa.Connection, *columns: sa.Column[Any]) -> int:
    """Return an id above everything in the columns."""
    return 1 + max(int(connection.scalar(sa.select(sa.func.max(column))) or 0) for column in columns)
