"""ModelDB's data frames: facts about data, whether or not the store holds it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Sequence

import sqlalchemy as sa
from blake3 import blake3

from mistique_core.catalogue.database import insert_ignore
from mistique_core.catalogue.modeldb_tables import data_frame, frame_schema
from mistique_core.catalogue.tables import model_version
from mistique_core.model.event import FrameEntity

Columns = Sequence[tuple[str, str]]


def add_stored_frame(
    connection: sa.Connection,
    *,
    intermediate_id: int,
    model_version_id: int,
    stage_id: int | None,
    output: str,
    rows: int,
) -> None:
    """Record an intermediate, which has just been registered, as a data frame; its columns are the intermediate's."""
    of_run = sa.select(
        model_version.c.run_id,
        sa.literal(stage_id, sa.BigInteger),
        sa.literal(output),
        sa.literal(rows),
        sa.literal(intermediate_id),
    ).where(model_version.c.id == model_version_id)
    names = ["run_id", "stage_id", "output", "rows", "intermediate_id"]
    connection.execute(sa.insert(data_frame).from_select(names, of_run))


def frames_of(connection: sa.Connection, intermediate_ids: Collection[int]) -> dict[int, int]:
    """Return intermediate -> data frame."""
    query = sa.select(data_frame.c.intermediate_id, data_frame.c.id).where(
        data_frame.c.intermediate_id.in_(sorted(intermediate_ids))
    )
    return {row.intermediate_id: row.id for row in connection.execute(query)}


def add_frame(
    connection: sa.Connection, run_id: int, entity: FrameEntity, *, stage_id: int | None = None, output: str = ""
) -> int:
    """Insert a data frame that the store does not hold; return its id, which `entity` gets too."""
    inserted = connection.execute(
        sa.insert(data_frame).values(
            run_id=run_id,
            stage_id=stage_id,
            output=output,
            rows=entity.rows,
            schema_id=None if entity.columns is None else schema_id(connection, entity.columns),
            tag=entity.tag or None,
            filepath=entity.filepath or None,
            metadata=dict(entity.metadata) or None,
        )
    )
    assert inserted.inserted_primary_key is not None
    entity.id = int(inserted.inserted_primary_key[0])
    return entity.id


def schema_id(connection: sa.Connection, columns: Columns) -> int:
    """Return the id of names and types of columns, which all data frames that have them share."""
    text = json.dumps([list(column) for column in columns], ensure_ascii=False, separators=(",", ":"))
    data = text.encode("utf-8", "surrogatepass")
    address = blake3(b"frame schema\0" + data).digest()
    query = sa.select(frame_schema.c.id).where(frame_schema.c.address == address)
    found = connection.scalar(query)
    if found is None:
        insert_ignore(connection, frame_schema, [{"address": address, "document": zlib.compress(data)}])
        found = connection.execute(query).scalar_one()
    return int(found)


def read_schema(document: bytes) -> tuple[tuple[str, str], ...]:
    """Return (name, type) of each column of a recorded schema."""
    columns = json.loads(zlib.decompress(document).decode("utf-8", "surrogatepass"))
    return tuple((str(name), str(kind)) for name, kind in columns)
