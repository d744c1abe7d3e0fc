"""The answer of a re-run network, summarized as the stored layer is, so that both ways give the same columns."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.intermediates import ColumnRecord, IntermediateRecord
from mistique_core.engine.array_rerun import ArrayRerunner
from mistique_core.engine.frame_reader import FrameReader, RowIds
from mistique_core.engine.rerun_tally import RerunTally
from mistique_core.engine.shared_work import SharedWork
from mistique_core.engine.unit_keep import codec_of
from mistique_core.frames import ROW_ID, RowIndex
from mistique_core.planner import TargetPlan

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RerunUnits:
    """Values of all units of a layer.

    Attributes
    ----------
    row_ids
        int64 (rows,).
    names
        Of the units.
    values
        Shape ``(rows, *map_shape, units)``.
    whole
        All rows as the network gives them, before they were summarized; ``None`` where only some rows were run.
    """

    row_ids: RowIds
    names: tuple[str, ...]
    values: Array
    whole: Array | None = None

    def take(self, names: Sequence[str], ids: RowIds | None) -> Array:
        """Return some units of some rows, ``(n, *map_shape, len(names))``; all rows where `ids` is ``None``."""
        places = [self.names.index(name) for name in names]
        values = self.values if places == list(range(len(self.names))) else self.values[..., places]
        return values if ids is None else values[RowIndex(self.row_ids).find(ids)[0]]

    def frame(self, wanted: Sequence[tuple[str, str]], ids: RowIds | None) -> pd.DataFrame:
        """Return units whose values are plain numbers as columns.

        Parameters
        ----------
        wanted
            (label, name) of each column.
        ids
            The wanted rows; ``None`` for all.
        """
        index = pd.Index(self.row_ids if ids is None else ids, name=ROW_ID)
        if not wanted:
            return pd.DataFrame(index=index)
        values = self.take([name for _, name in wanted], ids)
        return pd.DataFrame(values, index=index, columns=[label for label, _ in wanted])


class UnitsRerunner:
    """Re-runs layers for queries.

    Parameters
    ----------
    reader
        Reads what a re-run begins with, and the schemes of what it makes.
    """

    def __init__(self, reader: FrameReader) -> None:
        self._reader = reader
        self._arrays = ArrayRerunner(reader)

    def is_loaded(self, stage_id: int) -> bool:
        """Whether a layer was rebuilt for an earlier query."""
        return self._arrays.is_loaded(stage_id)

    def exact(self, connection: sa.Connection, plan: TargetPlan, target: IntermediateRecord, row_ids: RowIds) -> Array:
        """Return rows of a layer as the network gives them before any scheme, ``(n, *map_shape, units)``.

        Raises
        ------
        RerunError
            If a layer cannot be rebuilt or fails.
        """
        return self._arrays.rerun(connection, plan, target, row_ids)[1]

    def exact_batches(
        self,
        connection: sa.Connection,
        plan: TargetPlan,
        target: IntermediateRecord,
        row_ids: RowIds,
        rows: int,
        tally: RerunTally,
    ) -> Iterator[Array]:
        """Yield what :meth:`exact` returns in batches of so many rows; `tally` is told what the layers took."""
        return self._arrays.batches(connection, plan, target, row_ids, tally, rows=rows)

    def rerun(
        self,
        connection: sa.Connection,
        plan: TargetPlan,
        target: IntermediateRecord,
        columns: Sequence[ColumnRecord],
        row_ids: RowIds | None,
        tally: RerunTally | None = None,
        shared: SharedWork | None = None,
    ) -> RerunUnits:
        """Return the rows of a layer, pooled or compared with a threshold if it is stored so, else as they are.

        `tally` is told what the layers took, and `shared` keeps their rows for other plans.

        Raises
        ------
        RerunError
            If a layer cannot be rebuilt or fails.
        """
        ids, values = self._arrays.rerun(connection, plan, target, row_ids, tally, shared)
        names = tuple(column.name for column in columns)
        pieces = []
        unit_major = np.moveaxis(values, -1, 0)
        starts = [place for place, column in enumerate(columns) if not column.unit]
        codec = codec_of(connection, self._reader, target, columns)
        for group, (start, stop) in enumerate(itertools.pairwise([*starts, len(columns)])):
            quantizer = codec.fitted[group]
            piece = unit_major[start:stop]
            pieces.append(piece if quantizer is None else quantizer.summarize(piece))
        summarized = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return RerunUnits(ids, names, np.moveaxis(summarized, 0, -1), values if row_ids is None else None)
