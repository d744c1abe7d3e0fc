"""Physical arrays back into pandas columns: the inverse of :mod:`mistique_core.frames.encode`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mistique_core.frames.encode import Array, EncodedColumn
from mistique_core.frames.logical_type import LogicalType, pandas_dtype
from mistique_core.frames.text import PRESENT, decode_text, take_text


def join_blocks(
    logical: LogicalType, blocks: Sequence[dict[str, Array]], categories: EncodedColumn | None = None
) -> EncodedColumn:
    """Put the parts of consecutive row blocks end to end.

    A block without a ``missing`` part has nothing missing.
    """
    if len(blocks) == 1:
        return EncodedColumn(logical, _block_rows(blocks[0]), dict(blocks[0]), categories)
    if blocks and all(block.keys() == blocks[0].keys() for block in blocks):
        parts = {name: _joined([block[name] for block in blocks]) for name in blocks[0]}
        return EncodedColumn(logical, _block_rows(parts), parts, categories)
    names = sorted({name for block in blocks for name in block}) or list(_empty_parts(logical))
    rows = sum(_block_rows(block) for block in blocks)
    parts = {}
    for name in names:
        pieces = [block[name] if name in block else np.zeros(_block_rows(block), np.uint8) for block in blocks]
        parts[name] = np.concatenate(pieces) if pieces else _empty_parts(logical)[name]
    return EncodedColumn(logical, rows, parts, categories)


def _joined(pieces: Sequence[Array]) -> Array:
    """Return arrays end to end: the array that they are slices of, where they already lie so and fill it."""
    whole, at = pieces[0].base, 0
    if not isinstance(whole, np.ndarray) or whole.ndim != 1 or not whole.flags.c_contiguous:
        return np.concatenate(pieces)
    start = whole.__array_interface__["data"][0]
    for piece in pieces:
        place = piece.__array_interface__["data"][0] - start
        if piece.base is not whole or (piece.dtype, piece.ndim) != (whole.dtype, 1) or not piece.flags.c_contiguous:
            return np.concatenate(pieces)
        if piece.size and place != at:
            return np.concatenate(pieces)
        at += piece.nbytes
    return whole if at == whole.nbytes else np.concatenate(pieces)


def _block_rows(block: dict[str, Array]) -> int:
    return next(len(part) for name, part in block.items() if name != "text")


def _empty_parts(logical: LogicalType) -> dict[str, Array]:
    if logical.kind in ("string", "object"):
        return {"text": np.empty(0, np.uint8), "lengths": np.empty(0, np.int32)}
    if logical.kind == "categorical":
        return {"codes": np.empty(0, np.int8)}
    if logical.kind in ("bool", "nullable"):
        return {"values": np.empty(0, np.uint8), "missing": np.empty(0, np.uint8)}
    return {"values": np.empty(0, np.uint8)}


def take_rows(column: EncodedColumn, positions: Array) -> EncodedColumn:
    """Return the values at `positions` (int64, from 0) in that order."""
    parts = {name: part[positions] for name, part in column.parts.items() if name != "text"}
    if "text" in column.parts:
        parts["text"] = take_text(column.parts["text"], column.parts["lengths"], positions)
    return EncodedColumn(column.logical, len(positions), parts, column.categories)


def decode_column(column: EncodedColumn) -> pd.api.extensions.ExtensionArray | Array:
    """Return the values with exactly the dtype, missing values and bits that were encoded.

    Raises
    ------
    CorruptPartitionError
        If the parts contradict each other.
    """
    logical = column.logical
    if logical.kind == "categorical":
        assert column.categories is not None
        dtype = pd.CategoricalDtype(column.categories.decoded, ordered=bool(logical.option("ordered")))
        return pd.Categorical.from_codes(column.parts["codes"], dtype=dtype)
    if logical.kind in ("string", "object"):
        return decode_text(logical, column.parts)
    if logical.kind == "nullable":
        return _decode_masked(column)
    return _decode_numpy(column)


def _decode_numpy(column: EncodedColumn) -> pd.api.extensions.ExtensionArray | Array:
    logical, values = column.logical, column.parts["values"]
    dtype = np.dtype(logical.dtype)
    if not column.rows:
        values = np.empty(0, dtype=dtype.newbyteorder("<"))
    if logical.kind == "datetime_tz":
        return pd.array(values.view(dtype), dtype=dtype).tz_localize("UTC").tz_convert(str(logical.option("tz")))  # type: ignore[no-any-return]
    if dtype.byteorder == ">":
        return values.view(dtype.newbyteorder("<")).byteswap().view(dtype)
    return values if values.dtype == dtype and values.ndim == 1 else values.reshape(-1).view(dtype)


def _decode_masked(column: EncodedColumn) -> pd.api.extensions.ExtensionArray:
    dtype = pandas_dtype(column.logical)
    mask = column.parts["missing"] != PRESENT if "missing" in column.parts else np.zeros(column.rows, bool)
    values = column.parts["values"]
    values = values.view(bool) if column.logical.dtype == "boolean" else values
    if not column.rows:
        values = np.empty(0, dtype.numpy_dtype)
    array_type = dtype.construct_array_type()
    return array_type(values.copy() if not values.flags.writeable else values, mask)  # type: ignore[no-any-return]
