"""Strings as UTF-8 bytes end to end and their lengths, whole columns at a time.

Columns that pandas keeps in Arrow memory are taken over as they lie there; of others, every step
is one call over all values. What is stored is the same either way.
"""

from __future__ import annotations

from types import NoneType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.errors import CorruptPartitionError, UnsupportedColumnError
from mistique_core.frames.logical_type import LogicalType, pandas_dtype
from mistique_core.frames.object_identity import TextCache, identities, repeated
from mistique_core.native import kernels

Array = npt.NDArray[Any]

PRESENT, MISSING_NONE, MISSING_NAN, MISSING_NA = 0, 1, 2, 3
_MISSING_VALUES: dict[int, Any] = {MISSING_NA: pd.NA, MISSING_NAN: np.nan}
_FEW_ROWS = 8
_LEAST_REPEATED = 1_024
_MOST_MISSING_OBJECTS = 16
_MOST_WORDS = 32_768
"""Of so many different strings, looking for equal ones pays."""


def encode_text(name: str, series: pd.Series[Any] | pd.Index[Any], cache: TextCache | None = None) -> dict[str, Array]:
    """Return the parts ``text``, ``lengths`` and, where a value is missing, ``missing``.

    Parameters
    ----------
    name
        Column name, for error messages.
    series
        Strings and missing values.
    cache
        Remembers columns that consist of the very same Python objects.

    Raises
    ------
    UnsupportedColumnError
        If a value is neither a string nor None, NaN or NA; the message names one.
    """
    parts = _from_arrow(series)
    if parts is not None:
        return parts
    objects = series.to_numpy(dtype=object)
    if cache is None or len(objects) < _LEAST_REPEATED:
        return _from_objects(name, objects)
    key, known = cache.find(objects)
    if known is None:
        known = _from_objects(name, objects)
        cache.keep(key, objects, known)
    return dict(known)


def _from_arrow(series: pd.Series[Any] | pd.Index[Any]) -> dict[str, Array] | None:
    """Return the parts of a column in Arrow memory without copying its text; ``None`` for any other."""
    dtype = series.dtype
    if not isinstance(dtype, pd.StringDtype) or dtype.storage != "pyarrow" or not len(series):
        return None
    import pyarrow as pa

    array: Any = pa.array(series.array, from_pandas=True).cast(pa.large_string())
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else pa.concat_arrays(array.chunks)
    return _arrow_parts(array, MISSING_NA if dtype.na_value is pd.NA else MISSING_NAN)


def _arrow_parts(array: Any, code: int) -> dict[str, Array] | None:
    """Return the parts of a ``large_string`` array of at least one row, whose nulls mean `code`."""
    _, starts, text = array.buffers()
    ends = np.frombuffer(starts, np.int64)[array.offset : array.offset + len(array) + 1]
    lengths = np.diff(ends)
    missing = np.zeros(len(array), np.uint8)
    if array.null_count:
        absent = array.is_null().to_numpy(zero_copy_only=False)
        if lengths[absent].any():
            return None  # something lies under a missing value: it must not be stored
        missing[absent] = code
    content = np.empty(0, np.uint8) if text is None else np.frombuffer(text, np.uint8)[ends[0] : ends[-1]]
    return {"text": content, "lengths": _narrow(lengths), **missing_part(missing)}


def _from_objects(name: str, objects: Array) -> dict[str, Array]:
    different = repeated(objects) if len(objects) >= _LEAST_REPEATED else None
    if different is None:
        return _from_each(name, objects)
    few, codes = different
    try:
        parts = _from_each(name, few)
    except UnsupportedColumnError:
        return _from_each(name, objects)  # which names the first row that is refused
    text = _expand(parts["text"], parts["lengths"], codes)
    return {"text": text} | {part: values[codes] for part, values in parts.items() if part != "text"}


def _expand(text: Array, lengths: Array, codes: Array) -> Array:
    """Return the bytes of the strings that `codes` name, end to end."""
    if kernels is not None:
        gathered = np.empty(int(lengths[codes].sum(dtype=np.int64)), np.uint8)
        kernels.gather(text, np.cumsum(lengths, dtype=np.int64), codes.astype(np.int64, copy=False), gathered)
        return gathered
    strings = _to_bytes(text, lengths)
    return np.frombuffer(b"".join(strings[codes].tolist()), np.uint8)


