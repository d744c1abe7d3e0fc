"""Who refers to what: the storage half of a catalogue as arrays of ids, for deciding what is garbage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.captures import captured_addresses
from mistique_core.catalogue.chunks import known_addresses
from mistique_core.catalogue.layouts import unpack_versions
from mistique_core.catalogue.tables import (
    chunk,
    column_chunk,
    column_version,
    fitted,
    intermediate,
    layout,
    partition,
)

Ids = npt.NDArray[np.int64]
NONE = 0
"""Stands for "no row" among ids, which begin at 1."""
_BATCH = 20_000


@dataclass(frozen=True)
class IntermediateReferences:
    """What one intermediate refers to.

    Attributes
    ----------
    id
        Its row.
    versions
        Column versions of its row ids and columns, int64 (n,).
    layout
        Its layout, or 0.
    """

    id: int
    versions: Ids
    layout: int


@dataclass(frozen=True)
class References:
    """The storage half as ids. Every array is int64; arrays of one table have one length.

    Attributes
    ----------
    roots
        Column versions that an intermediate refers to.
    fitted
        Chunks that a fitted object refers to.
    captured
        Chunks that a capture in progress has stored.
    used_layouts
        Layouts that an intermediate refers to.
    versions, categories
        Column versions, and the version of each one's categories (0: none).
    link_versions, link_chunks
        (column version, chunk) of each entry of a column's list of chunks.
    chunks, bases, owners, chunk_bytes
        Chunks, the chunk that each is a difference to (0: none), its partition, and its encoded bytes.
    partitions, partition_bytes
        Partitions and the lengths of their files.
    layouts
        Layouts.
    """

    roots: Ids
    fitted: Ids
    captured: Ids
    used_layouts: Ids
    versions: Ids
    categories: Ids
    link_versions: Ids
    link_chunks: Ids
    chunks: Ids
    bases: Ids
    owners: Ids
    chunk_bytes: Ids
    partitions: Ids
    partition_bytes: Ids
    layouts: Ids


def load_references(connection: sa.Connection) -> References:
    """Return all references of the catalogue as the connection sees it."""
    items = load_intermediates(connection)
    versions = _rows(connection, sa.select(column_version.c.id, _or_none(column_version.c.categories_id)), 2)
    links = _rows(connection, sa.select(column_chunk.c.column_version_id, column_chunk.c.chunk_id), 2)
    chunks = _rows(
        connection, sa.select(chunk.c.id, _or_none(chunk.c.base_id), chunk.c.partition_id, chunk.c.stored_bytes), 4
    )
    partitions = _rows(connection, sa.select(partition.c.id, partition.c.bytes), 2)
    return References(
        roots=referred_versions(items),
        fitted=load_fitted_chunks(connection)[1],
        captured=_captured_chunks(connection),
        used_layouts=np.unique(np.array([item.layout for item in items], np.int64)),
        versions=versions[0],
        categories=versions[1],
        link_versions=links[0],
        link_chunks=links[1],
        chunks=chunks[0],
        bases=chunks[1],
        owners=chunks[2],
        chunk_bytes=chunks[3],
        partitions=partitions[0],
        partition_bytes=partitions[1],
        layouts=_rows(connection, sa.select(layout.c.id), 1)[0],
    )


def load_intermediates(connection: sa.Connection) -> list[IntermediateReferences]:
    """Return what each intermediate refers to, by id."""
    query = sa.select(
        intermediate.c.id, intermediate.c.row_id_version, _or_none(intermediate.c.layout_id), intermediate.c.columns
    ).order_by(intermediate.c.id)
    found = []
    for row in connection.execute(query).yield_per(_BATCH):
        packed = np.empty(0, np.int64) if row[3] is None else unpack_versions(bytes(row[3]))
        found.append(IntermediateReferences(int(row[0]), np.append(packed, int(row[1])), int(row[2])))
    return found


def referred_versions(items: list[IntermediateReferences]) -> Ids:
    """Return the column versions that intermediates refer to, sorted, each once."""
    return np.unique(np.concatenate([np.empty(0, np.int64), *(item.versions for item in items)]))


def load_fitted_chunks(connection: sa.Connection) -> tuple[Ids, Ids]:
    """Return (fitted object, chunk) of every fitted object."""
    ids, chunks = _rows(connection, sa.select(fitted.c.id, fitted.c.chunk_id), 2)
    return ids, chunks


def _captured_chunks(connection: sa.Connection) -> Ids:
    found = known_addresses(connection, chunk, captured_addresses(connection))
    return np.array(sorted(found.values()), np.int64)


def _or_none(column: sa.Column[Any]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(column, NONE)


def _rows(connection: sa.Connection, query: sa.Select[Any], width: int) -> tuple[Ids, ...]:
    """Return the columns of a query as arrays."""
    batches = [np.empty((0, width), np.int64)]
    for rows in connection.execute(query).partitions(_BATCH):
        batches.append(np.array([tuple(row) for row in rows], np.int64).reshape(-1, width))
    table = np.concatenate(batches)
    return tuple(np.ascontiguousarray(table[:, position]) for position in range(width))
