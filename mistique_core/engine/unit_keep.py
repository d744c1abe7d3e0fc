"""Layers that were let go: how their units were cut and quantized, and storing a re-run exactly so again.

What is stored again has the content addresses that were recorded, or it is not stored: the same network in batches of
the recorded length gives the same bits on the same kind of machine, and the recorded fits turn these into the same
codes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.chunks import NewColumn, version_records
from mistique_core.catalogue.intermediates import UNSTORED, ColumnRecord, IntermediateRecord
from mistique_core.catalogue.letting_go import unstored_of
from mistique_core.engine.frame_reader import FrameReader, is_units
from mistique_core.engine.stage_loader import load_stage
from mistique_core.engine.unit_columns import UnitGroups
from mistique_core.engine.unit_stream import UnitCodec
from mistique_core.errors import NotMaterializedError
from mistique_core.frames import LogicalType
from mistique_core.model import ArrayStage

Array = npt.NDArray[Any]
Pooled = Callable[[Array], "tuple[Array, float] | None"]
DEFAULT_BATCH_ROWS = 1_000
"""Rows of a forward pass, where a capture did not record them."""


@dataclass(frozen=True)
class EncodedUnits:
    """Groups of units, ready to be stored.

    Attributes
    ----------
    columns
        Position -> column version.
    arrays
        Address -> array of every chunk.
    categories
        Column versions of categories, which others refer to.
    """

    columns: Mapping[int, NewColumn]
    arrays: dict[bytes, Array]
    categories: tuple[NewColumn, ...] = ()


def is_layer(columns: Sequence[ColumnRecord]) -> bool:
    """Whether the columns of an intermediate are units."""
    return any(column.unit is not None and is_units(column) for column in columns)


def codec_of(
    connection: sa.Connection, reader: FrameReader, record: IntermediateRecord, columns: Sequence[ColumnRecord]
) -> UnitCodec:
    """Return how the units of an intermediate are, or were, cut and quantized.

    Raises
    ------
    NotMaterializedError
        If it was let go without that being recorded.
    """
    firsts = [column for column in columns if not column.unit]
    if any(column.version.id == UNSTORED for column in firsts):
        unstored = unstored_of(connection, record.ref.id)
        if unstored is None or not unstored.codec:
            raise NotMaterializedError(
                f"{record.ref.intermediate} is not stored, and how it was stored is not known; log its network again"
            )
        return UnitCodec.from_bytes(unstored.codec)
    logical = LogicalType.from_json(firsts[0].logical_type)
    block_rows = version_records(connection, [firsts[0].version.id])[0].block_rows
    fitted = tuple(reader.quantizer(connection, column.version) for column in firsts)
    first = fitted[0]
    return UnitCodec(
        len(columns),
        tuple(logical.map_shape if first is None else first.map_shape),
        np.dtype(logical.dtype if first is None else first.layout.dtype),
        UnitGroups(logical.units, block_rows),
        fitted,
    )


def batch_rows_of(connection: sa.Connection, record: IntermediateRecord, codec: UnitCodec) -> int:
    """Return the rows that a layer was captured by at a time."""
    stage = _stage(connection, record)
    known = None if stage is None else stage.batch_rows
    if known is None:
        known = DEFAULT_BATCH_ROWS
    return known if known % codec.groups.block_rows == 0 else codec.groups.block_rows


def pooling_of(connection: sa.Connection, record: IntermediateRecord, codec: UnitCodec) -> Pooled | None:
    """Return what pools the maps of a layer as its capture did, where it did so before quantizing."""
    stage = _stage(connection, record)
    fitted = codec.fitted[0] if codec.fitted else None
    if stage is None or fitted is None:
        return None
    return stage.pooling(record.output, fitted.scheme, (*codec.map_shape, codec.units))


def _stage(connection: sa.Connection, record: IntermediateRecord) -> ArrayStage | None:
    stage = None if record.stage_id is None else load_stage(connection, record.stage_id)[1]
    return stage if isinstance(stage, ArrayStage) else None


def encode_units(
    values: Array, codec: UnitCodec, positions: Collection[int], batch_rows: int, pooling: Pooled | None
) -> EncodedUnits:
    """Cut, quantize and hash groups of units as they were recorded.

    Parameters
    ----------
    values
        All rows as the network gives them, shape ``(rows, *map_shape, units)``.
    codec
        How.
    positions
        Numbers of the groups.
    batch_rows
        Rows that are pooled together, a multiple of those of a row block.
    pooling
        Pools the maps of some rows as the capture did.
    """
    size = codec.groups.units
    parts = {
        position: UnitCodec(
            min(size, codec.units - position * size),
            codec.map_shape,
            codec.dtype,
            codec.groups,
            (codec.fitted[position],),
        )
        for position in positions
    }
    chunks: dict[int, list[Any]] = {position: [] for position in positions}
    errors = dict.fromkeys(positions, 0.0)
    arrays: dict[bytes, Array] = {}
    for start in range(0, len(values), batch_rows):
        batch, error = pooled_rows(values[start : start + batch_rows], pooling)
        for position, part in parts.items():
            first = position * size
            encoded = part.encode(start, batch[..., first : first + part.units], pooling_error=error)
            chunks[position] += encoded.chunks
            errors[position] = max(errors[position], *encoded.errors)
            arrays.update(encoded.arrays)
    columns = {}
    for position, part in parts.items():
        (columns[position],) = part.columns(len(values), chunks[position], [errors[position]])
        arrays.update(part.tables().arrays)
    return EncodedUnits(columns, arrays)


def pooled_rows(values: Array, pooling: Pooled | None) -> tuple[Array, float | None]:
    """Return rows pooled as their capture did, with the bound of the error; as they are with ``None`` if it did not."""
    pooled = None if pooling is None else pooling(values)
    return (values, None) if pooled is None else pooled


def recorded_addresses(columns: Sequence[ColumnRecord]) -> dict[int, bytes]:
    """Return position -> address of what is stored there, or was."""
    return {column.position: column.version.address for column in columns}
