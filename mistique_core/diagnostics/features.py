"""Many columns or units at once, as arrays of numbers, aligned by row id with single columns beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.intermediates import ColumnRecord, columns_of, find_intermediate
from mistique_core.diagnostics.reading import Key, Keys, RowIds, Table, Where, joined_plan, read_columns, read_units
from mistique_core.diagnostics.wording import short_names
from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean
from mistique_core.frames import ROW_ID, LogicalType
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.planner import QueryPlan, Strategy
from mistique_core.store import Mistique

_NUMBERS = ("numeric", "bool", "nullable", "units")
_RESTRICTING_SHARE = 0.5
"""Maps of other intermediates are read for chosen rows only, if these are at most this share of all."""

Identity = tuple[bytes, int | None]


@dataclass(frozen=True)
class Features:
    """Numbers of several columns, or of several units.

    Attributes
    ----------
    values
        (rows, features) of numbers, or (rows, height, width, units) of maps. float32 where all columns are at most
        that wide, else float64; missing values are NaN.
    names
        Names of the last axis.
    row_id
        (rows,) int64.
    is_units
        Whether they are units of a layer, which share one scale, rather than columns of a table.
    skipped
        Names of the columns that were left out, because they hold no numbers.
    """

    values: npt.NDArray[Any]
    names: tuple[str, ...]
    row_id: npt.NDArray[np.int64]
    is_units: bool = False
    skipped: tuple[str, ...] = ()

    @property
    def is_maps(self) -> bool:
        """Whether each value is a map."""
        return self.values.ndim > 2

    @property
    def flat(self) -> npt.NDArray[Any]:
        """(rows, numbers): each cell of a map by itself."""
        return (
            self.values.reshape(len(self.values), -1) if self.values.size else self.values.reshape(len(self.values), 0)
        )

    @property
    def means(self) -> npt.NDArray[Any]:
        """(rows, features): maps as their means."""
        if not self.is_maps:
            return self.values
        cells = tuple(range(1, self.values.ndim - 1))
        return np.asarray(self.values.mean(axis=cells, dtype=np.float64))

    def place(self, row_id: int) -> int:
        """Return the position of a row.

        Raises
        ------
        NotFoundError
            If it is not among the rows.
        """
        found = np.flatnonzero(self.row_id == row_id)
        if not found.size:
            raise NotFoundError(f"row_id {row_id} is not among the {len(self.row_id):,} rows of the question")
        return int(found[0])


@dataclass(frozen=True)
class Aligned:
    """What one question reads: some sets of features and single columns, on the rows that all of them hold.

    Attributes
    ----------
    features
        One a set of keys.
    beside
        The single columns.
    plan
        How everything was obtained.
    max_abs_error
        Bound of the absolute error of any value.
    """

    features: tuple[Features, ...]
    beside: Table
    plan: QueryPlan
    max_abs_error: float


@dataclass(frozen=True)
class _Wanted:
    """The columns of one set of keys, as far as the catalogue knows them."""

    keys: tuple[IntermediateKey, ...]
    skipped: tuple[str, ...]
    is_units: bool
    is_maps: bool
    rows: int


def read_features(
    store: Mistique,
    sets: Sequence[Keys],
    beside: Sequence[Key] = (),
    *,
    row_id: RowIds | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
) -> Aligned:
    """Read sets of features and single columns on the rows that all of them hold.

    Of a whole intermediate only columns of numbers are read, without those in `beside`, even if these are stored under
    another key; columns without numbers are named in ``skipped``. A column that is named by itself must hold numbers.

    Parameters
    ----------
    store
        An open store.
    sets
        Keys of each set: of columns, units or whole intermediates; those of maps of one intermediate.
    beside
        Keys of single columns.
    row_id, where, strategy
        As for :func:`read_units`. A plain name in `where` is a column of what is read.

    Raises
    ------
    InvalidInputError
        If a set has no column of numbers, or maps of several intermediates.
    NotFoundError
        If a key or a row id does not exist.
    """
    singles = [IntermediateKey.parse(key) for key in beside]
    _refuse_maps(store, singles)
    wanted = [_wanted(store, keys, singles) for keys in sets]
    plain = [item for item in wanted if not item.is_maps]
    tables: list[Table] = []
    keys = [*singles, *(key for item in plain for key in item.keys)]
    if keys:
        tables.append(read_columns(store, keys, row_id=row_id, where=where, strategy=strategy))
    for item in wanted:
        if item.is_maps:
            tables.append(_read_maps(store, item, tables[0] if tables else None, row_id, where, strategy))
    ids = _common_ids(tables)
    aligned = [_taken(table, ids) for table in tables]
    maps = iter(aligned[1:] if keys else aligned)
    features = tuple(
        _of_maps(next(maps), item, ids) if item.is_maps else _of_columns(aligned[0], item, ids) for item in wanted
    )
    plan = joined_plan(table.plan for table in tables)
    table = aligned[0] if keys else Table(pd.DataFrame(index=pd.Index(ids, name=ROW_ID)), plan)
    return Aligned(features, table, plan, max(table.max_abs_error for table in tables))


def _refuse_maps(store: Mistique, singles: Sequence[IntermediateKey]) -> None:
    with store.catalogue.read() as connection:
        for key in singles:
            for item in columns_of(connection, find_intermediate(connection, key).ref.id):
                if item.name == key.column and LogicalType.from_json(item.logical_type).map_shape:
                    raise InvalidInputError(f"{key} holds maps, where numbers or labels are needed; name a column")


def _wanted(store: Mistique, keys: Keys, singles: Sequence[IntermediateKey]) -> _Wanted:
    parsed = [IntermediateKey.parse(key) for key in ([keys] if isinstance(keys, str | IntermediateKey) else keys)]
    found: dict[IntermediateKey, LogicalType] = {}
    skipped: list[IntermediateKey] = []
    rows = 0
    with store.catalogue.read() as connection:
        taken = {version for key in singles for version in _versions(connection, key)}
        for key in parsed:
            record = find_intermediate(connection, key)
            rows = record.ref.rows
            columns = {item.name: item for item in columns_of(connection, record.ref.id)}
            types = {name: LogicalType.from_json(item.logical_type) for name, item in columns.items()}
            if key.column != ALL_COLUMNS and key.column not in types:
                raise NotFoundError(f"{key} has no such column; {did_you_mean(key.column, types)}")
            whole = key.column == ALL_COLUMNS
            for name in types if whole else [key.column]:
                if whole and _identity(columns[name]) in taken:
                    continue
                if _holds_numbers(types[name]):
                    found.setdefault(key.with_column(name), types[name])
                elif whole:
                    skipped.append(key.with_column(name))
                else:
                    raise InvalidInputError(f"{key} holds {types[name].label}, where numbers are needed; leave it out")
    if not found:
        raise InvalidInputError(
            f"{parsed[0]} has no column of numbers{' besides those named by themselves' if taken else ''}; "
            "name an intermediate that has some"
        )
    shapes = {item.map_shape for item in found.values()}
    if len(shapes) > 1 or (shapes != {()} and len({(key.project, key.model, key.intermediate) for key in found}) > 1):
        raise InvalidInputError(f"{parsed[0]} and the other keys hold maps of several layers; name units of one layer")
    is_units = all(item.kind == "units" for item in found.values())
    return _Wanted(tuple(found), tuple(key.column for key in skipped), is_units, shapes != {()}, rows)


def _versions(connection: sa.Connection, key: IntermediateKey) -> list[Identity]:
    """Return what tells the column of a key from others: its content, wherever it is stored."""
    columns = columns_of(connection, find_intermediate(connection, key).ref.id)
    return [_identity(item) for item in columns if item.name == key.column]


def _identity(column: ColumnRecord) -> Identity:
    return column.version.address, column.unit


def _holds_numbers(logical: LogicalType) -> bool:
    is_complex = logical.kind in ("numeric", "units") and np.dtype(logical.dtype).kind == "c"
    return logical.kind in _NUMBERS and not is_complex


def _read_maps(
    store: Mistique, item: _Wanted, beside: Table | None, row_id: RowIds | None, where: Where, strategy: Strategy
) -> Table:
    """Read maps: for the rows of what has been read already, if these are few, else for all."""
    if beside is None:
        return read_units(store, item.keys, row_id=row_id, where=where, strategy=strategy)
    ids = beside.frame.index.to_numpy(dtype=np.int64)
    if row_id is not None:
        return read_units(store, item.keys, row_id=row_id, strategy=strategy)
    if len(ids) <= _RESTRICTING_SHARE * item.rows:
        try:
            return read_units(store, item.keys, row_id=ids, strategy=strategy)
        except NotFoundError:  # the layer lacks some of these rows
            return read_units(store, item.keys, strategy=strategy)
    return read_units(store, item.keys, strategy=strategy)


def _common_ids(tables: Sequence[Table]) -> npt.NDArray[np.int64]:
    ids: npt.NDArray[np.int64] = tables[0].frame.index.to_numpy(dtype=np.int64)
    for table in tables[1:]:
        other = table.frame.index
        if not np.array_equal(other, ids):
            ids = ids[np.isin(ids, other)]
    return ids


def _taken(table: Table, ids: npt.NDArray[np.int64]) -> Table:
    if np.array_equal(table.frame.index, ids):
        return table
    places = table.frame.index.get_indexer(pd.Index(ids))
    maps = None if table.maps is None else table.maps[places]
    return replace(table, frame=table.frame.iloc[places], maps=maps)


def _of_maps(table: Table, item: _Wanted, ids: npt.NDArray[np.int64]) -> Features:
    assert table.maps is not None
    return Features(table.maps, table.units, ids, True, item.skipped)


def _of_columns(table: Table, item: _Wanted, ids: npt.NDArray[np.int64]) -> Features:
    columns = [table.column(key) for key in item.keys]
    narrow = all(isinstance(column.dtype, np.dtype) and column.dtype in ("float32", "float16") for column in columns)
    values = np.empty((len(ids), len(columns)), dtype=np.float32 if narrow else np.float64, order="F")
    for place, column in enumerate(columns):
        values[:, place] = column.to_numpy(dtype=values.dtype, na_value=np.nan)
    return Features(values, tuple(short_names(item.keys)), ids, item.is_units, item.skipped)
