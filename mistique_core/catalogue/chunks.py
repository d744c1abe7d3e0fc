"""Rows of the storage half: partitions, chunks and column versions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.database import insert_ignore
from mistique_core.catalogue.tables import chunk, column_chunk, column_version, partition
from mistique_core.partition import ChunkLocation

_BATCH = 500


@dataclass(frozen=True)
class StoredChunk:
    """Where a chunk lies and how to decode it.

    Attributes
    ----------
    address
        Content address, 32 bytes.
    dtype, shape, encoding
        How to decode it.
    partition
        File name of its partition.
    offset, size
        Its byte range ``[offset, offset + size)``.
    """

    address: bytes
    dtype: str
    shape: tuple[int, ...]
    encoding: str
    partition: str
    offset: int
    size: int


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
    """

    address: bytes
    logical_type: str
    rows: int
    block_rows: int
    logical_bytes: int
    chunks: tuple[tuple[str, int, bytes], ...]
    categories: bytes | None


def known_addresses(connection: sa.Connection, table: sa.Table, addresses: Iterable[bytes]) -> dict[bytes, int]:
    """Return address -> id of those that `table` (``chunk`` or ``column_version``) holds."""
    wanted = sorted(set(addresses))
    found: dict[bytes, int] = {}
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        rows = connection.execute(sa.select(table.c.address, table.c.id).where(table.c.address.in_(batch)))
        found.update((bytes(row.address), int(row.id)) for row in rows)
    return found


def register_partition(connection: sa.Connection, name: str, size: int, chunks: Sequence[ChunkLocation]) -> set[bytes]:
    """Register a durable partition and those of its chunks that no other writer registered first.

    Returns
    -------
    set
        Addresses of the chunks that are now found in this partition and were found nowhere before.
    """
    insert_ignore(connection, partition, [{"name": name, "bytes": size, "created_at": time.time()}])
    owner = connection.execute(sa.select(partition.c.id).where(partition.c.name == name)).scalar_one()
    rows = [
        {
            "address": item.address,
            "dtype": item.dtype,
            "shape": list(item.shape),
            "encoding": item.encoding,
            "stored_bytes": item.size,
            "partition_id": owner,
            "byte_offset": item.offset,
        }
        for item in sorted(chunks, key=lambda item: item.address)
    ]
    before = known_addresses(connection, chunk, [item.address for item in chunks])
    insert_ignore(connection, chunk, rows)
    mine = connection.scalars(sa.select(chunk.c.address).where(chunk.c.partition_id == owner))
    return {bytes(address) for address in mine} - set(before)


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
                }
                for column in new
            ],
        )
        ids |= known_addresses(connection, column_version, [column.address for column in new])
        _register_column_chunks(connection, new, ids)
    return ids


def _register_column_chunks(connection: sa.Connection, columns: Sequence[NewColumn], ids: dict[bytes, int]) -> None:
    chunks = known_addresses(connection, chunk, [address for column in columns for _, _, address in column.chunks])
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
    """

    id: int
    logical_type: str
    rows: int
    block_rows: int
    categories: tuple[int, bytes] | None


def version_records(connection: sa.Connection, ids: Sequence[int]) -> list[VersionRecord]:
    """Return column versions by id, in any order."""
    parent = column_version.alias("categories")
    query = sa.select(column_version, parent.c.address.label("categories_address")).outerjoin(
        parent, parent.c.id == column_version.c.categories_id
    )
    found = []
    for start in range(0, len(ids), _BATCH):
        for row in connection.execute(query.where(column_version.c.id.in_(ids[start : start + _BATCH]))):
            categories = None if row.categories_id is None else (row.categories_id, bytes(row.categories_address))
            found.append(VersionRecord(row.id, row.logical_type, row.n_rows, row.block_rows, categories))
    return found


_LOCATION = (
    chunk.c.address,
    chunk.c.dtype,
    chunk.c.shape,
    chunk.c.encoding,
    partition.c.name,
    chunk.c.byte_offset,
    chunk.c.stored_bytes,
)


def _stored_chunk(row: Sequence[Any]) -> StoredChunk:
    address, dtype, shape, encoding, name, offset, size = row[-len(_LOCATION) :]
    return StoredChunk(bytes(address), dtype, tuple(shape), encoding, name, offset, size)


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
    query = (
        sa.select(column_chunk.c.column_version_id, column_chunk.c.part, column_chunk.c.block, *_LOCATION)
        .join(chunk, chunk.c.id == column_chunk.c.chunk_id)
        .join(partition, partition.c.id == chunk.c.partition_id)
        .order_by(column_chunk.c.column_version_id, column_chunk.c.part, column_chunk.c.block)
    )
    found = []
    for start in range(0, len(versions), _BATCH):
        batch = query.where(column_chunk.c.column_version_id.in_(versions[start : start + _BATCH]))
        if blocks is not None:
            batch = batch.where(column_chunk.c.block.in_(blocks))
        for row in connection.execute(batch):
            found.append((int(row[0]), str(row[1]), int(row[2]), _stored_chunk(row)))
    return found


def chunk_by_id(connection: sa.Connection, chunk_id: int) -> StoredChunk:
    """Return one chunk."""
    query = sa.select(*_LOCATION).join(partition, partition.c.id == chunk.c.partition_id).where(chunk.c.id == chunk_id)
    return _stored_chunk(connection.execute(query).one())
