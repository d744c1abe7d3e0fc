"""Sizes of a store: what was logged, what is stored, and what was saved."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.tables import chunk, fitted, intermediate, model, model_version, partition, project, stage
from mistique_core.partition import Codec


@dataclass(frozen=True)
class ModelStatistics:
    """One model's share.

    Attributes
    ----------
    project, model, versions, intermediates
        Which model, and how many of each it has.
    logical_bytes
        Bytes of all its intermediates as logged.
    stored_bytes
        Encoded bytes that they added to the store.
    reused_stages
        Stages whose outputs were taken over instead of executed.
    """

    project: str
    model: str
    versions: int
    intermediates: int
    logical_bytes: int
    stored_bytes: int
    reused_stages: int


@dataclass(frozen=True)
class StoreStatistics:
    """Sizes of a whole store.

    Attributes
    ----------
    location, catalogue
        Where it is.
    intermediates, partitions, chunks
        Numbers of each.
    logical_bytes
        Bytes of all intermediates as logged.
    chunk_bytes
        Encoded bytes of all chunks, fitted objects included.
    partition_bytes
        Bytes of all partition files.
    fitted_bytes
        Bytes of all fitted objects before encoding, each mention counted.
    catalogue_bytes
        Size of the catalogue database.
    delta_chunks, delta_saved_bytes
        Chunks that are stored as their difference to a similar one, and by how much that made them smaller.
    models
        Each model's share, by project and name.
    """

    location: str
    catalogue: str
    intermediates: int
    partitions: int
    chunks: int
    logical_bytes: int
    chunk_bytes: int
    partition_bytes: int
    fitted_bytes: int
    catalogue_bytes: int
    delta_chunks: int
    delta_saved_bytes: int
    models: tuple[ModelStatistics, ...]


def collect_statistics(catalogue: Catalogue, location: str) -> StoreStatistics:
    """Return the sizes of a store."""
    with catalogue.read() as connection:
        intermediates = _row(connection, intermediate, intermediate.c.logical_bytes)
        chunks = _row(connection, chunk, chunk.c.stored_bytes)
        partitions = _row(connection, partition, partition.c.bytes)
        models = tuple(_models(connection))
        fitted_bytes = _row(connection, fitted, fitted.c.bytes)[1]
        catalogue_bytes = _catalogue_bytes(connection)
        deltas = _deltas(connection)
    return StoreStatistics(
        location,
        catalogue.shown_url,
        intermediates[0],
        partitions[0],
        chunks[0],
        intermediates[1],
        chunks[1],
        partitions[1],
        fitted_bytes,
        catalogue_bytes,
        *deltas,
        models,
    )


def _row(connection: sa.Connection, table: sa.Table, column: sa.Column[int]) -> tuple[int, int]:
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(column), 0)).select_from(table)
    count, total = connection.execute(query).one()
    return int(count), int(total)


def _deltas(connection: sa.Connection) -> tuple[int, int]:
    codecs = connection.scalars(sa.select(chunk.c.codec).where(chunk.c.base_id.is_not(None))).all()
    return len(codecs), sum(Codec.from_json(codec).transform.saved for codec in codecs if codec is not None)


def _models(connection: sa.Connection) -> list[ModelStatistics]:
    reused = (
        sa.select(stage.c.model_version_id, sa.func.count().label("reused"))
        .where(stage.c.reused_from.is_not(None))
        .group_by(stage.c.model_version_id)
        .subquery()
    )
    sizes = (
        sa.select(
            intermediate.c.model_version_id,
            sa.func.count().label("intermediates"),
            sa.func.sum(intermediate.c.logical_bytes).label("logical"),
            sa.func.sum(intermediate.c.stored_bytes).label("stored"),
        )
        .group_by(intermediate.c.model_version_id)
        .subquery()
    )
    query = (
        sa.select(
            project.c.name,
            model.c.name,
            sa.func.count(model_version.c.id),
            sa.func.coalesce(sa.func.sum(sizes.c.intermediates), 0),
            sa.func.coalesce(sa.func.sum(sizes.c.logical), 0),
            sa.func.coalesce(sa.func.sum(sizes.c.stored), 0),
            sa.func.coalesce(sa.func.sum(reused.c.reused), 0),
        )
        .select_from(project.join(model).join(model_version))
        .outerjoin(sizes, sizes.c.model_version_id == model_version.c.id)
        .outerjoin(reused, reused.c.model_version_id == model_version.c.id)
        .group_by(project.c.name, model.c.name)
        .order_by(project.c.name, model.c.name)
    )
    return [ModelStatistics(row[0], row[1], *map(int, row[2:])) for row in connection.execute(query)]


def _catalogue_bytes(connection: sa.Connection) -> int:
    if connection.dialect.name == "sqlite":
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
    return int(connection.execute(sa.select(sa.func.pg_database_size(sa.func.current_database()))).scalar_one())
