"""The frame that a stage is given: read column by column, or re-run where it is not kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.facts import gather_facts
from mistique_core.catalogue.intermediates import UNSTORED, ColumnRecord, IntermediateRecord, columns_of
from mistique_core.cost import NO_RATES
from mistique_core.engine.frame_reader import FrameReader, is_units
from mistique_core.engine.recent_columns import RecentColumns
from mistique_core.engine.rerun import rerun
from mistique_core.engine.stored_frame import StoredFrame
from mistique_core.frames import LazyFrame
from mistique_core.planner import plan_target


def lazy_frame(
    connection: sa.Connection,
    record: IntermediateRecord,
    reader: FrameReader,
    connect: Callable[[], AbstractContextManager[sa.Connection]],
    block_rows: int,
    recent: RecentColumns,
) -> pd.DataFrame:
    """Return an intermediate as a frame whose columns are read when they are touched; re-run where it is not kept.

    Parameters
    ----------
    connection
        For looking up the columns.
    record
        The intermediate.
    reader, connect
        How and over which connections its columns are read later.
    block_rows
        Rows of a row block of the store: columns stored in others are not passed on unread.
    recent
        Columns that are in memory.
    """
    columns = columns_of(connection, record.ref.id)
    if any(column.version.id == UNSTORED for column in columns):
        return obtain(connection, record, reader)
    reader.versions.find(connection, [*(column.version for column in columns), record.row_id_version])
    if any(map(is_units, columns)):
        return reader.frame(connection, record)
    handles: Mapping[str, ColumnRecord] = {column.name: column for column in columns}
    return LazyFrame.over(StoredFrame(record, reader, connect, block_rows, recent), handles)


def obtain(connection: sa.Connection, record: IntermediateRecord, reader: FrameReader) -> pd.DataFrame:
    """Return all columns of an intermediate, index ``row_id``: read, or re-run where one is not stored.

    Raises
    ------
    NotMaterializedError
        If it is not kept and cannot be re-run.
    RerunError
        If the re-run fails or gives other values.
    """
    if all(column.version.id != UNSTORED for column in columns_of(connection, record.ref.id)):
        return reader.frame(connection, record)
    facts = gather_facts(connection, record)
    plan = plan_target(record.ref.id, facts.facts(list(facts.columns), NO_RATES), "rerun")
    return rerun(connection, plan, record, reader).frame
