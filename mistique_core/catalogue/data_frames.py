"""ModelDB's data frames: facts about data, whether or not the store holds it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from blake3 import blake3

from mistique_core.catalogue.driver_statements import find_ids, find_row, insert_ignore, insert_returning_ids
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
    version = find_row(connection, model_version, {"id": model_version_id}, ("run_id",))
    facts = {"stage_id": stage_id, "output": output, "rows": rows, "intermediate_id": intermediate_id}
    if version is not None:
        insert_ignore(connection, data_frame, [{"run_id": version[0], **facts}])


def frames_of(connection: sa.Connection, intermediate_ids: Collection[int]) -> dict[int, int]:
    """Return intermediate -> data frame."""
    return find_ids(connection, data_frame, "intermediate_id", sorted(intermediate_ids))


@dataclass(frozen=True)
class MadeFrame:
    """A data frame to be inserted, the stage that made it (``None`` for none), and the name of its output."""

    entity: FrameEntity
    stage_id: int | None = None
    output: str = ""


def add_frames(connection: sa.Connection, run_id: int, frames: Sequence[MadeFrame]) -> None:
    """Insert data frames that the store does not hold; the entities get their ids."""
    if not frames:
        return
    schemas = schema_ids(connection, [item.entity.columns for item in frames if item.entity.columns is not None])
    rows = [
        {
            "run_id": run_id,
            "stage_id": item.stage_id,
            "output": item.output,
            "rows": item.entity.rows,
            "schema_id": None if item.entity.columns is None else schemas[tuple(item.entity.columns)],
            "tag": item.entity.tag or None,
            "filepath": item.entity.filepath or None,
            "metadata": dict(item.entity.metadata) or None,
        }
        for item in frames
    ]
    for item, row in zip(frames, insert_returning_ids(connection, data_frame, rows), strict=True):
        item.entity.id = row


def schema_ids(connection: sa.Connection, columns: Iterable[Columns]) -> dict[tuple[tuple[str, str], ...], int]:
    """Return names and types of columns -> the id that all data frames share which have them."""
    documents = {tuple(item): _document(item) for item in columns}
    addresses = {key: blake3(b"frame schema\0" + data).digest() for key, data in documents.items()}
    found = find_ids(connection, frame_schema, "address", list(addresses.values()))
    new = {address: documents[key] for key, address in addresses.items() if address not in found}
    if new:
        rows = [{"address": address, "document": zlib.compress(data)} for address, data in new.items()]
        insert_ignore(connection, frame_schema, rows)
        found |= find_ids(connection, frame_schema, "address", list(new))
    return {key: found[address] for key, address in addresses.items()}


def _document(columns: Columns) -> bytes:
    text = json.dumps([list(column) for column in columns], ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def read_schema(document: bytes) -> tuple[tuple[str, str], ...]:
    """Return (name, type) of each column of a recorded schema."""
    columns = json.loads(zlib.decompress(document).decode("utf-8", "surrogatepass"))
    return tuple((str(name), str(kind)) for name, kind in columns)
