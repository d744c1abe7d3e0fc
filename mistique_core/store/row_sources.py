"""Where the rows of a key come from: what is stored, or a re-run by windows."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.intermediates import (
    UNSTORED,
    ColumnRecord,
    IntermediateRecord,
    columns_of,
    find_intermediate,
)
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.rerun_windows import HeldRows, RerunRows
from mistique_core.engine.row_windows import WINDOW_BYTES, RowsOf, RowSource, StoredRows
from mistique_core.errors import NotFoundError, NotMaterializedError, RerunError, did_you_mean
from mistique_core.frames import ROW_ID
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.planner import TargetPlan
from mistique_core.store.query import QueryEngine
from mistique_core.store.selection import Selection


class RowSources:
    """Finds the rows of keys.

    Parameters
    ----------
    catalogue
        The store's.
    reader
        Reads columns, and keeps little in memory.
    queries
        Plans and makes what is not stored.
    """

    def __init__(self, catalogue: Catalogue, reader: FrameReader, queries: QueryEngine) -> None:
        self._catalogue = catalogue
        self._reader = reader
        self._queries = queries

    def find(self, key: IntermediateKey, names: Sequence[str] | None = None) -> RowSource:
        """Return the rows of an intermediate.

        Parameters
        ----------
        key
            Of the intermediate; its column is not looked at.
        names
            The columns that will be asked for, ``None`` for all.

        Raises
        ------
        NotFoundError
            If there is no such intermediate or column.
        NotMaterializedError
            If it is not stored, and can be made only as a whole and takes more memory than a window, or not at all.
        """
        with self._catalogue.read() as connection:
            record = find_intermediate(connection, key)
            columns = {column.name: column for column in columns_of(connection, record.ref.id)}
            wanted = [name for name in (columns if names is None else names) if name != ROW_ID]
            for name in wanted:
                if name not in columns:
                    raise NotFoundError(
                        f"intermediate {record.ref.key} has no column {name!r}; {did_you_mean(name, columns)}"
                    )
            if not any(columns[name].version.id == UNSTORED for name in wanted):
                stored = [column for column in columns.values() if column.version.id != UNSTORED]
                return StoredRows(self._reader, self._catalogue.read, record, stored)
            return self._made_again(connection, record, list(columns.values()))

    def _made_again(
        self, connection: sa.Connection, record: IntermediateRecord, columns: list[ColumnRecord]
    ) -> RowSource:
        ref = record.ref
        label = f"{ref.project}.{ref.model}@{ref.version}.{ref.intermediate}"
        block_rows = self._reader.versions.get(connection, record.row_id_version).block_rows
        try:
            plan = self._queries.plan_rows(connection, record, min(block_rows, ref.rows))
        except RerunError as error:
            raise NotMaterializedError(f"{label} is not stored, and {error}") from error
        if _by_windows(plan):
            units = self._queries.units
            return RerunRows(self._reader, self._catalogue.read, record, columns, plan, units)
        if record.logical_bytes <= WINDOW_BYTES:
            key = IntermediateKey(ref.project, ref.model, ref.intermediate, ALL_COLUMNS, ref.version)
            answer = self._queries.answer([key], Selection.of(None, None, None), "auto")
            maps = {} if answer.maps is None else {name: answer.maps[..., at] for at, name in enumerate(answer.names)}
            return HeldRows(record, columns, RowsOf(answer.frame, maps))
        raise NotMaterializedError(
            f"{label} is not stored, and a stage on the way to it ({', '.join(plan.stage_labels)}) needs all rows at "
            "once; get it whole with get_intermediates(), or run its model again with the policy 'dedup' to store it"
        )


def _by_windows(plan: TargetPlan) -> bool:
    """Whether a re-run makes the wanted rows from the same rows alone, at every step."""
    return (
        plan.by_rows and set(plan.frontier) == set(plan.rows_of) and all(step.output is not None for step in plan.steps)
    )
