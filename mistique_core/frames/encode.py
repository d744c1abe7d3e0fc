"""Columns into canonical physical arrays: the bytes that are hashed, deduplicated and stored.

A column becomes one or more named *parts*, each a one-dimensional little-endian array:

============  =========================================================================
part          content
============  =========================================================================
``values``    the numbers (bool as uint8, datetimes as int64 ticks, complex as float pairs)
``missing``   uint8, 0 where a value is present; absent when nothing is missing
``text``      the UTF-8 bytes of all strings, end to end
``lengths``   int32 (int64 when needed), bytes of each string
``codes``     int8/16/32, position in the categories, -1 where missing
============  =========================================================================

What lies under a missing value is set to zero, so that equal columns have equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.errors import UnsupportedColumnError
from mistique_core.frames.logical_type import LogicalType, logical_type, pandas_dtype
from mistique_core.frames.object_identity import TextCache
from mistique_core.frames.text import MISSING_NA, encode_text, missing_part

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class EncodedColumn:
    """A column as physical arrays.

    Attributes
    ----------
    logical
        What the user saw.
    rows
        Number of values.
    parts
        Part name -> array. Every part but ``text`` has `rows` items along its first axis.
    categories
        The categories of a categorical column, else ``None``.
    """

    logical: LogicalType
    rows: int
    parts: dict[str, Array]
    categories: EncodedColumn | None = None

    @property
    def logical_bytes(self) -> int:
        """Bytes of all parts, the categories included."""
        own = sum(part.nbytes for part in self.parts.values())
        return own + (self.categories.logical_bytes if self.categories is not None else 0)

    @cached_property
    def decoded(self) -> pd.Index[Any]:
        """The values as an index, made once: for categories, which many columns and queries share."""
        from mistique_core.frames.decode import decode_column

        values = decode_column(self)
        return pd.Index(values, dtype=values.dtype)

    def blocks(self, block_rows: int) -> Iterator[dict[str, Array]]:
        """Yield the parts of each row block of `block_rows` rows (the last may be shorter)."""
        text = self.parts.get("text")
        end = 0
        for start in range(0, self.rows, block_rows):
            stop = min(start + block_rows, self.rows)
            block = {name: part[start:stop] for name, part in self.parts.items() if name != "text"}
            if text is not None:
                first, end = end, end + int(block["lengths"].sum(dtype=np.int64))
                block["text"] = text[first:end]
            yield block


def encode_column(name: str, series: pd.Series[Any] | pd.Index[Any], texts: TextCache | None = None) -> EncodedColumn:
    """Encode one column losslessly.

    Parameters
    ----------
    name
        Column name, for error messages.
    series
        Values of any supported dtype: NumPy integers, floats and complex numbers up to 8 bytes a
        component, bool, datetime64, timedelta64, strings, categoricals, nullable dtypes.
    texts
        Remembers string columns that consist of the very same Python objects.

    Raises
    ------
    UnsupportedColumnError
        If the dtype is not supported, or an object column holds anything but strings.
    """
    logical = logical_type(name, series)
    rows = len(series)
    if logical.kind == "categorical":
        categorical = series.array
        categories = encode_column(f"{name} (categories)", categorical.categories)
        codes = little_endian(np.asarray(categorical.codes))
        return EncodedColumn(logical, rows, {"codes": codes}, categories)
    if logical.kind in ("string", "object"):
        column = EncodedColumn(logical, rows, encode_text(name, series, texts))
    elif logical.kind == "nullable":
        column = EncodedColumn(logical, rows, _masked_parts(series))
    else:
        column = EncodedColumn(logical, rows, {"values": _physical(series, logical)})
    if not isinstance(series.dtype, np.dtype) and not _comes_back(logical, series.dtype):
        raise UnsupportedColumnError(
            f"column {name!r} has dtype {series.dtype}, which would not come back the same; convert it with .astype()"
        )
    return column


def _comes_back(logical: LogicalType, dtype: Any) -> bool:
    try:
        return bool(pandas_dtype(logical) == dtype)
    except (KeyError, ValueError):  # a time zone that cannot be found by its name
        return False


def little_endian(array: Array) -> Array:
    """Return a contiguous little-endian array with the same bits in each value."""
    if array.dtype.byteorder == ">":
        array = array.byteswap().view(array.dtype.newbyteorder("<"))
    return np.ascontiguousarray(array)


def _physical(series: pd.Series[Any] | pd.Index[Any], logical: LogicalType) -> Array:
    if logical.kind == "datetime_tz":
        return np.ascontiguousarray(series.array.asi8)
    values = little_endian(series.to_numpy())
    if logical.kind == "bool":
        return values.view(np.uint8)
    if logical.kind in ("datetime", "timedelta"):
        return values.view(np.int64)
    if values.dtype.kind == "c":
        return values.view(values.real.dtype).reshape(-1, 2)
    return values


def _masked_parts(series: pd.Series[Any] | pd.Index[Any]) -> dict[str, Array]:
    array = series.array
    mask = np.asarray(array.isna())
    values = little_endian(np.array(array._data, copy=True))
    values[mask] = 0
    if values.dtype.kind == "b":
        values = values.view(np.uint8)
    return {"values": values, **missing_part(mask.astype(np.uint8) * np.uint8(MISSING_NA))}
