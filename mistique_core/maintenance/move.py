"""Moving verified chunks into a new partition: build it, make it durable, move the rows."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.chunks import NewColumn, StoredChunk, column_chunks, known_addresses, register_partition
from mistique_core.catalogue.clock import catalogue_seconds
from mistique_core.catalogue.database import Catalogue, upsert
from mistique_core.catalogue.open_writes import hold_exclusively
from mistique_core.catalogue.tables import chunk, column_chunk, column_version, deleted_partition, partition
from mistique_core.dedup import bytes_hash
from mistique_core.errors import CorruptPartitionError, StorageError
from mistique_core.maintenance.batches import select_in
from mistique_core.maintenance.damage import Damage
from mistique_core.maintenance.documents import Document, described, is_column, known_versions
from mistique_core.maintenance.structure import storage_order
from mistique_core.maintenance.verify import BaseReader, decode_verified, frames_in
from mistique_core.partition import (
    ChunkLocation,
    EncodedChunk,
    build_partition,
    encode_chunk,
    pack_extents,
    read_columns,
)
from mistique_core.partition.encoding import PAGES
from mistique_core.storage import StorageBackend

log = logging.getLogger(__name__)

_MOST_VARIANTS = 8


@dataclass
class Source:
    """A partition and those of its chunks that are to be moved, in the order of the file."""

    id: int
    name: str
    bytes: int
    chunks: list[StoredChunk]


@dataclass
class Written:
    """A new partition.

    Attributes
    ----------
    name, data
        Its file; no name where there is nothing to write.
    moved
        (chunk as it was, where it lies now).
    documents
        Descriptions that it carries.
    described
        Old partition -> the column versions that its file describes, needed or not.
    encoded
        The chunks.
    upgraded
        Number of chunks that were encoded anew.
    """

    name: str | None
    data: bytes
    moved: list[tuple[StoredChunk, ChunkLocation]]
    documents: list[Document]
    described: dict[int, list[bytes]]
    encoded: list[EncodedChunk] = field(default_factory=list)
    upgraded: int = 0


def build(
    catalogue: Catalogue,
    backend: StorageBackend,
    sources: Sequence[Source],
    level: int,
    damage: Damage,
) -> Written | None:
    """Return a partition with the chunks of several others, each of them verified; nothing is written.

    Parameters
    ----------
    catalogue, backend
        The store.
    sources
        What to move.
    level
        Zstandard level of chunks that are encoded anew.
    damage
        Takes what cannot be moved because it is damaged.

    Returns
    -------
    Written or None
        ``None`` if there is nothing to do.
    """
    encoded: list[EncodedChunk] = []
    movable: list[StoredChunk] = []
    documents: dict[str, Document] = {}
    listed: dict[int, list[bytes]] = {}
    ids: dict[str, int] = {}
    upgraded = 0
    bases = BaseReader(backend)
    for source in sources:
        try:
            data = backend.get_range(source.name, 0, backend.size(source.name))
        except CorruptPartitionError:
            damage.files[source.name] = [item.id for item in source.chunks]
            continue
        with catalogue.read() as connection:
            moved = 0
            for stored in source.chunks:
                try:
                    copied = _encoded(connection, stored, data, bases, level)
                except CorruptPartitionError:
                    damage.chunks[stored.id] = (source.name, stored.address)
                    continue
                encoded.append(copied)
                movable.append(stored)
                moved += 1
                upgraded += stored.location.encoding != PAGES
            if source.chunks and not moved:
                continue
            found = _documents(connection, source, data)
            listed[source.id] = described(found)
            known = known_addresses(connection, column_version, listed[source.id])
            for item in found:
                address = bytes.fromhex(item["address"])
                if address in known:
                    documents[item["address"]] = item
                    ids[item["address"]] = known[address]
    is_emptied = any(not source.chunks and source.id in listed for source in sources)
    if not encoded and not is_emptied:
        return None
    made = Written(None, b"", [], list(documents.values()), listed, encoded, upgraded)
    if not encoded and not documents:
        return made
    _fill(made, movable, 0)
    names = {source.name for source in sources}
    if len(listed) > 1 or made.name not in names:
        # Not a mere copy. Where rows are lost, the ids tell rebuild which intermediates have these columns.
        made.documents = [{**documents[address], "id": ids[address]} for address in sorted(documents)]
        _fill(made, movable, 0)
    if made.name in names:
        try:
            current = _current(backend, made)
        except CorruptPartitionError as error:
            log.info("partition %s was moved and deleted meanwhile: %s", made.name[:12], error)
            return None
        if bytes_hash(current).hex() + ".h5" != made.name:
            _fill(made, movable, 1)
        else:
            made.moved = [(stored, place) for stored, place in made.moved if stored.partition != made.name]
            if not made.moved and not is_emptied:
                return None
    return made


def _current(backend: StorageBackend, made: Written) -> bytes:
    assert made.name is not None
    return backend.get_range(made.name, 0, backend.size(made.name))


def _fill(made: Written, movable: Sequence[StoredChunk], variant: int) -> None:
    """Make the file; a variant other than 0 gives the same content another name."""
    notes: list[Document] = [{"variant": variant}] if variant else []
    made.data, locations = build_partition(made.encoded, [*made.documents, *notes])
    made.name = f"{bytes_hash(made.data).hex()}.h5"
    for item, location in zip(made.encoded, locations, strict=True):
        frames = [*(() if item.table is None else (item.table,)), *item.pages]
        for frame, (start, size) in zip(frames, location.extents, strict=True):
            if made.data[start : start + size] != frame:
                raise StorageError(f"chunk {item.address.hex()[:12]} was not copied as it is; nothing was changed")
    made.moved = list(zip(movable, locations, strict=True))


def _encoded(
    connection: sa.Connection, stored: StoredChunk, data: bytes, bases: BaseReader, level: int
) -> EncodedChunk:
    """Return the frames of a chunk once they are proven right; of format version 1, new ones.

    Raises
    ------
    CorruptPartitionError
        If they are not.
    """
    location = stored.location
    frames = frames_in(location, data)
    array = decode_verified(location, frames, bases.read(connection, stored))
    if location.encoding != PAGES or location.codec is None:
        return encode_chunk(location.address, array, level)
    copied = [bytes(frame) for frame in frames]
    table = copied.pop(0) if copied and location.codec.table_items else None
    return EncodedChunk(location.address, location.dtype, location.shape, location.codec, table, tuple(copied))


def _documents(connection: sa.Connection, source: Source, data: bytes) -> list[Document]:
    """Return the descriptions in a file, made anew where they cannot be read."""
    try:
        return [item for item in read_columns(data) if is_column(item)]
    except CorruptPartitionError as error:
        log.warning("the descriptions of columns in partition %s are made anew: %s", source.name[:12], error)
        return describe_columns(connection, [item.id for item in source.chunks])


def describe_columns(connection: sa.Connection, chunks: Collection[int]) -> list[Document]:
    """Return descriptions of all column versions that use any of the given chunks, from the catalogue."""
    query = sa.select(column_chunk.c.column_version_id).distinct()
    users = {int(row.column_version_id) for row in select_in(connection, query, column_chunk.c.chunk_id, chunks)}
    parent = column_version.alias("categories")
    versions = sa.select(column_version, parent.c.address.label("parent")).outerjoin(
        parent, parent.c.id == column_version.c.categories_id
    )
    lists: dict[int, list[tuple[str, int, bytes]]] = {item: [] for item in users}
    for version, part, block, item in column_chunks(connection, sorted(users)):
        lists[version].append((part, block, item.address))
    return [
        NewColumn(
            bytes(row.address),
            row.logical_type,
            row.n_rows,
            row.block_rows,
            row.logical_bytes,
            tuple(storage_order(lists[row.id], row.scheme)),
            None if row.parent is None else bytes(row.parent),
            row.scheme,
            row.max_abs_error or 0.0,
        ).document()
        for row in select_in(connection, versions, column_version.c.id, users)
    ]


def put(backend: StorageBackend, made: Written) -> None:
    """Make a new partition durable.

    A file that was there and is damaged is never overwritten: the new one gets another name.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    for variant in range(2, _MOST_VARIANTS):
        if made.name is None or backend.put_if_absent(made.name, made.data):
            return
        try:
            if _current(backend, made) == made.data:
                return
        except CorruptPartitionError as error:
            log.info("partition %s was deleted meanwhile: %s", made.name[:12], error)
            continue
        _fill(made, [stored for stored, _ in made.moved], variant)
    raise StorageError(f"partition {made.name} is damaged and so are {_MOST_VARIANTS} copies; check the disk")


