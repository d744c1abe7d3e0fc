"""Which rows a data set streams, as plain values: each process opens the store for itself, forked workers too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.engine.row_windows import RowsOf
from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.model import IntermediateKey
from mistique_core.store import Mistique
from mistique_core.store.row_stream import RowStream

Array = npt.NDArray[Any]
BATCH_ROWS = 256


@dataclass(frozen=True)
class StoredRows:
    """Some columns of an intermediate, in stored order.

    Attributes
    ----------
    location, catalogue_url
        Of the store.
    key
        Of the intermediate, with its version: later versions change nothing.
    columns
        Names of the columns.
    where
        Predicates (column, operator, value), all of which must hold.
    batch_rows
        Most rows of a batch.
    share
        (number, of): this reader's part of the row blocks, from 0.
    """

    location: str
    catalogue_url: str
    key: IntermediateKey
    columns: tuple[str, ...]
    where: tuple[Any, ...] = ()
    batch_rows: int = BATCH_ROWS
    share: tuple[int, int] = (0, 1)

    @classmethod
    def of(
        cls,
        store: Mistique,
        key: str | IntermediateKey,
        columns: Sequence[str] | None = None,
        *,
        where: Any = None,
        batch_rows: int = BATCH_ROWS,
        share: tuple[int, int] = (0, 1),
    ) -> StoredRows:
        """Return the rows; the parameters are those of :meth:`Mistique.stream`.

        Raises
        ------
        MistiqueError
            As :meth:`Mistique.stream`.
        InvalidInputError
            If a share is none.
        """
        stream = store.stream(key, columns, where=where, batch_rows=batch_rows)
        stream.share(*share)
        one = isinstance(where, tuple) and bool(where) and isinstance(where[0], str)
        predicates = () if where is None else (where,) if one else tuple(where)
        config = store.config
        return cls(
            config.location, config.catalogue_url, stream.key, tuple(stream.columns), predicates, batch_rows, share
        )

    def shared(self, number: int, of: int) -> StoredRows:
        """Return the part of one of `of` readers of these rows, numbered from 0."""
        first, step = self.share
        return replace(self, share=(first + step * number, step * of))

    @contextmanager
    def stream(self) -> Iterator[RowStream]:
        """Open the store, and yield the stream of this reader's part."""
        with Mistique.open(self.location, self.catalogue_url) as store:
            where = list(self.where) or None
            yield store.stream(self.key, self.columns, where=where, batch_rows=self.batch_rows).share(*self.share)

    def batches(self) -> Iterator[dict[str, Array]]:
        """Yield batches of numbers by name: see :func:`numbers_of`."""
        with self.stream() as stream:
            for rows in stream.pieces():
                yield numbers_of(rows, self.columns)

    def example(self) -> dict[str, Array]:
        """Return a batch without rows, or with few, for the names, dtypes and shapes of all batches."""
        with self.stream() as stream:
            return numbers_of(stream.example(), self.columns)


def numbers_of(rows: RowsOf, columns: Sequence[str]) -> dict[str, Array]:
    """Return columns as arrays of numbers, with ``row_id`` first.

    Nullable integers and booleans become float64 (NaN where missing), so that every batch has one dtype; categories
    become their codes, int64 (-1 where missing); maps have the shape ``(n_rows, *map_shape)``.

    Raises
    ------
    InvalidInputError
        If a column holds neither numbers nor categories.
    """
    found: dict[str, Array] = {ROW_ID: np.array(rows.frame.index, dtype=np.int64)}
    for name in columns:
        found[name] = rows.maps[name] if name in rows.maps else _numbers(name, rows.frame[name])
    return found


def _numbers(name: str, values: pd.Series[Any]) -> Array:
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy().astype(np.int64)
    if isinstance(dtype, np.dtype) and dtype.kind in "biufc":
        return np.array(values, dtype=dtype.newbyteorder("="))
    if isinstance(dtype, (pd.Float32Dtype, pd.Float64Dtype)):
        return values.to_numpy(dtype=str(dtype).lower(), na_value=np.nan)
    if getattr(dtype, "numpy_dtype", np.dtype(object)).kind in "biu":
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    raise InvalidInputError(
        f"column {name!r} of dtype {dtype} is no column of numbers; leave it out, or store it as numbers or categories"
    )
