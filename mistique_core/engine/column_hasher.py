"""Columns into hashed chunks, several at a time where there are more than two cores: hashing needs no Python lock."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.catalogue.chunks import NewColumn
from mistique_core.cores import usable_cores
from mistique_core.dedup import chunk_hash, column_hash
from mistique_core.engine.column_memo import ColumnMemo
from mistique_core.engine.unit_columns import hash_group
from mistique_core.errors import InvalidInputError
from mistique_core.frames import EncodedColumn, TextCache, encode_column
from mistique_core.quantizers import Quantizer

Array = npt.NDArray[Any]
_MOST_THREADS = 8
_LEAST_VALUES = 200_000
_PLAIN_KINDS = "biufmM"
_PHYSICAL = {"b": np.uint8, "m": np.int64, "M": np.int64}


@dataclass(frozen=True)
class HashedColumn:
    """A column as chunks.

    Attributes
    ----------
    versions
        Its column version, after that of its categories if it has any.
    arrays
        Address -> array of every chunk.
    """

    versions: tuple[NewColumn, ...]
    arrays: dict[bytes, Array]


def hash_columns(
    items: Sequence[tuple[str, pd.Series[Any]]],
    block_rows: int,
    texts: TextCache | None,
    quantizer: Quantizer | None = None,
    memo: ColumnMemo | None = None,
) -> list[HashedColumn]:
    """Encode and hash columns; nothing is written.

    Parameters
    ----------
    items
        (name, values) of each column.
    block_rows
        Rows of a row block.
    texts
        Remembers string columns that consist of the very same Python objects.
    quantizer
        A lossy scheme for the columns of floats; all others are stored as they are.
    memo
        Remembers the versions of columns that lie unchanged in memory.

    Raises
    ------
    UnsupportedColumnError
        If a column cannot be stored; of several, the first.
    InvalidInputError
        If the scheme cannot store a column.
    """

    def work(item: tuple[str, pd.Series[Any]]) -> HashedColumn:
        plain = None if memo is None or quantizer is not None else _plain_values(item[1])
        if memo is not None and plain is not None:
            return _hash_plain(item, *plain, block_rows, memo)
        column = encode_column(item[0], item[1], texts)
        if quantizer is not None and column.logical.kind == "numeric" and column.parts["values"].dtype.kind == "f":
            try:
                new, arrays = hash_group(column.parts["values"].reshape(1, -1), quantizer, block_rows)
            except InvalidInputError as error:
                raise InvalidInputError(f"column {item[0]!r}: {error}") from error
            return HashedColumn((new,), arrays)
        return hash_column(column, block_rows, memo)

    threads = min(usable_cores() - 1, _MOST_THREADS, len(items))
    if threads < 2 or sum(len(series) for _, series in items) < _LEAST_VALUES:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))


def _plain_values(series: pd.Series[Any]) -> tuple[str, Array] | None:
    """Return dtype and memory, as it is stored, of a column of plain numbers or times; ``None`` for any other."""
    dtype = series.dtype
    if not isinstance(dtype, np.dtype) or dtype.kind not in _PLAIN_KINDS or dtype.itemsize > 8 or not dtype.isnative:
        return None
    values = series.to_numpy()
    if not values.flags.c_contiguous:
        return None
    physical = _PHYSICAL.get(dtype.kind)
    return dtype.str, values if physical is None else values.view(physical)


def _hash_plain(
    item: tuple[str, pd.Series[Any]], dtype: str, values: Array, block_rows: int, memo: ColumnMemo
) -> HashedColumn:
    """Return what :func:`hash_column` returns; a column that was seen before costs its checksum and little else."""

    def make() -> NewColumn:
        return hash_column(encode_column(*item), block_rows).versions[-1]

    new = memo.version((dtype, block_rows), {"values": values}, make)
    arrays = {address: values[block * block_rows : (block + 1) * block_rows] for _, block, address in new.chunks}
    return HashedColumn((new,), arrays)


def hash_column(column: EncodedColumn, block_rows: int, memo: ColumnMemo | None = None) -> HashedColumn:
    """Cut a column into row blocks and hash each part of each block."""
    parent = None if column.categories is None else hash_column(column.categories, block_rows, memo)
    categories = None if parent is None else parent.versions[-1].address
    logical = column.logical.to_json()
    blocks = list(column.blocks(block_rows))

    def make() -> NewColumn:
        chunks = tuple(
            (part, block, chunk_hash(array))
            for block, parts in enumerate(blocks)
            for part, array in sorted(parts.items())
            if part != "missing" or array.any()
        )
        address = column_hash(logical, column.rows, block_rows, chunks, categories)
        return NewColumn(address, logical, column.rows, block_rows, column.logical_bytes, chunks, categories)

    facts = (logical, column.rows, block_rows, categories)
    new = make() if memo is None else memo.version(facts, column.parts, make)
    arrays: dict[bytes, Array] = {} if parent is None else dict(parent.arrays)
    arrays.update((address, blocks[block][part]) for part, block, address in new.chunks)
    return HashedColumn((*(() if parent is None else parent.versions), new), arrays)