def move_rows(
    catalogue: Catalogue, backend: StorageBackend, sources: Sequence[Source], made: Written, now: float | None
) -> set[int] | None:
    """Let the catalogue look for the chunks in the new partition, and give up what is empty then.

    Chunks that were moved or removed meanwhile are left alone.

    Returns
    -------
    set or None
        Ids of the partitions that were given up; ``None`` if nothing was changed, because others did
        the same meanwhile or have deleted the new file.
    """
    try:
        with catalogue.write() as connection:
            hold_exclusively(connection)
            now = catalogue_seconds(connection) if now is None else now
            if made.name is not None:
                backend.size(made.name)  # another collection may have deleted it, new as it is
            target = None if made.name is None else _register(connection, sources, made)
            removed = {
                source.id for source in sources if source.id != target and _give_up(connection, source, made, now)
            }
            if target is not None and not removed and not _holds_chunks(connection, target):
                raise _NothingMovedError
    except (_NothingMovedError, CorruptPartitionError) as error:
        log.info("the chunks of %d partitions were not moved: %s", len(sources), error or "others did")
        return None
    return removed


class _NothingMovedError(Exception):
    """Rolls a transaction back that changed nothing."""


def _register(connection: sa.Connection, sources: Sequence[Source], made: Written) -> int:
    """Register a new partition, and let the chunks point to it that still lie where they were."""
    assert made.name is not None
    register_partition(connection, made.name, len(made.data), ())
    target = int(connection.execute(sa.select(partition.c.id).where(partition.c.name == made.name)).scalar_one())
    old = {source.name: source.id for source in sources}
    rows = [
        {
            "was_id": stored.id,
            "was_address": stored.address,
            "was_in": old[stored.partition],
            "was_at": stored.location.offset,
            **place_values(location),
        }
        for stored, location in made.moved
    ]
    if rows:
        statement = sa.update(chunk).where(
            chunk.c.id == sa.bindparam("was_id"),
            chunk.c.address == sa.bindparam("was_address"),
            chunk.c.partition_id == sa.bindparam("was_in"),
            chunk.c.byte_offset == sa.bindparam("was_at"),
        )
        names = ("encoding", "codec", "pages", "byte_offset", "stored_bytes")
        values: dict[str, Any] = {name: sa.bindparam(name) for name in names}
        connection.execute(statement.values(partition_id=target, **values), rows)
    return target


def place_values(location: ChunkLocation) -> dict[str, Any]:
    """Return the columns of a chunk's row that say where it lies in its partition and how it is decoded."""
    return {
        "encoding": location.encoding,
        "codec": None if location.codec is None else location.codec.to_json(),
        "pages": pack_extents(location.extents, location.checks) if location.extents else None,
        "byte_offset": location.offset,
        "stored_bytes": location.size,
    }


def _give_up(connection: sa.Connection, source: Source, made: Written, now: float) -> bool:
    """Remove the row of a partition that holds no chunk any more; return whether it was removed."""
    needed = {address.hex() for address in known_versions(connection, made.described.get(source.id, ()))}
    if _holds_chunks(connection, source.id) or not needed <= {item["address"] for item in made.documents}:
        return False
    removed = connection.execute(
        sa.delete(partition).where(partition.c.id == source.id, partition.c.name == source.name)
    )
    if removed.rowcount:
        upsert(connection, deleted_partition, {"name": source.name}, {"bytes": source.bytes, "deleted_at": now})
    return bool(removed.rowcount)


def _holds_chunks(connection: sa.Connection, item: int) -> bool:
    return connection.scalar(sa.select(chunk.c.id).where(chunk.c.partition_id == item).limit(1)) is not None
