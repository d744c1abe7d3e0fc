"""The filter that DuckDB hands to a scan: an expression of Arrow, decided for whole windows by Arrow's own rules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow import fs

from mistique_core.engine.block_zones import BlockZones
from mistique_core.engine.row_scan import blocks_of
from mistique_core.engine.row_windows import RowsOf, RowSource, Window
from mistique_core.frames import LogicalType
from mistique_core.store.sql_values import sql_table

Mask = npt.NDArray[np.bool_]
_NOT_A_TIME = np.iinfo(np.int64).min


class ArrowFilter:
    """See :class:`~mistique_core.engine.row_scan.RowFilter`.

    Parameters
    ----------
    expression
        Over columns of `schema`.
    schema
        Of the table that is scanned.
    """

    def __init__(self, expression: Any, schema: Any) -> None:
        self._expression = expression
        self._schema = schema
        self.names = tuple(_referred(expression, schema, tuple(schema.names)))

    def may_match(self, source: RowSource, windows: Sequence[Window]) -> Mask:
        """Return where the ranges of the columns do not contradict the expression.

        Each window is shown to Arrow as a file whose partition promises these ranges; no such file is ever opened.
        """
        promises: list[Any] = [None] * len(windows)
        for name in self.names:
            zones = source.zones(name)
            if zones is None:
                continue
            kind = LogicalType.from_json(source.columns[name].logical_type).kind
            field = self._schema.field(name)
            for number, window in enumerate(windows):
                promise = _promise(zones, blocks_of(window, zones), kind, field)
                if promise is not None:
                    promises[number] = promise if promises[number] is None else promises[number] & promise
        if not windows:
            return np.zeros(0, bool)
        files = ds.FileSystemDataset.from_paths(
            [str(number) for number in range(len(windows))],
            schema=self._schema,
            format=ds.IpcFileFormat(),
            filesystem=fs.LocalFileSystem(),
            partitions=[pc.scalar(True) if promise is None else promise for promise in promises],
        )
        may = np.zeros(len(windows), bool)
        for fragment in files.get_fragments(filter=self._expression):
            may[int(fragment.path)] = True
        return may

    def mask(self, rows: RowsOf) -> Mask:
        """Return where the expression holds."""
        table = sql_table(rows, self._schema, self.names)
        numbered = table.append_column(_place(self._schema.names), pa.array(np.arange(len(rows))))
        mask = np.zeros(len(rows), bool)
        mask[numbered.filter(self._expression).column(len(self.names)).to_numpy()] = True
        return mask


def _place(names: Sequence[str]) -> str:
    """Return a name that none of the columns has."""
    return "_" * (max(map(len, names), default=0) + 1)


def _referred(expression: Any, schema: Any, names: tuple[str, ...]) -> list[str]:
    """Return those of some columns that an expression refers to: the ones that it cannot do without."""
    if not names or _works_without(expression, schema, set(names)):
        return []
    if len(names) == 1:
        return list(names)
    half = len(names) // 2
    return [*_referred(expression, schema, names[:half]), *_referred(expression, schema, names[half:])]


def _works_without(expression: Any, schema: Any, names: set[str]) -> bool:
    kept = pa.schema([field for field in schema if field.name not in names])
    try:
        kept.empty_table().filter(expression)
    except pa.ArrowInvalid:
        return False
    return True


def _promise(zones: BlockZones, blocks: slice, kind: str, field: Any) -> Any:
    """Return what is known about a column in some row blocks as an expression; ``None`` for nothing."""
    found = zones.of_blocks[blocks]
    if any(zone is None for zone in found):
        return None
    known = [zone for zone in found if zone is not None]
    lows = [np.frombuffer(zone.low, zones.dtype)[0].item() for zone in known if zone.low is not None]
    highs = [np.frombuffer(zone.high, zones.dtype)[0].item() for zone in known if zone.high is not None]
    missing = kind != "numeric" or any(zone.nulls for zone in known)
    column = pc.field(field.name)
    if not lows:
        return column.is_null()
    timed = kind in ("datetime", "datetime_tz", "timedelta")
    if timed and max(highs) == _NOT_A_TIME:
        return column.is_null()
    bounds = [column <= _scalar(max(highs), field.type, timed)]
    if not (timed and min(lows) == _NOT_A_TIME):
        bounds.append(column >= _scalar(min(lows), field.type, timed))
    # Arrow understands "bound or null" one bound at a time.
    return reduce(and_, [bound | column.is_null() for bound in bounds] if missing else bounds)


def _scalar(value: Any, kind: Any, timed: bool) -> Any:
    return pa.scalar(value, pa.int64()).cast(kind) if timed else pa.scalar(value, kind)
