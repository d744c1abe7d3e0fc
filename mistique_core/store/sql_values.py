"""What DuckDB is shown of rows: Arrow's types, but for the few that it has not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mistique_core.engine.row_windows import RowsOf
from mistique_core.errors import UnsupportedColumnError
from mistique_core.frames import ROW_ID
from mistique_core.frames.arrow import arrow_schema, arrow_table


def sql_schema(rows: RowsOf) -> Any:
    """Return the schema of a table of SQL; columns that Arrow has no type for are not part of it."""
    known = []
    for place in range(rows.frame.shape[1]):
        one = rows.frame.iloc[:, [place]]
        try:
            field = arrow_schema(one).field(1)
        except UnsupportedColumnError:
            continue
        known.append(field.with_type(pa.float32()) if pa.types.is_float16(field.type) else field)
    for name, values in rows.maps.items():
        known.append(pa.field(name, _list_type(values.shape[1:], values.dtype)))
    return pa.schema([pa.field(ROW_ID, pa.int64()), *known])


def sql_table(rows: RowsOf, schema: Any, names: Sequence[str]) -> Any:
    """Return some columns of rows with the types of `schema`, in the order of `names`."""
    plain = [name for name in names if name != ROW_ID and name not in rows.maps]
    made = arrow_table(rows.frame[plain])
    columns = [
        _lists(rows.maps[name], schema.field(name).type)
        if name in rows.maps
        else made.column(name).cast(schema.field(name).type)
        for name in names
    ]
    return pa.table(columns, schema=pa.schema([schema.field(name) for name in names]))


def _list_type(shape: tuple[int, ...], dtype: Any) -> Any:
    kind = pa.from_numpy_dtype(np.float32 if dtype == np.float16 else dtype)
    for size in reversed(shape):
        kind = pa.list_(kind, size)
    return kind


def _lists(values: Any, kind: Any) -> Any:
    """Return maps ``(n_rows, *map_shape)`` as lists of lists of fixed size."""
    sizes = []
    while pa.types.is_fixed_size_list(kind):
        sizes.append(kind.list_size)
        kind = kind.value_type
    made = pa.array(np.ascontiguousarray(values).reshape(-1).astype(kind.to_pandas_dtype(), copy=False))
    for size in reversed(sizes):
        made = pa.FixedSizeListArray.from_arrays(made, size)
    return made
