"""Captures in progress: which row blocks of layers or tables are stored, before these become visible.

The chunks of a finished row block are registered at once, so that a capture which is interrupted goes on at the next
block, and so that several tasks can each store some blocks. What they are chunks of is kept here until all blocks
are there; garbage collection takes them for referred to until then.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.clock import catalogue_seconds
from mistique_core.catalogue.driver_statements import insert_ignore
from mistique_core.catalogue.entities import RunKey
from mistique_core.catalogue.tables import (
    capture,
    capture_block,
    experiment_run,
    intermediate,
    model,
    model_version,
    project,
    stage,
)
from mistique_core.errors import CatalogueError

_Chunk = tuple[int, str, int, bytes]


@dataclass(frozen=True)
class CapturedRows:
    """What is stored of one intermediate in one row block of a capture.

    Attributes
    ----------
    chunks
        (group, part, row block of the column, address) of each chunk; of a table a group is a column.
    errors
        Bound of the absolute error, one a group; none of a table.
    stored_bytes
        Bytes that they added to the store.
    facts
        What else is known of these rows, JSON values; of a table its columns.
    """

    chunks: tuple[_Chunk, ...]
    errors: tuple[float, ...]
    stored_bytes: int
    facts: Mapping[str, Any] = field(default_factory=dict)


CapturedBlock = dict[str, CapturedRows]
"""Tensor, or output of a stage -> its rows."""


class CaptureEndedError(CatalogueError):
    """Others have finished a capture meanwhile: its layers are visible, and nothing is left to do."""


@dataclass(frozen=True)
class OpenCapture:
    """A capture in progress.

    Attributes
    ----------
    id
        Its row.
    document
        What was decided when it began.
    """

    id: int
    document: bytes


def open_capture(connection: sa.Connection, version_id: int, key: str, document: bytes) -> OpenCapture:
    """Return a capture in progress, or begin it; the first to begin it decides its document."""
    row = {"key": key, "model_version_id": version_id, "document": document, "beat_at": catalogue_seconds(connection)}
    insert_ignore(connection, capture, [row])
    found = find_capture(connection, version_id, key)
    assert found is not None
    return found


def find_capture(connection: sa.Connection, version_id: int, key: str) -> OpenCapture | None:
    """Return a capture in progress, or ``None``."""
    query = sa.select(capture).where(capture.c.model_version_id == version_id, capture.c.key == key)
    row = connection.execute(query).first()
    return None if row is None else OpenCapture(int(row.id), bytes(row.document))


def find_interrupted(connection: sa.Connection, project_name: str, model_name: str, key: str) -> RunKey | None:
    """Return the newest run of a model that left this capture unfinished, or ``None``."""
    query = (
        sa.select(experiment_run.c.source, experiment_run.c.dag_id, experiment_run.c.run_id)
        .select_from(
            capture.join(model_version, model_version.c.id == capture.c.model_version_id)
            .join(model, model.c.id == model_version.c.model_id)
            .join(project, project.c.id == model.c.project_id)
            .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        )
        .where(
            project.c.name == project_name,
            model.c.name == model_name,
            capture.c.key == key,
            experiment_run.c.source == "python",
        )
        .order_by(capture.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else RunKey(row.source, row.dag_id, row.run_id)


def check_open(connection: sa.Connection, capture_id: int) -> None:
    """Raise :class:`CaptureEndedError` if a capture has ended."""
    if connection.scalar(sa.select(capture.c.id).where(capture.c.id == capture_id)) is None:
        raise CaptureEndedError("the capture has ended: others have stored all of its row blocks, or it was given up")


def has_capture_of(connection: sa.Connection, version_id: int, name: str, identity: str) -> bool:
    """Return whether a model version holds a layer that was computed in a known way, by any scheme.

    Parameters
    ----------
    connection
        A connection.
    version_id
        The model version.
    name
        The layer.
    identity
        What tells its values from others, 64 hex digits; the first half of its stage's fingerprint. A layer that must
        never be taken over has none, and counts by its name.
    """
    query = (
        sa.select(stage.c.fingerprint)
        .join(intermediate, intermediate.c.stage_id == stage.c.id)
        .where(intermediate.c.model_version_id == version_id, intermediate.c.name == name)
    )
    found = connection.scalars(query).all()
    return any(item is None or item[: len(item) // 2] == identity[: len(item) // 2] for item in found)


def save_blocks(connection: sa.Connection, capture_id: int, blocks: Sequence[tuple[int, CapturedBlock]]) -> None:
    """Record row blocks whose chunks are registered; a block that another task has recorded stays as it is.

    Raises
    ------
    CaptureEndedError
        If others have stored all blocks meanwhile, or the capture was given up.
    """
    beat(connection, capture_id)
    rows = [{"capture_id": capture_id, "block": number, "document": _pack(block)} for number, block in blocks]
    insert_ignore(connection, capture_block, rows)


def append_blocks(connection: sa.Connection, capture_id: int, blocks: Sequence[CapturedBlock]) -> list[int]:
    """Record row blocks whose chunks are registered under the next free numbers, and return these in order.

    Several tries may record the same row block; whoever began the capture decides which of them counts.

    Raises
    ------
    CaptureEndedError
        If the capture has ended.
    """
    beat(connection, capture_id)  # and no other adds any until the transaction ends
    last = connection.scalar(
        sa.select(sa.func.max(capture_block.c.block)).where(capture_block.c.capture_id == capture_id)
    )
    first = 0 if last is None else int(last) + 1
    numbers = list(range(first, first + len(blocks)))
    rows = [
        {"capture_id": capture_id, "block": number, "document": _pack(block)}
        for number, block in zip(numbers, blocks, strict=True)
    ]
    if rows:
        connection.execute(sa.insert(capture_block), rows)
    return numbers


def beat(connection: sa.Connection, capture_id: int) -> None:
    """Give a sign of life of a capture, which keeps it from being ended until the transaction does.

    Raises
    ------
    CaptureEndedError
        If it has ended.
    """
    updated = connection.execute(
        sa.update(capture).where(capture.c.id == capture_id).values(beat_at=catalogue_seconds(connection))
    )
    if not updated.rowcount:
        raise CaptureEndedError("the capture has ended: others have stored all of its row blocks, or it was given up")


def saved_numbers(connection: sa.Connection, capture_id: int) -> set[int]:
    """Return the numbers of the row blocks that are stored."""
    query = sa.select(capture_block.c.block).where(capture_block.c.capture_id == capture_id)
    return {int(number) for number in connection.scalars(query)}


def load_blocks(connection: sa.Connection, capture_id: int) -> list[CapturedBlock]:
    """Return all row blocks that are stored, in order."""
    return list(load_numbered_blocks(connection, capture_id).values())


def load_numbered_blocks(connection: sa.Connection, capture_id: int) -> dict[int, CapturedBlock]:
    """Return number -> row block of all that are stored, in order."""
    query = (
        sa.select(capture_block.c.block, capture_block.c.document)
        .where(capture_block.c.capture_id == capture_id)
        .order_by(capture_block.c.block)
    )
    return {int(row.block): _unpack(bytes(row.document)) for row in connection.execute(query)}


def end_capture(connection: sa.Connection, capture_id: int) -> None:
    """Forget a capture in the transaction that makes its layers visible.

    Raises
    ------
    CaptureEndedError
        If another task was first.
    """
    if connection.scalar(sa.select(capture.c.id).where(capture.c.id == capture_id).with_for_update()) is None:
        raise CaptureEndedError("another task has made the layers of this capture visible")
    end_captures(connection, [capture_id])


def end_captures(connection: sa.Connection, capture_ids: Iterable[int]) -> None:
    """Forget captures: their layers are visible now, or nobody will go on with them."""
    for capture_id in capture_ids:
        connection.execute(sa.delete(capture_block).where(capture_block.c.capture_id == capture_id))
        connection.execute(sa.delete(capture).where(capture.c.id == capture_id))


def captures_of(connection: sa.Connection, version_ids: Iterable[int]) -> list[int]:
    """Return the captures in progress of some model versions."""
    wanted = set(version_ids)
    rows = connection.execute(sa.select(capture.c.id, capture.c.model_version_id))
    return [int(row.id) for row in rows if int(row.model_version_id) in wanted]


def silent_captures(connection: sa.Connection, before: float) -> list[int]:
    """Return the captures that stored their last block before a time (Unix seconds)."""
    return [int(item) for item in connection.scalars(sa.select(capture.c.id).where(capture.c.beat_at < before))]


def captured_addresses(connection: sa.Connection) -> set[bytes]:
    """Return the addresses of all chunks that captures in progress have stored."""
    documents = connection.scalars(sa.select(capture_block.c.document))
    return {
        address
        for document in documents
        for rows in _unpack(bytes(document)).values()
        for _, _, _, address in rows.chunks
    }


def _pack(block: CapturedBlock) -> bytes:
    document: dict[str, Any] = {
        name: {
            "chunks": [[group, part, number, address.hex()] for group, part, number, address in rows.chunks],
            "errors": list(rows.errors),
            "stored_bytes": rows.stored_bytes,
            **({"facts": rows.facts} if rows.facts else {}),
        }
        for name, rows in block.items()
    }
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode())


def _unpack(data: bytes) -> CapturedBlock:
    return {
        name: CapturedRows(
            tuple((group, part, number, bytes.fromhex(address)) for group, part, number, address in rows["chunks"]),
            tuple(rows["errors"]),
            rows["stored_bytes"],
            rows.get("facts", {}),
        )
        for name, rows in json.loads(zlib.decompress(data)).items()
    }