def _to_bytes(text: Array, lengths: Array) -> Array:
    data, ends = text.tobytes(), np.cumsum(lengths, dtype=np.int64).tolist()
    found = np.empty(len(ends), object)
    found[:] = [data[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    return found


def _from_each(name: str, objects: Array) -> dict[str, Array]:
    if len(objects) and (parts := _through_arrow(name, objects)) is not None:
        return parts
    values = objects.tolist()
    kinds = set(map(type, values))
    missing = np.zeros(len(values), dtype=np.uint8)
    for position in np.flatnonzero(pd.isna(objects)).tolist():
        missing[position] = _missing_code(name, position, values[position])
        values[position] = ""
    if kinds != {str} and not set(map(type, values)) <= {str}:
        _refuse(name, *next((position, value) for position, value in enumerate(values) if type(value) is not str))
    joined = "".join(values)
    if joined.isascii():
        content, sizes = joined.encode("ascii"), map(len, values)
    else:
        encoded = [value.encode("utf-8", "surrogatepass") for value in values]
        content, sizes = b"".join(encoded), map(len, encoded)
    lengths = np.fromiter(sizes, dtype=np.int64, count=len(values))
    return {"text": np.frombuffer(content, dtype=np.uint8), "lengths": _narrow(lengths), **missing_part(missing)}


def _through_arrow(name: str, objects: Array) -> dict[str, Array] | None:
    """Return the parts by way of Arrow, which is many times faster, where that is possible.

    Arrow takes strings and whatever pandas calls missing; anything else, and a string that is not UTF-8,
    is left to the slow way, which says what is wrong with it.
    """
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        return None
    try:
        array = pa.array(objects, pa.large_string(), from_pandas=True)
    except (UnicodeEncodeError, pa.ArrowException):
        return None
    if not _only_strings(objects):
        return None
    parts = _arrow_parts(array, MISSING_NONE)
    if parts is not None and "missing" in parts:
        absent = np.flatnonzero(parts["missing"])
        parts["missing"][absent] = _missing_codes(name, objects, absent)
    return parts


def _only_strings(objects: Array) -> bool:
    """Whether no item is of a type that Arrow would turn into a string, such as a subclass of str."""
    return set(map(type, objects.tolist())) <= {str, NoneType, float, type(pd.NA)}


def _missing_codes(name: str, objects: Array, absent: Array) -> Array:
    """Return the code of each missing item; most often all are one object."""
    places = identities(objects[absent])
    different, first, inverse = np.unique(places, return_index=True, return_inverse=True)
    if len(different) > _MOST_MISSING_OBJECTS:
        return np.asarray([_missing_code(name, int(row), objects[row]) for row in absent], np.uint8)
    codes = [_missing_code(name, int(absent[row]), objects[absent[row]]) for row in first]
    return np.asarray(codes, np.uint8)[inverse]


def _narrow(lengths: Array) -> Array:
    fits = not len(lengths) or lengths.max() <= np.iinfo(np.int32).max
    return lengths.astype(np.int32) if fits else lengths


def missing_part(missing: Array) -> dict[str, Array]:
    """Return the part ``missing``, or nothing when no value is."""
    return {"missing": missing.astype(np.uint8, copy=False)} if missing.any() else {}


def _missing_code(name: str, position: int, value: object) -> int:
    if value is None:
        return MISSING_NONE
    if value is pd.NA:
        return MISSING_NA
    if isinstance(value, float):
        return MISSING_NAN
    return _refuse(name, position, value)


def _refuse(name: str, position: int, value: object) -> NoReturn:
    shown = repr(value)
    shown = shown if len(shown) <= 40 else shown[:37] + "..."
    raise UnsupportedColumnError(
        f"column {name!r} holds Python objects (row {position}: {type(value).__name__} {shown}); "
        f"convert it to numbers, strings or categories, for example frame[{name!r}].astype('string'), or drop it"
    )


def take_text(text: Array, lengths: Array, positions: Array) -> Array:
    """Return the bytes of the strings at `positions` (from 0), end to end in that order."""
    if len(positions) <= _FEW_ROWS:  # adding up is cheaper than adding up cumulatively
        starts = [int(lengths[:position].sum(dtype=np.int64)) for position in positions]
        pieces = [text[start : start + int(lengths[at])] for start, at in zip(starts, positions, strict=True)]
        return np.concatenate(pieces) if pieces else text[:0]
    ends = np.cumsum(lengths, dtype=np.int64)
    sizes = lengths[positions].astype(np.int64)
    shifts = ends[positions] - np.cumsum(sizes)
    return text[np.repeat(shifts, sizes) + np.arange(sizes.sum(), dtype=np.int64)]


def decode_text(logical: LogicalType, parts: dict[str, Array]) -> pd.api.extensions.ExtensionArray | Array:
    """Return the strings in the column's own dtype: the inverse of :func:`encode_text`.

    Raises
    ------
    CorruptPartitionError
        If the lengths do not add up to the text, or cut it inside a character.
    """
    text, missing = parts["text"], parts.get("missing")
    ends = np.zeros(len(parts["lengths"]) + 1, dtype=np.int64)
    np.cumsum(parts["lengths"], dtype=np.int64, out=ends[1:])
    if len(text) != ends[-1]:
        raise CorruptPartitionError(
            f"a string column holds {len(text)} bytes but its lengths add up to {ends[-1]}; run 'mistique check'"
        )
    if len(ends) > 1 and int(parts["lengths"].min()) < 0:
        raise CorruptPartitionError("a string column has lengths below zero; run 'mistique check'")
    if logical.kind == "string" and logical.option("storage") == "pyarrow":
        return _to_arrow(logical, text, ends, missing)
    values = _to_objects(text, ends)
    if missing is not None:
        values[missing != PRESENT] = None
        for code, value in _MISSING_VALUES.items():
            values[missing == code] = value
    if logical.kind == "object":
        return values
    array: pd.api.extensions.ExtensionArray = pd.array(values, dtype=pandas_dtype(logical))
    return array


def _to_objects(text: Array, ends: Array) -> Array:
    """Return strings, given where the first begins and each ends; equal ones as one object where they are found."""
    rows = len(ends) - 1
    if kernels is not None and rows >= _LEAST_REPEATED:
        firsts = np.empty(min(rows // 2, _MOST_WORDS), np.int32)
        codes = np.empty(rows, np.int32)
        count = kernels.distinct(np.ascontiguousarray(text), ends, firsts, codes)
        if count >= 0:
            first = firsts[:count]
            words: Array = _cut(text.tobytes(), ends[first].tolist(), ends[first + 1].tolist())[codes]
            return words
    values = np.full(rows, "", object)
    some = np.flatnonzero(ends[1:] != ends[:-1])
    values[some] = _cut(text.tobytes(), ends[some].tolist(), ends[some + 1].tolist())
    return values


def _cut(text: bytes, starts: list[int], ends: list[int]) -> Array:
    values = np.empty(len(starts), dtype=object)
    bounds = zip(starts, ends, strict=True)
    if text.isascii():
        decoded = text.decode("ascii")
        values[:] = [decoded[start:end] for start, end in bounds]
    else:
        values[:] = [text[start:end].decode("utf-8", "surrogatepass") for start, end in bounds]
    return values


def _to_arrow(
    logical: LogicalType, text: Array, ends: Array, missing: Array | None
) -> pd.api.extensions.ExtensionArray:
    import pyarrow as pa

    valid = None if missing is None else pa.array(missing == PRESENT).buffers()[1]
    buffers = [valid, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(text))]
    array = pa.Array.from_buffers(pa.large_string(), len(ends) - 1, buffers)
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise CorruptPartitionError(f"a string column is not UTF-8 ({error}); run 'mistique check'") from error
    return pandas_dtype(logical).__from_arrow__(array)  # type: ignore[no-any-return]
