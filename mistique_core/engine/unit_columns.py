"""Arrays of units (activations of a layer) as column versions: groups of units by row blocks, quantized.

A unit is a column whose values are numbers or maps. Units are stored unit-major in groups, so that one
unit is read without the others of its layer, while no chunk is tiny. Quantizing is a pure function in front
of everything else: its codes are chunks like any other, addressed by their content and stored losslessly, and
its fitted tables are chunks too; the scheme is part of the column version's address.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.catalogue.chunks import NewColumn
from mistique_core.cores import usable_cores
from mistique_core.dedup import chunk_hash, column_hash
from mistique_core.errors import InvalidInputError
from mistique_core.frames import LogicalType
from mistique_core.quantizers import FittedQuantizer, Pool, Quantizer
from mistique_core.quantizers.pooling import pooled_shape

Array = npt.NDArray[Any]

VALUES = "values"
_LEAST_UNITS = 16
_MOST_CODES = 1 << 20
_LEAST_CODES = 1 << 18
_SAMPLE_ROWS = 1_024
_MOST_THREADS = 8
_MOST_SHORTENING = 4


@dataclass(frozen=True)
class UnitGroups:
    """How the units of an array are cut.

    Attributes
    ----------
    units
        Units in a group (the last may have fewer).
    block_rows
        Rows in a row block (the last may have fewer).
    """

    units: int
    block_rows: int


@dataclass(frozen=True)
class HashedUnits:
    """An array of units as column versions.

    Attributes
    ----------
    versions
        One column version a group, in order of units.
    members
        For each unit: (index of its version, position in the group).
    arrays
        Address -> array of every chunk.
    """

    versions: tuple[NewColumn, ...]
    members: tuple[tuple[int, int], ...]
    arrays: dict[bytes, Array]


def kept_shape(quantizer: Quantizer | None, map_shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of what a scheme keeps of one value: a pooled map is smaller."""
    if isinstance(quantizer, Pool) and len(map_shape):
        return pooled_shape(tuple(map_shape), quantizer.sigma)
    return tuple(map_shape)


