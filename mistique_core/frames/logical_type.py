"""Logical column types: what pandas showed the user, recorded beside the physical arrays.

A logical type is a small JSON document, so that it can be part of a column version's identity and
be read in another process or by another program. No class name of pandas is stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api.types import is_complex_dtype

from mistique_core.errors import UnsupportedColumnError

Kind = Literal[
    "numeric", "bool", "datetime", "datetime_tz", "timedelta", "nullable", "string", "object", "categorical", "units"
]

_NULLABLE = {
    str(dtype): dtype
    for dtype in (
        pd.Int8Dtype(), pd.Int16Dtype(), pd.Int32Dtype(), pd.Int64Dtype(),
        pd.UInt8Dtype(), pd.UInt16Dtype(), pd.UInt32Dtype(), pd.UInt64Dtype(),
        pd.Float32Dtype(), pd.Float64Dtype(), pd.BooleanDtype(),
    )
}  # fmt: skip

_REMEDIES = (
    (pd.PeriodDtype, "convert it with .dt.to_timestamp()"),
    (pd.IntervalDtype, "store .array.left and .array.right as two columns"),
    (pd.SparseDtype, "convert it with .sparse.to_dense()"),
    (pd.ArrowDtype, "convert it with .convert_dtypes(dtype_backend='numpy_nullable')"),
)


@dataclass(frozen=True)
class LogicalType:
    """The type of a column as the user sees it.

    Attributes
    ----------
    kind
        Family of the type; decides the parts that a column is stored in.
    dtype
        NumPy dtype string (with byte order), or the name of a pandas extension dtype.
    options
        Further facts as sorted (name, value) pairs: time zone, string storage, order of categories,
        number of units and shape of their maps.
    categories
        Type of the categories of a categorical column, else ``None``.
    """

    kind: Kind
    dtype: str
    options: tuple[tuple[str, str | bool | int], ...] = ()
    categories: LogicalType | None = None

    def option(self, name: str) -> str | bool | int:
        """Return one option."""
        return dict(self.options)[name]

    @property
    def units(self) -> int:
        """How many columns one column version holds: the units of a group, else 1."""
        return int(self.option("units")) if self.kind == "units" else 1

    @property
    def map_shape(self) -> tuple[int, ...]:
        """Shape of one value: () for scalars, (H, W) for the activation maps of a unit."""
        text = str(dict(self.options).get("map", ""))
        return tuple(int(size) for size in text.split("x")) if text else ()

    def to_json(self) -> str:
        """Return the canonical JSON text: sorted keys, no spaces."""
        return json.dumps(self._document(), sort_keys=True, separators=(",", ":"))

    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = {"kind": self.kind, "dtype": self.dtype}
        if self.options:
            document["options"] = dict(self.options)
        if self.categories is not None:
            document["categories"] = self.categories._document()
        return document

    @staticmethod
    @lru_cache(maxsize=1024)
    def from_json(text: str) -> LogicalType:
        """Parse what :meth:`to_json` returned."""
        return LogicalType._from_document(json.loads(text))

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> LogicalType:
        categories = document.get("categories")
        return cls(
            document["kind"],
            document["dtype"],
            tuple(sorted(document.get("options", {}).items())),
            None if categories is None else cls._from_document(categories),
        )

    @property
    def label(self) -> str:
        """Short name for people, such as ``float64`` or ``category``."""
        if self.kind == "categorical":
            return "category"
        if self.kind == "object":
            return "object (str)"
        if self.kind == "string":
            return "str" if self.option("na") == "nan" else "string"
        if self.kind == "datetime_tz":
            return f"{np.dtype(self.dtype).name[:-1]}, {self.option('tz')}]"
        return self.dtype if self.kind == "nullable" else np.dtype(self.dtype).name


def logical_type(name: str, series: pd.Series[Any] | pd.Index[Any]) -> LogicalType:
    """Return the logical type of a column.

    Parameters
    ----------
    name
        Column name, for the error message.
    series
        The column.

    Raises
    ------
    UnsupportedColumnError
        If values of this dtype cannot be stored losslessly; the message says what to do.
    """
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return _numpy_type(name, dtype)
    for refused, remedy in _REMEDIES:
        if isinstance(dtype, refused):
            raise UnsupportedColumnError(f"column {name!r} has dtype {dtype}, which is not supported; {remedy}")
    if isinstance(dtype, pd.CategoricalDtype):
        inner = logical_type(f"{name} (categories)", dtype.categories)
        return LogicalType("categorical", "category", (("ordered", bool(dtype.ordered)),), inner)
    if isinstance(dtype, pd.StringDtype):
        na = "NA" if dtype.na_value is pd.NA else "nan"
        return LogicalType("string", "str", (("na", na), ("storage", str(dtype.storage))))
    if isinstance(dtype, pd.DatetimeTZDtype):
        return LogicalType("datetime_tz", f"<M8[{dtype.unit}]", (("tz", str(dtype.tz)),))
    if str(dtype) in _NULLABLE:
        return LogicalType("nullable", str(dtype))
    raise UnsupportedColumnError(
        f"column {name!r} has dtype {dtype}, which is not supported; convert it with .astype() to a NumPy dtype"
    )


def _numpy_type(name: str, dtype: np.dtype[Any]) -> LogicalType:
    if dtype.kind == "O":
        return LogicalType("object", "|O")
    if dtype.kind == "b":
        return LogicalType("bool", "|b1")
    if dtype.kind in "Mm":
        return LogicalType("datetime" if dtype.kind == "M" else "timedelta", dtype.str)
    too_wide = dtype.itemsize > (16 if is_complex_dtype(dtype) else 8)
    if dtype.kind in "iufc" and not too_wide:
        return LogicalType("numeric", dtype.str)
    raise UnsupportedColumnError(
        f"column {name!r} has dtype {dtype}, which is not supported; convert it with .astype('float64')"
    )


def pandas_dtype(logical: LogicalType) -> Any:
    """Return the pandas dtype of a column that is neither categorical nor object."""
    if logical.kind == "nullable":
        return _NULLABLE[logical.dtype]
    if logical.kind == "string":
        na_value = pd.NA if logical.option("na") == "NA" else np.nan
        return pd.StringDtype(storage=str(logical.option("storage")), na_value=na_value)
    if logical.kind == "datetime_tz":
        unit: Any = np.datetime_data(np.dtype(logical.dtype))[0]
        return pd.DatetimeTZDtype(unit=unit, tz=str(logical.option("tz")))
    return np.dtype(logical.dtype)
