"""Sizes of column versions, and how they are reconstructed: what the cost of reading them depends on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from mistique_core.catalogue.driver_statements import select_rows
from mistique_core.catalogue.tables import chunk, column_chunk, column_version
from mistique_core.cost import PLAIN, ROWS_OF_PAGE, StoredPart
from mistique_core.frames import LogicalType
from mistique_core.quantizers.margins import MARGIN_PARTS

_BATCH = 500
UNITS = "units"


@dataclass(frozen=True)
class VersionSize:
    """One column version.

    Attributes
    ----------
    stored_bytes, chunks
        Encoded bytes and number of chunks.
    rows, block_rows
        Its rows, and those of a row block.
    decoded_bytes
        Of all its values, as they are reconstructed.
    units
        Columns that it holds; more than one for a group of units.
    encoding
        How its values are reconstructed: a logical type, or a lossy scheme.
    categories
        Id of the version of its categories, if it has any.
    """

    stored_bytes: int
    chunks: int
    rows: int
    block_rows: int
    decoded_bytes: int
    units: int
    encoding: str
    categories: int | None = None


_SIZES = (
    sa.select(
        column_version.c.id,
        column_version.c.categories_id,
        column_version.c.n_rows,
        column_version.c.block_rows,
        column_version.c.logical_bytes,
        column_version.c.logical_type,
        column_version.c.scheme,
        sa.func.coalesce(sa.func.sum(chunk.c.stored_bytes), 0).label("stored"),
        sa.func.count(chunk.c.id).label("chunks"),
    )
    .select_from(column_version.outerjoin(column_chunk).outerjoin(chunk, chunk.c.id == column_chunk.c.chunk_id))
    .where(
        column_version.c.id.in_(sa.bindparam("versions", expanding=True)),
        sa.or_(column_chunk.c.part.is_(None), column_chunk.c.part.not_in(sorted(MARGIN_PARTS))),
    )
    .group_by(column_version.c.id)
)


def version_sizes(connection: sa.Connection, versions: Sequence[int]) -> dict[int, VersionSize]:
    """Return the sizes of column versions and of their categories, by id; ids below 0 stand for none."""
    sizes: dict[int, VersionSize] = {}
    missing = sorted({version for version in versions if version > 0})
    while missing:
        batch, missing = missing[:_BATCH], missing[_BATCH:]
        rows = select_rows(connection, _SIZES, {}, {"versions": batch})
        for version, parent, length, block, logical_bytes, logical_type, scheme, stored, chunks in rows:
            logical = LogicalType.from_json(logical_type)
            sizes[version] = _size(logical, logical_bytes, scheme, length, block, int(stored), chunks, parent)
            if parent is not None and parent not in sizes and parent not in missing:
                missing.append(parent)
    return sizes


def _size(
    logical: LogicalType,
    logical_bytes: int,
    scheme: str | None,
    rows: int,
    block_rows: int,
    stored: int,
    chunks: int,
    categories: int | None,
) -> VersionSize:
    units, decoded = 1, logical_bytes
    encoding = PLAIN if logical.kind == "numeric" else logical.kind
    if logical.kind == UNITS:
        units = logical.units
        decoded = rows * units * math.prod(logical.map_shape) * np.dtype(logical.dtype).itemsize
    if scheme is not None:
        encoding = encoding_name(json.loads(scheme)["config"])
    return VersionSize(stored, chunks, rows, block_rows, decoded, units, encoding, categories)


def encoding_name(config: Mapping[str, Any]) -> str:
    """Return the name of a lossy scheme's encoding, from the document of a fitted quantizer."""
    then = config.get("then")
    return str(config["name"]) if then is None else f"{config['name']}+{encoding_name(then)}"


def stored_parts(sizes: Mapping[int, VersionSize], wanted: Mapping[int, int]) -> tuple[StoredPart, ...]:
    """Return column versions as the cost model sees them, those that are stored alike together.

    Parameters
    ----------
    sizes
        Column version -> its sizes.
    wanted
        Column version -> how many of its columns are asked for.
    """
    alike: dict[tuple[str, int, int], list[float]] = {}
    for version, columns in wanted.items():
        size = sizes[version]
        share = min(1.0, columns / max(size.units, 1))
        read = share if size.encoding == UNITS else 1.0  # of a lossy group, all units are reconstructed
        sums = alike.setdefault((size.encoding, size.rows, size.block_rows), [0.0, 0.0, 0.0, 0.0])
        sums[0] += size.stored_bytes * read
        sums[1] += size.chunks
        sums[2] += size.decoded_bytes * read
        sums[3] += size.decoded_bytes * share
    return tuple(
        StoredPart(
            encoding, stored, chunks, decoded, output, rows, block_rows, ROWS_OF_PAGE if encoding == PLAIN else None
        )
        for (encoding, rows, block_rows), (stored, chunks, decoded, output) in alike.items()
    )
