"""Reading units: some of a group, some rows of them, decoded from whatever scheme they are stored in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.catalogue.chunks import StoredChunk, VersionRecord
from mistique_core.engine.chunk_reader import ChunkReader, ChunkRequest, ReadTally, Rows
from mistique_core.engine.unit_columns import VALUES
from mistique_core.frames import LogicalType
from mistique_core.quantizers import FittedQuantizer, load_quantizer
from mistique_core.quantizers.margins import MARGIN_PARTS

Array = npt.NDArray[Any]
Blocks = Mapping[int, Mapping[str, StoredChunk]]


def read_units(
    reader: ChunkReader,
    record: VersionRecord,
    blocks: Blocks,
    units: Sequence[int],
    rows: Mapping[int, Rows] | None,
    tally: ReadTally | None,
) -> Array:
    """Return values of some units of one group.

    Parameters
    ----------
    reader
        Fetches and verifies chunks.
    record
        The column version.
    blocks
        Row block -> part -> chunk: the wanted blocks, and block 0 where the scheme has tables.
    units
        Positions in the group.
    rows
        Row block -> wanted positions in it; ``None`` for all rows of all blocks.
    tally
        Counts what was fetched.

    Returns
    -------
    ndarray
        Shape ``(len(units), n_rows, *map_shape)``, blocks in ascending order.
    """
    logical = LogicalType.from_json(record.logical_type)
    wanted = sorted(blocks if rows is None else rows)
    chosen = np.asarray(units, dtype=np.intp)
    if not wanted:
        return np.empty((len(chosen), 0, *logical.map_shape), logical.dtype)
    if record.scheme is None:
        requests = [ChunkRequest(blocks[block][VALUES], chosen) for block in wanted]
        pieces = reader.read(requests, tally)
    else:
        fitted, found = read_parts(reader, record, blocks, wanted, tally, margins=False)
        assert fitted is not None
        pieces = [fitted.decode(block.parts, block.rows)[chosen] for block in found]
    if rows is not None:
        pieces = [piece[:, rows[block]] for piece, block in zip(pieces, wanted, strict=True)]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)


def read_quantizer(
    reader: ChunkReader, record: VersionRecord, first: Mapping[str, StoredChunk], tally: ReadTally | None
) -> FittedQuantizer:
    """Return the fitted scheme of a group.

    Parameters
    ----------
    reader
        Fetches and verifies chunks.
    record
        The column version, which has a scheme.
    first
        Part -> chunk of row block 0.
    tally
        Counts what was fetched.
    """
    assert record.scheme is not None
    names = json.loads(record.scheme)["tables"]
    found = reader.read([ChunkRequest(first[name]) for name in names], tally) if names else []
    tables = zip(names, found, strict=True)
    return _load(record.scheme, tuple((name, table.tobytes(), table.dtype.str, table.shape) for name, table in tables))


@dataclass(frozen=True)
class UnitBlock:
    """One row block of a group as it is stored.

    Attributes
    ----------
    parts
        Name -> array.
    rows
        Number of rows.
    """

    parts: dict[str, Array]
    rows: int


def read_parts(
    reader: ChunkReader,
    record: VersionRecord,
    blocks: Blocks,
    wanted: Sequence[int],
    tally: ReadTally | None,
    *,
    margins: bool,
) -> tuple[FittedQuantizer | None, list[UnitBlock]]:
    """Return the fitted scheme of a group, and the parts of some of its row blocks.

    Parameters
    ----------
    reader
        Fetches and verifies chunks.
    record
        The column version.
    blocks
        Row block -> part -> chunk: the wanted blocks, and block 0 where the scheme has tables.
    wanted
        Row blocks.
    tally
        Counts what was fetched.
    margins
        Whether to read what only bounds need too.
    """
    fitted = None if record.scheme is None else read_quantizer(reader, record, blocks.get(0, {}), tally)
    left_out = set() if fitted is None else set(fitted.tables())
    if not margins:
        left_out |= MARGIN_PARTS
    places = [(block, part) for block in wanted for part in blocks[block] if part not in left_out]
    arrays = dict(zip(places, reader.read([ChunkRequest(blocks[b][p]) for b, p in places], tally), strict=True))
    found = []
    for block in wanted:
        size = min(record.block_rows, record.rows - block * record.block_rows)
        found.append(UnitBlock({part: arrays[block, part] for owner, part in places if owner == block}, size))
    return fitted, found


@lru_cache(maxsize=256)
def _load(scheme: str, tables: tuple[tuple[str, bytes, str, tuple[int, ...]], ...]) -> FittedQuantizer:
    arrays = {name: np.frombuffer(data, dtype).reshape(shape) for name, data, dtype, shape in tables}
    return load_quantizer(json.loads(scheme)["config"], arrays)