def choose_groups(units: int, map_shape: Sequence[int], most_rows: int) -> UnitGroups:
    """Return group and block sizes that give chunks of a quarter of a million to a million values.

    At least 16 units share a group: they lie in one cache line of the array that is handed over. Where it can be, the
    rows of a block divide `most_rows`, so that what comes by so many rows at a time fills whole blocks.

    Parameters
    ----------
    units
        Number of units.
    map_shape
        Shape of what is kept of one value.
    most_rows
        Most rows of a row block.
    """
    size = math.prod(map_shape)
    fitting = max(1, min(most_rows, _MOST_CODES // (max(min(units, _LEAST_UNITS), 1) * max(size, 1))))
    rows = _divisor(most_rows, fitting)
    together = max(_LEAST_UNITS, _LEAST_CODES // max(rows * size, 1))
    return UnitGroups(max(1, min(units, together)), rows)


def _divisor(most_rows: int, fitting: int) -> int:
    """Return the largest divisor of `most_rows` up to `fitting`, or `fitting` where that would be far smaller."""
    least = max(1, fitting // _MOST_SHORTENING)
    return next((rows for rows in range(fitting, least - 1, -1) if most_rows % rows == 0), fitting)


def check_units(values: Array) -> None:
    """Refuse what is no array of units.

    Parameters
    ----------
    values
        To be numbers of shape ``(rows, *map_shape, units)``.

    Raises
    ------
    InvalidInputError
        If it has another form.
    """
    if values.ndim < 2 or values.dtype.kind not in "iuf" or values.dtype.itemsize > 8:
        raise InvalidInputError(
            f"an array of dtype {values.dtype} and shape {values.shape} is no array of units; "
            "give numbers of shape (rows, units) or (rows, height, width, units)"
        )


def hash_units(values: Array, quantizer: Quantizer | None, most_rows: int) -> HashedUnits:
    """Cut, quantize and hash an array of units; nothing is written.

    Parameters
    ----------
    values
        Numbers of shape ``(rows, *map_shape, units)``, units last as Keras has them.
    quantizer
        The scheme; ``None`` keeps exactly the values that are given.
    most_rows
        Most rows of a row block.

    Raises
    ------
    InvalidInputError
        If the values cannot be stored by the scheme, or are no numbers.
    """
    check_units(values)
    map_shape = values.shape[1:-1]
    unit_major = np.moveaxis(values, -1, 0)
    groups = choose_groups(len(unit_major), kept_shape(quantizer, map_shape), most_rows)
    starts = range(0, len(unit_major), groups.units)
    pieces = [unit_major[start : start + groups.units] for start in starts]
    with ThreadPoolExecutor(min(usable_cores(), _MOST_THREADS)) as pool:
        made = list(pool.map(lambda piece: hash_group(piece, quantizer, groups.block_rows), pieces))
    arrays: dict[bytes, Array] = {}
    for _, found in made:
        arrays.update(found)
    members = tuple((unit // groups.units, unit % groups.units) for unit in range(len(unit_major)))
    return HashedUnits(tuple(column for column, _ in made), members, arrays)


def hash_group(values: Array, quantizer: Quantizer | None, block_rows: int) -> tuple[NewColumn, dict[bytes, Array]]:
    """Quantize and hash one group of units.

    Parameters
    ----------
    values
        Shape ``(units, rows, *map_shape)``, any memory layout.
    quantizer
        The scheme; ``None`` keeps exactly the values that are given.
    block_rows
        Rows of a row block.

    Returns
    -------
    tuple
        The column version, and address -> array of its chunks.
    """
    units, rows, *map_shape = values.shape
    fitted = None if quantizer is None else quantizer.fit(_sample(values))
    arrays: dict[bytes, Array] = {}
    chunks: list[tuple[str, int, bytes]] = []
    error = 0.0

    def add(part: str, block: int, array: Array) -> None:
        address = chunk_hash(array)
        arrays[address] = array
        chunks.append((part, block, address))

    for name, table in sorted((fitted.tables() if fitted is not None else {}).items()):
        add(name, 0, np.ascontiguousarray(table))
    for block, start in enumerate(range(0, rows, block_rows)):
        piece = values[:, start : start + block_rows]
        if fitted is None:
            add(VALUES, block, little_endian(np.ascontiguousarray(piece)))
            continue
        encoded = fitted.encode(piece)
        error = max(error, encoded.max_abs_error)
        for part, array in sorted({**encoded.parts, **encoded.margins}.items()):
            add(part, block, array)
    dtype = values.dtype if fitted is None else fitted.decoded_dtype
    logical = units_type(dtype, units, _decoded_map(fitted, map_shape))
    scheme = None if fitted is None else scheme_json(fitted)
    address = column_hash(logical.to_json(), rows, block_rows, chunks, None, scheme)
    new = NewColumn(
        address, logical.to_json(), rows, block_rows, int(values.nbytes), tuple(chunks), None, scheme, error
    )
    return new, arrays


def _sample(values: Array) -> Array:
    """Return some rows, always the same ones of the same number of rows."""
    step = -(-values.shape[1] // _SAMPLE_ROWS)
    return values[:, :: max(step, 1)]


def little_endian(array: Array) -> Array:
    """Return an array whose bytes are in the order that is stored."""
    return array.astype(array.dtype.newbyteorder("<")) if array.dtype.byteorder == ">" else array


def _decoded_map(fitted: FittedQuantizer | None, map_shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(map_shape) if fitted is None else tuple(fitted.decoded_map_shape)


def units_type(dtype: npt.DTypeLike, units: int, map_shape: Sequence[int]) -> LogicalType:
    """Return the logical type of a group of units whose values have `map_shape`."""
    name = np.dtype(dtype).newbyteorder("<").str
    return LogicalType("units", name, (("map", "x".join(map(str, map_shape))), ("units", units)))


def scheme_json(fitted: FittedQuantizer) -> str:
    """Return the canonical JSON of a fitted scheme: its text, its configuration, and the parts with its tables."""
    document = {
        "scheme": fitted.scheme.text(),
        "config": fitted.config(),
        "tables": sorted(fitted.tables()),
        "summary": fitted.summary,
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
