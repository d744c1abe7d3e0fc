"""Rows of the storage half: partitions, chunks and column versions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.driver_statements import delete_rows, find_ids, insert_ignore, select_rows
from mistique_core.catalogue.tables import (
    chunk,
    column_chunk,
    column_version,
    deleted_partition,
    partition,
    similar_band,
)
from mistique_core.errors import CatalogueError
from mistique_core.partition import ChunkLocation, Codec, Zone, pack_extents, unpack_pages

_BATCH = 500


@dataclass(frozen=True)
class StoredChunk:
    """A chunk that the store holds.

    Attributes
    ----------
    id
        Its row in the catalogue.
    partition
        File name of its partition.
    location
        Where it lies in it and how it is decoded.
    zone
        Smallest and largest value and number of NaNs, where they were recorded.
    base
        Row of the chunk that it is a difference to, or ``None``.
    """

    id: int
    partition: str
    location: ChunkLocation
    zone: Zone | None = None
    base: int | None = None

    @property
    def address(self) -> bytes:
        """Content address, 32 bytes."""
        return self.location.address


@dataclass(frozen=True)
class NewChunk:
    """A durable chunk to be registered.

    Attributes
    ----------
    location
        Where it lies in its partition.
    zone
        Of its values, where they have an order.
    base
        Address of the chunk that it is a difference to, or ``None``.
    bands
        Keys under which similar chunks shall find it.
    """

    location: ChunkLocation
    zone: Zone | None = None
    base: bytes | None = None
    bands: tuple[int, ...] = ()


@dataclass(frozen=True)
class NewPartition:
    """A durable partition to be registered.

    Attributes
    ----------
    name, size
        File name and bytes.
    chunks
        What it holds.
    """

    name: str
    size: int
    chunks: tuple[NewChunk, ...]


@dataclass(frozen=True)
class NewColumn:
    """A column version to be registered.

    Attributes
    ----------
    address
        Content address of the column version.
    logical_type
        Canonical JSON.
    rows, block_rows, logical_bytes
        Its sizes.
    chunks
        (part, block, chunk address).
    categories
        Address of the categories' column version, if any; registered before this one.
    scheme
        Canonical JSON of the lossy scheme; ``None`` when the values are exactly those logged.
    max_abs_error
        Bound of the absolute error of any value.
    """

    address: bytes
    logical_type: str
    rows: int
    block_rows: int
    logical_bytes: int
    chunks: tuple[tuple[str, int, bytes], ...]
    categories: bytes | None
    scheme: str | None = None
    max_abs_error: float = 0.0

    def document(self) -> dict[str, Any]:
        """Return it as JSON, for the partition that is written together with it."""
        return {
            "address": self.address.hex(),
            "logical_type": self.logical_type,
            "rows": self.rows,
            "block_rows": self.block_rows,
            "logical_bytes": self.logical_bytes,
            "chunks": [[part, block, address.hex()] for part, block, address in self.chunks],
            "categories": None if self.categories is None else self.categories.hex(),
            "scheme": self.scheme,
            "max_abs_error": self.max_abs_error,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> NewColumn:
        """Return what :meth:`document` described."""
        return cls(
            bytes.fromhex(document["address"]),
            document["logical_type"],
            document["rows"],
            document["block_rows"],
            document["logical_bytes"],
            tuple((part, block, bytes.fromhex(address)) for part, block, address in document["chunks"]),
            None if document["categories"] is None else bytes.fromhex(document["categories"]),
            document["scheme"],
            document["max_abs_error"],
        )


class ChunksGoneError(CatalogueError):
    """Chunks that were stored when a write began have been deleted since; the write starts again."""


def known_addresses(connection: sa.Connection, table: sa.Table, addresses: Iterable[bytes]) -> dict[bytes, int]:
    """Return address -> id of those that `table` (``chunk`` or ``column_version``) holds."""
    return find_ids(connection, table, "address", sorted(set(addresses)))


def register_partition(connection: sa.Connection, name: str, size: int, chunks: Sequence[NewChunk]) -> set[bytes]:
    """Register one durable partition; see :func:`register_partitions`."""
    return register_partitions(connection, [NewPartition(name, size, tuple(chunks))])


def register_partitions(connection: sa.Connection, partitions: Sequence[NewPartition]) -> set[bytes]:
    """Register durable partitions and those of their chunks that no other writer registered first.

    Rows are inserted in the order of their names and addresses, the same for every writer, so that no two wait for
    each other. A difference is registered after its base, which may lie in another partition.

    Returns
    -------
    set
        Addresses of the chunks that are now found in these partitions and were found nowhere before.

    Raises
    ------
    ChunksGoneError
        If the base of a difference has been deleted since, or has been registered as a difference itself.
    """
    owners = _register_files(connection, partitions)
    items = [(item, owners[owner.name]) for owner in partitions for item in owner.chunks]
    items.sort(key=lambda pair: pair[0].location.address)
    addresses = [item.location.address for item, _ in items]
    needed = [item.base for item, _ in items if item.base is not None]
    before = known_addresses(connection, chunk, addresses)
    insert_ignore(connection, chunk, [_chunk_row(item, owner, None) for item, owner in items if item.base is None])
    bases = known_addresses(connection, chunk, needed)
    if len(bases) < len(set(needed)):
        raise ChunksGoneError("the base of a difference was deleted while it was written; write it again")
    if any(item.base is not None for item in chunks_by_id(connection, bases.values()).values()):
        raise ChunksGoneError("another writer stored the base of a difference as a difference; write it again")
    differences = [_chunk_row(item, owner, bases[item.base]) for item, owner in items if item.base is not None]
    insert_ignore(connection, chunk, differences)
    ids: dict[bytes, int] = {}
    for owner in owners.values():
        ids.update((bytes(row[0]), int(row[1])) for row in select_rows(connection, _HELD, {"owner": owner}))
    added = set(ids) - set(before)
    bands = [
        {"key": key, "chunk_id": ids[item.location.address]}
        for item, _ in items
        if item.location.address in added
        for key in item.bands
    ]
    insert_ignore(connection, similar_band, bands)
    return added


_HELD = sa.select(chunk.c.address, chunk.c.id).where(chunk.c.partition_id == sa.bindparam("owner"))


def _register_files(connection: sa.Connection, partitions: Sequence[NewPartition]) -> dict[str, int]:
    """Return name -> id of partitions, which are no longer remembered as deleted."""
    now = time.time()
    sizes = {item.name: item.size for item in partitions}
    rows = [{"name": name, "bytes": sizes[name], "created_at": now} for name in sorted(sizes)]
    insert_ignore(connection, partition, rows)
    for name in sorted(sizes):
        delete_rows(connection, deleted_partition, {"name": name})
    return find_ids(connection, partition, "name", sorted(sizes))


def _chunk_row(item: NewChunk, owner: int, base: int | None) -> dict[str, Any]:
    location, zone = item.location, item.zone
    return {
        "address": location.address,
        "dtype": location.dtype,
        "shape": list(location.shape),
        "encoding": location.encoding,
        "stored_bytes": location.size,
        "partition_id": owner,
        "byte_offset": location.offset,
        "codec": None if location.codec is None else location.codec.to_json(),
        "pages": pack_extents(location.extents, location.checks) if location.extents else None,
        "low": None if zone is None else zone.low,
        "high": None if zone is None else zone.high,
        "nulls": None if zone is None else zone.nulls,
        "base_id": base,
    }


def register_columns(connection: sa.Connection, columns: Sequence[NewColumn]) -> dict[bytes, int]:
    """Register column versions whose chunks are registered; return address -> id of all of them."""
    plain = [column for column in columns if column.categories is None]
    with_categories = [column for column in columns if column.categories is not None]
    ids: dict[bytes, int] = {}
    for group in (plain, with_categories):
        group = sorted({column.address: column for column in group}.values(), key=lambda column: column.address)
        before = known_addresses(connection, column_version, [column.address for column in group])
        ids |= before
        new = [column for column in group if column.address not in before]
        insert_ignore(
            connection,
            column_version,
            [
                {
                    "address": column.address,
                    "logical_type": column.logical_type,
                    "n_rows": column.rows,
                    "block_rows": column.block_rows,
                    "logical_bytes": column.logical_bytes,
                    "categories_id": None if column.categories is None else ids[column.categories],
                    "scheme": column.scheme,
                    "max_abs_error": column.max_abs_error if column.scheme is not None else None,
                }
                for column in new
            ],
        )
        ids |= known_addresses(connection, column_version, [column.address for column in new])
        _register_column_chunks(connection, new, ids)
    return ids


def _register_column_chunks(connection: sa.Connection, columns: Sequence[NewColumn], ids: dict[bytes, int]) -> None:
    wanted = {address for column in columns for _, _, address in column.chunks}
    chunks = known_addresses(connection, chunk, wanted)
    if len(chunks) < len(wanted):
        raise ChunksGoneError(f"{len(wanted) - len(chunks)} chunks were deleted while a column was written")
    rows = [
        {"column_version_id": ids[column.address], "part": part, "block": block, "chunk_id": chunks[address]}
        for column in columns
        for part, block, address in column.chunks
    ]
    insert_ignore(connection, column_chunk, rows)


@dataclass(frozen=True)
class VersionRecord:
    """What never changes about a column version.

    Attributes
    ----------
    id
        Its row in the catalogue.
    logical_type
        Canonical JSON.
    rows, block_rows
        Length of the column, and of each row block but the last.
    categories
        (id, address) of the categories' column version, if any.
    scheme
        Canonical JSON of the lossy scheme, or ``None``.
    """

    id: int
    logical_type: str
    rows: int
    block_rows: int
    categories: tuple[int, bytes] | None
    scheme: str | None = None


_PARENT = column_version.alias("categories")
# Statements are built once: building one takes longer than SQLite needs to answer it.
_VERSIONS = (
    sa.select(
        column_version.c.id,
        column_version.c.logical_type,
        column_version.c.n_rows,
        column_version.c.block_rows,
        column_version.c.scheme,
        column_version.c.categories_id,
        _PARENT.c.address,
    )
    .outerjoin(_PARENT, _PARENT.c.id == column_version.c.categories_id)
    .where(column_version.c.id.in_(sa.bindparam("versions", expanding=True)))
)


def version_records(connection: sa.Connection, ids: Sequence[int]) -> list[VersionRecord]:
    """Return column versions by id, in any order."""
    found = []
    for start in range(0, len(ids), _BATCH):
        for row in select_rows(connection, _VERSIONS, {}, {"versions": ids[start : start + _BATCH]}):
            version, logical, rows, block_rows, scheme, parent, address = row
            categories = None if parent is None else (parent, bytes(address))
            found.append(VersionRecord(version, logical, rows, block_rows, categories, scheme))
    return found


_LOCATION = (
    chunk.c.id,
    chunk.c.address,
    chunk.c.dtype,
    chunk.c.shape,
    chunk.c.encoding,
    chunk.c.codec,
    chunk.c.byte_offset,
    chunk.c.stored_bytes,
    chunk.c.pages,
    chunk.c.low,
    chunk.c.high,
    chunk.c.nulls,
    chunk.c.base_id,
    partition.c.name,
)


def _stored_chunk(row: Sequence[Any]) -> StoredChunk:
    (
        chunk_id, address, dtype, shape, encoding, codec, offset, size, pages, low, high, nulls, base, name,
    ) = row[-len(_LOCATION) :]  # fmt: skip
    extents: tuple[tuple[int, int], ...] = ((offset, size),) if size else ()
    checks: tuple[int, ...] = ()
    if pages is not None:
        extents, checks = unpack_pages(bytes(pages), offset)
    decoding = None if codec is None else Codec.from_json(codec)
    location = ChunkLocation(bytes(address), dtype, _shape(shape), encoding, decoding, extents, checks)
    zone = None if nulls is None else Zone(_optional(low), _optional(high), nulls)
    return StoredChunk(chunk_id, name, location, zone, base)


def _shape(stored: str | list[int]) -> tuple[int, ...]:
    """Return a shape as its driver gives JSON: parsed, or as text."""
    return _parsed_shape(stored) if isinstance(stored, str) else tuple(stored)


@lru_cache(maxsize=1_024)
def _parsed_shape(text: str) -> tuple[int, ...]:
    return tuple(json.loads(text))


def _optional(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


_PLACES = (
    sa.select(column_chunk.c.column_version_id, column_chunk.c.part, column_chunk.c.block, *_LOCATION)
    .join(chunk, chunk.c.id == column_chunk.c.chunk_id)
    .join(partition, partition.c.id == chunk.c.partition_id)
    .where(column_chunk.c.column_version_id.in_(sa.bindparam("versions", expanding=True)))
    .order_by(column_chunk.c.column_version_id, column_chunk.c.part, column_chunk.c.block)
)
_PLACES_IN_BLOCKS = _PLACES.where(column_chunk.c.block.in_(sa.bindparam("blocks", expanding=True)))


def column_chunks(
    connection: sa.Connection, versions: Sequence[int], blocks: Sequence[int] | None = None
) -> list[tuple[int, str, int, StoredChunk]]:
    """Return (column version, part, block, chunk) of column versions, in order of block.

    Parameters
    ----------
    connection
        A connection.
    versions
        Ids of column versions.
    blocks
        Block numbers from 0, or ``None`` for all.
    """
    found = []
    query = _PLACES if blocks is None else _PLACES_IN_BLOCKS
    if blocks is not None and not blocks:
        return []
    for start in range(0, len(versions), _BATCH):
        wanted = {"versions": versions[start : start + _BATCH]}
        for row in select_rows(connection, query, {}, wanted if blocks is None else {**wanted, "blocks": blocks}):
            found.append((row[0], row[1], row[2], _stored_chunk(row)))
    return found


_BY_ID = (
    sa.select(*_LOCATION)
    .join(partition, partition.c.id == chunk.c.partition_id)
    .where(chunk.c.id.in_(sa.bindparam("wanted", expanding=True)))
)


def chunks_by_id(connection: sa.Connection, ids: Iterable[int]) -> dict[int, StoredChunk]:
    """Return chunks by their row in the catalogue; one that is not there is left out."""
    wanted = sorted(set(ids))
    found: dict[int, StoredChunk] = {}
    for start in range(0, len(wanted), _BATCH):
        for row in select_rows(connection, _BY_ID, {}, {"wanted": wanted[start : start + _BATCH]}):
            item = _stored_chunk(row)
            found[item.id] = item
    return found


def chunks_by_address(connection: sa.Connection, addresses: Iterable[bytes]) -> dict[bytes, StoredChunk]:
    """Return chunks by content address; one that is not there is left out."""
    ids = known_addresses(connection, chunk, addresses)
    return {item.address: item for item in chunks_by_id(connection, ids.values()).values()}


def move_chunk(connection: sa.Connection, name: str, item: NewChunk) -> bool:
    """Let the row of a chunk point into the registered partition `name`; return whether there is such a row."""
    owner = connection.execute(sa.select(partition.c.id).where(partition.c.name == name)).scalar_one()
    values = _chunk_row(item, owner, None)
    moved = connection.execute(sa.update(chunk).where(chunk.c.address == values.pop("address")).values(**values))
    return moved.rowcount > 0


_SIMILAR = (
    sa.select(similar_band.c.key, *_LOCATION)
    .select_from(
        similar_band.join(chunk, chunk.c.id == similar_band.c.chunk_id).join(
            partition, partition.c.id == chunk.c.partition_id
        )
    )
    .where(chunk.c.base_id.is_(None), similar_band.c.key.in_(sa.bindparam("keys", expanding=True)))
    .order_by(similar_band.c.key, chunk.c.id)
)


def similar_chunks(connection: sa.Connection, keys: Iterable[int]) -> dict[int, list[StoredChunk]]:
    """Return, for each band key, the chunks that were registered under it and are no differences."""
    wanted = sorted(set(keys))
    found: dict[int, list[StoredChunk]] = {}
    for start in range(0, len(wanted), _BATCH):
        for row in select_rows(connection, _SIMILAR, {}, {"keys": wanted[start : start + _BATCH]}):
            found.setdefault(int(row[0]), []).append(_stored_chunk(row))
    return found
