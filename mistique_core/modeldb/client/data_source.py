"""Data that a script works on, known by identity, and the parts of it that columns were taken from."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from mistique_core.model.event import FrameEntity, StageEvent, TransformerEntity


@dataclass(eq=False)
class DataSource:
    """One frame of ModelDB, in the making: some object of the script, or what several arrays make together.

    Attributes
    ----------
    rows
        Number of rows; ``None`` if it is not known.
    columns
        Name -> type, in order; ``None`` for data without columns.
    carries
        Source whose columns this one has too, row by row, unless it has others of the same name.
    event, output
        What made it, and under which name; ``None`` for data of unknown origin.
    model, predicted_on
        Of predictions: the model, and the data.
    has_names
        Whether its columns have names of the user's.
    is_partial
        Whether the stage that does the same in a workflow would give it more columns.
    tag, filepath
        For its entity.
    """

    rows: int | None = None
    columns: dict[str, str] | None = None
    carries: DataSource | None = None
    event: StageEvent | None = None
    output: str = ""
    model: TransformerEntity | None = None
    predicted_on: DataSource | None = None
    has_names: bool = True
    is_partial: bool = False
    tag: str = ""
    filepath: str = ""
    _entity: FrameEntity | None = field(default=None, repr=False)

    @property
    def entity(self) -> FrameEntity:
        """The entity, made when it is first asked for."""
        if self._entity is None:
            self._entity = FrameEntity(self.rows, self._schema(), self.tag, self.filepath)
        return self._entity

    def set_columns(self, columns: dict[str, str]) -> None:
        """Give other columns to a source that is not recorded yet."""
        self.columns = columns
        if self._entity is not None:
            self._entity.columns = self._schema()

    def has(self, name: str, of: DataSource) -> bool:
        """Return whether a column of this source is that of another one, row by row."""
        if self is of:
            return self.columns is not None and name in self.columns
        return self.carries is not None and name in (self.columns or {}) and self.carries.has(name, of)

    def _schema(self) -> tuple[tuple[str, str], ...] | None:
        return None if self.columns is None else tuple(self.columns.items())


@dataclass(frozen=True)
class DataView:
    """Columns of a source, as a script holds them.

    Attributes
    ----------
    source
        The data.
    columns
        The names, in order; ``None`` for data without columns.
    """

    source: DataSource
    columns: tuple[str, ...] | None

    @property
    def is_whole(self) -> bool:
        """Whether it is all columns, in order, that the source has in a workflow."""
        return not self.source.is_partial and self.columns == tuple(self.source.columns or ())


def columns_of(data: Any, prefix: str = "x") -> tuple[dict[str, str] | None, bool]:
    """Return name -> type of a frame, a Series or an array, and whether the names are the user's.

    Parameters
    ----------
    data
        The object. Columns without a name are called `prefix` and their position, a single one just `prefix`.
    prefix
        What to call them.
    """
    if is_spark_frame(data):
        return dict(data.dtypes), True
    labels = getattr(data, "columns", None)
    dtypes: Any = None if labels is None else getattr(data, "dtypes", None)  # pandas makes a Series of them every time
    if labels is not None and dtypes is not None:
        return dict(zip(map(str, labels), map(_type_name, dtypes), strict=True)), True
    shape, dtype = getattr(data, "shape", None), getattr(data, "dtype", None)
    if dtype is not None and hasattr(data, "name"):
        return {prefix if data.name is None else str(data.name): _type_name(dtype)}, data.name is not None
    if shape is None or dtype is None:
        return None, False
    if len(shape) == 1:
        return {prefix: _type_name(dtype)}, False
    if len(shape) == 2:
        return {f"{prefix}{number}": _type_name(dtype) for number in range(shape[1])}, False
    return None, False


def is_spark_frame(data: Any) -> bool:
    """Return whether data is a DataFrame of Spark: its columns never change, and its rows are not counted unasked."""
    frames = sys.modules.get("pyspark.sql.dataframe")
    return frames is not None and isinstance(data, frames.DataFrame)


def _type_name(dtype: Any) -> str:
    return _name_of_numpy_type(dtype) if isinstance(dtype, np.dtype) else str(dtype)


@lru_cache(maxsize=1_000)
def _name_of_numpy_type(dtype: np.dtype[Any]) -> str:
    return str(dtype)


def rows_of(data: Any) -> int | None:
    """Return the number of rows of data, or ``None`` for what has none, or would have to count them."""
    if is_spark_frame(data):
        return None
    shape = getattr(data, "shape", None)
    if shape:
        return int(shape[0])
    return len(data) if isinstance(data, (list, tuple)) else None


def label_name(data: DataView, label: DataView | None) -> str | None:
    """Return the column of the data that a label is; ``None`` where it is data of its own, or several columns."""
    if label is None or label.columns is None or len(label.columns) != 1:
        return None
    (name,) = label.columns
    return name if data.source.has(name, label.source) else None
