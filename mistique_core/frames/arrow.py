"""Columns as Arrow has them, for every program that reads Arrow.

Categories become dictionaries, time zones and nullable dtypes stay, NaN and NA become null, and a map becomes a tensor
of fixed shape. Numbers without missing values are not copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.errors import InvalidInputError, UnsupportedColumnError
from mistique_core.frames.row_id import ROW_ID

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[Any]
Maps = Mapping[str, Array]


def require_pyarrow(what: str) -> Any:
    """Return the module ``pyarrow``.

    Raises
    ------
    InvalidInputError
        If it is not installed; `what` says who needs it.
    """
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            f"{what} needs pyarrow; install it with: pip install 'mistique-airflow[arrow]'"
        ) from error
    return pyarrow


def arrow_schema(frame: pd.DataFrame, maps: Maps | None = None) -> pa.Schema:
    """Return the schema that every table of these columns has, however many rows it has.

    Parameters
    ----------
    frame
        Columns of any dtype that can be stored; how many rows makes no difference.
    maps
        Name -> values of shape ``(n_rows, *map_shape)``, beside the columns.

    Raises
    ------
    UnsupportedColumnError
        If Arrow has no type for a column.
    """
    pa = require_pyarrow("a schema of Arrow")
    fields = [pa.field(ROW_ID, pa.int64(), nullable=False)]
    fields += [pa.field(str(name), _type_of(str(name), dtype)) for name, dtype in zip(frame, frame.dtypes, strict=True)]
    for name, values in (maps or {}).items():
        fields.append(pa.field(name, pa.fixed_shape_tensor(pa.from_numpy_dtype(values.dtype), values.shape[1:])))
    return pa.schema(fields)


def arrow_table(frame: pd.DataFrame, maps: Maps | None = None) -> pa.Table:
    """Return a frame, index ``row_id``, as a table whose first column holds the row ids.

    Parameters
    ----------
    frame
        The columns.
    maps
        Name -> values of shape ``(n_rows, *map_shape)``; each becomes a column of tensors of fixed shape, which
        programs that do not know them read as lists of fixed size.

    Raises
    ------
    InvalidInputError
        If pyarrow is not installed.
    UnsupportedColumnError
        If Arrow has no type for a column.
    """
    pa = require_pyarrow("Arrow")
    schema = arrow_schema(frame, maps)
    arrays = [pa.array(np.asarray(frame.index, dtype=np.int64))]
    arrays += [_array(frame.iloc[:, place], schema.field(place + 1).type) for place in range(frame.shape[1])]
    for values in (maps or {}).values():
        arrays.append(tensors(values))
    return pa.Table.from_arrays(arrays, schema=schema)


def tensors(values: Array) -> Any:
    """Return maps ``(n_rows, *map_shape)`` as Arrow's array of tensors, of which no rows are no special case."""
    pa = require_pyarrow("a column of maps")
    kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(values.dtype), values.shape[1:])
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    size = int(np.prod(values.shape[1:]))
    return pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(flat, size))


def _type_of(name: str, dtype: Any) -> Any:
    import pyarrow as pa

    if isinstance(dtype, pd.CategoricalDtype):
        index = pa.from_numpy_dtype(pd.Categorical([], dtype=dtype).codes.dtype)
        return pa.dictionary(index, _type_of(name, dtype.categories.dtype), ordered=bool(dtype.ordered))
    if isinstance(dtype, pd.StringDtype) or dtype == np.dtype(object):
        return pa.large_string()
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pa.timestamp(dtype.unit, pa.lib.tzinfo_to_string(dtype.tz))
    plain = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", None)
    if plain is None or plain.kind not in "biufmM":
        raise UnsupportedColumnError(
            f"column {name!r} has dtype {dtype}, for which Arrow has no type; leave it out, or read it with pandas"
        )
    return pa.from_numpy_dtype(plain.newbyteorder("="))


def _array(values: pd.Series[Any], kind: Any) -> Any:
    import pyarrow as pa

    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = values.cat.codes.to_numpy()
        indexes = pa.array(codes, kind.index_type, mask=codes < 0)
        categories = pa.array(values.cat.categories.to_series(), kind.value_type, from_pandas=True)
        return pa.DictionaryArray.from_arrays(indexes, categories, ordered=kind.ordered)
    if isinstance(values.dtype, np.dtype) and values.dtype.byteorder == ">":
        values = values.astype(values.dtype.newbyteorder("="))
    try:
        return pa.array(values, kind, from_pandas=True)
    except (UnicodeError, pa.ArrowInvalid) as error:  # half of a pair of surrogates
        raise UnsupportedColumnError(
            f"column {values.name!r} holds text that is no Unicode, which Arrow cannot hold; leave it out, or read it "
            "with pandas"
        ) from error
