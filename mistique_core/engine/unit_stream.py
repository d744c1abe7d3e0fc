"""Arrays of units that come row block by row block, as the activations of a layer do while a network runs.

The whole is never in memory. What :func:`hash_units` makes of a whole array at once is made here of its blocks, one
at a time and in any order: the same chunks, as long as the same quantizers are used.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.catalogue.chunks import NewColumn
from mistique_core.dedup import chunk_hash, column_hash
from mistique_core.engine.unit_columns import (
    VALUES,
    UnitGroups,
    check_units,
    choose_groups,
    kept_shape,
    little_endian,
    scheme_json,
    units_type,
)
from mistique_core.errors import InvalidInputError
from mistique_core.quantizers import FittedQuantizer, Quantizer, load_quantizer
from mistique_core.quantizers.pool import FittedPool

Array = npt.NDArray[Any]
_Chunk = tuple[int, str, int, bytes]
_LEAST_SAMPLE_ROWS = 64
_FITTED_VALUES = 1 << 18


@dataclass(frozen=True)
class EncodedRows:
    """Some rows of all units, quantized and hashed.

    Attributes
    ----------
    chunks
        (group, part, row block, address) of each chunk.
    arrays
        Address -> array.
    errors
        Bound of the absolute error of these rows, one a group; none of a table.
    facts
        See :class:`mistique_core.catalogue.captures.CapturedRows`.
    """

    chunks: tuple[_Chunk, ...]
    arrays: dict[bytes, Array]
    errors: tuple[float, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class UnitCodec:
    """How the units of one intermediate are cut and quantized: fitted once, then used for every row block.

    Attributes
    ----------
    units, map_shape, dtype
        Of the values as the network gives them.
    groups
        How they are cut.
    fitted
        The fitted quantizer of each group; ``None`` keeps exactly the values that are given.
    """

    units: int
    map_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    groups: UnitGroups
    fitted: tuple[FittedQuantizer | None, ...]

    @classmethod
    def fit(cls, sample: Array, quantizer: Quantizer | None, batch_rows: int) -> UnitCodec:
        """Fit a scheme to a sample.

        Parameters
        ----------
        sample
            Shape ``(rows, *map_shape, units)``: rows from all over the intermediate.
        quantizer
            The scheme; ``None`` keeps exactly the values that are given.
        batch_rows
            Rows that will come at a time; the rows of a chunk divide it.

        Raises
        ------
        InvalidInputError
            If the values cannot be stored by the scheme, or are no numbers.
        """
        check_units(sample)
        map_shape, units = tuple(sample.shape[1:-1]), sample.shape[-1]
        groups = choose_groups(units, kept_shape(quantizer, map_shape), batch_rows)
        unit_major = np.moveaxis(_enough(sample, groups), -1, 0)
        fitted = tuple(
            None if quantizer is None else quantizer.fit(unit_major[start : start + groups.units])
            for start in range(0, units, groups.units)
        )
        return cls(units, map_shape, sample.dtype, groups, fitted)

    def check_batch(self, batch_rows: int) -> None:
        """Refuse a number of rows at a time that does not fill whole row blocks.

        Raises
        ------
        InvalidInputError
            If it does not.
        """
        if batch_rows % self.groups.block_rows:
            raise InvalidInputError(
                f"batch_rows={batch_rows} cannot be cut into equal row blocks; give a multiple of "
                f"{self.groups.block_rows}, or a round number such as 1000"
            )

    @property
    def members(self) -> tuple[tuple[int, int], ...]:
        """For each unit: (index of its group, position in the group)."""
        return tuple((unit // self.groups.units, unit % self.groups.units) for unit in range(self.units))

    def encode(self, first_row: int, values: Array, *, pooling_error: float | None = None) -> EncodedRows:
        """Quantize and hash some rows.

        Parameters
        ----------
        first_row
            Their place in the intermediate: a multiple of the rows of a row block.
        values
            Shape ``(rows, *map_shape, units)``; a multiple of the rows of a row block, unless they are the last ones.
        pooling_error
            The values were pooled already, each with an error of at most this.

        Raises
        ------
        InvalidInputError
            If a value cannot be stored by the scheme.
        """
        size = self.groups.block_rows
        wanted = self.map_shape if pooling_error is None else values.shape[1:-1]
        if values.dtype != self.dtype or values.shape[1:] != (*wanted, self.units):
            raise InvalidInputError(
                f"values come as {values.dtype} {values.shape[1:]} after {self.dtype} {(*self.map_shape, self.units)}; "
                "only layers whose rows are alike can be stored"
            )
        if first_row % size:
            raise InvalidInputError(
                f"row {first_row} does not begin a row block of {size} rows; begin at one that does"
            )
        unit_major = np.moveaxis(values, -1, 0)
        arrays: dict[bytes, Array] = {}
        chunks: list[_Chunk] = []
        errors = [0.0] * len(self.fitted)
        for row in range(0, len(values), size):
            block = (first_row + row) // size
            for group, fitted in enumerate(self.fitted):
                start = group * self.groups.units
                piece = unit_major[start : start + self.groups.units, row : row + size]
                parts, error = _encode(piece, fitted, pooling_error)
                errors[group] = max(errors[group], error)
                for part, array in parts:
                    address = chunk_hash(array)
                    arrays[address] = array
                    chunks.append((group, part, block, address))
        return EncodedRows(tuple(chunks), arrays, tuple(errors))

    def tables(self) -> EncodedRows:
        """Return the fitted tables, which are chunks of row block 0 too."""
        arrays: dict[bytes, Array] = {}
        chunks: list[_Chunk] = []
        for group, fitted in enumerate(self.fitted):
            for name, table in sorted((fitted.tables() if fitted is not None else {}).items()):
                array = np.ascontiguousarray(table)
                address = chunk_hash(array)
                arrays[address] = array
                chunks.append((group, name, 0, address))
        return EncodedRows(tuple(chunks), arrays, (0.0,) * len(self.fitted))

    def columns(self, rows: int, chunks: Sequence[_Chunk], errors: Sequence[float]) -> tuple[NewColumn, ...]:
        """Return the column versions, one a group.

        Parameters
        ----------
        rows
            Rows of the intermediate.
        chunks
            The chunks of all its rows, in any order; those of :meth:`tables` are added.
        errors
            Bound of the absolute error of all rows, one a group.
        """
        by_group: list[list[tuple[str, int, bytes]]] = [[] for _ in self.fitted]
        for group, part, block, address in self.tables().chunks:
            by_group[group].append((part, block, address))
        for group, part, block, address in sorted(chunks, key=lambda item: (item[0], item[2], item[1])):
            by_group[group].append((part, block, address))
        found = []
        for group, fitted in enumerate(self.fitted):
            units = min(self.groups.units, self.units - group * self.groups.units)
            dtype = self.dtype if fitted is None else fitted.decoded_dtype
            map_shape = self.map_shape if fitted is None else tuple(fitted.decoded_map_shape)
            logical = units_type(dtype, units, map_shape).to_json()
            scheme = None if fitted is None else scheme_json(fitted)
            size = self.groups.block_rows
            address = column_hash(logical, rows, size, by_group[group], None, scheme)
            logical_bytes = rows * units * int(np.prod(self.map_shape, dtype=np.int64)) * self.dtype.itemsize
            found.append(
                NewColumn(
                    address, logical, rows, size, logical_bytes, tuple(by_group[group]), None, scheme, errors[group]
                )
            )
        return tuple(found)

    def to_bytes(self) -> bytes:
        """Return the codec as compressed JSON, for another process that goes on with the same intermediate."""
        document = {
            "units": self.units,
            "map_shape": list(self.map_shape),
            "dtype": self.dtype.str,
            "groups": [self.groups.units, self.groups.block_rows],
            "fitted": [None if item is None else _fitted_document(item) for item in self.fitted],
        }
        return zlib.compress(json.dumps(document).encode())

    @classmethod
    def from_bytes(cls, data: bytes) -> UnitCodec:
        """Return what :meth:`to_bytes` described."""
        document = json.loads(zlib.decompress(data))
        return cls(
            document["units"],
            tuple(document["map_shape"]),
            np.dtype(document["dtype"]),
            UnitGroups(*document["groups"]),
            tuple(None if item is None else _fitted_of(item) for item in document["fitted"]),
        )


def _enough(sample: Array, groups: UnitGroups) -> Array:
    """Return some rows of a sample, from all over it, that hold enough values of each group."""
    values = groups.units * max(int(np.prod(sample.shape[1:-1], dtype=np.int64)), 1)
    wanted = max(_LEAST_SAMPLE_ROWS, _FITTED_VALUES // values)
    return sample[:: max(1, len(sample) // wanted)]


def sample_rows(rows: int, most: int) -> npt.NDArray[np.int64]:
    """Return which rows a scheme is fitted to: some from all over, in order.

    Parameters
    ----------
    rows
        Rows of the intermediate.
    most
        Most rows of the sample.
    """
    return np.linspace(0, rows - 1, min(rows, most)).round().astype(np.int64)


def _encode(
    piece: Array, fitted: FittedQuantizer | None, pooling_error: float | None
) -> tuple[list[tuple[str, Array]], float]:
    if fitted is None:
        return [(VALUES, little_endian(np.ascontiguousarray(piece)))], 0.0
    if pooling_error is not None and isinstance(fitted, FittedPool):
        encoded = fitted.encode_pooled(piece, pooling_error)
    else:
        encoded = fitted.encode(piece)
    return sorted({**encoded.parts, **encoded.margins}.items()), encoded.max_abs_error


def _fitted_document(fitted: FittedQuantizer) -> dict[str, Any]:
    tables = {
        name: [table.dtype.str, list(table.shape), base64.b64encode(np.ascontiguousarray(table).tobytes()).decode()]
        for name, table in fitted.tables().items()
    }
    return {"config": fitted.config(), "tables": tables}


def _fitted_of(document: Mapping[str, Any]) -> FittedQuantizer:
    tables = {
        name: np.frombuffer(base64.b64decode(data), dtype).reshape(shape)
        for name, (dtype, shape, data) in document["tables"].items()
    }
    return load_quantizer(document["config"], tables)
