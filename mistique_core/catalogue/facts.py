"""The planner's facts about a target and all its ancestors, gathered from the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from mistique_core.catalogue.intermediates import IntermediateRecord, columns_of, intermediate_by_id
from mistique_core.catalogue.tables import chunk, column_chunk, column_version, stage, stage_input
from mistique_core.cost import ReadRate, StageCost
from mistique_core.planner import Facts, IntermediateFact, StageFact


def gather_facts(
    connection: sa.Connection, target: IntermediateRecord, column_versions: Sequence[int], rate: ReadRate
) -> Facts:
    """Return what :func:`mistique_core.planner.plan_target` needs.

    Parameters
    ----------
    connection
        A connection.
    target
        The intermediate that is asked for.
    column_versions
        Ids of the column versions that a READ would fetch.
    rate
        This host's measured read rate.
    """
    intermediates = {target.ref.id: _intermediate_fact(connection, target, column_versions)}
    stages: dict[int, StageFact] = {}
    waiting = [target]
    while waiting:
        record = waiting.pop()
        if record.stage_id is None or record.stage_id in stages:
            continue
        inputs = _inputs(connection, record.stage_id)
        stages[record.stage_id] = _stage_fact(connection, record.stage_id, tuple(inputs), record.ref.rows)
        for item in inputs:
            if item not in intermediates:
                parent = intermediate_by_id(connection, item)
                versions = [column.version_id for column in columns_of(connection, item)]
                intermediates[item] = _intermediate_fact(connection, parent, [*versions, parent.row_id_version])
                waiting.append(parent)
    return Facts(intermediates, stages, rate)


def _inputs(connection: sa.Connection, stage_id: int) -> list[int]:
    query = sa.select(stage_input.c.intermediate_id).where(
        stage_input.c.stage_id == stage_id, stage_input.c.intermediate_id.is_not(None)
    )
    return list(dict.fromkeys(int(item) for item in connection.scalars(query.order_by(stage_input.c.name))))


def _stage_fact(connection: sa.Connection, stage_id: int, inputs: tuple[int, ...], rows: int) -> StageFact:
    row = connection.execute(sa.select(stage).where(stage.c.id == stage_id)).one()
    obstacle = None
    if not row.deterministic:
        obstacle = f"stage {row.name!r} draws random numbers without a seed"
    elif row.code_hash is None:
        obstacle = f"the code of stage {row.name!r} could not be read when it ran"
    cost = StageCost(row.transformer_seconds or 0.0, row.exec_seconds or 0.0, rows)
    return StageFact(stage_id, row.name, cost, inputs, obstacle)


def _intermediate_fact(
    connection: sa.Connection, record: IntermediateRecord, versions: Sequence[int]
) -> IntermediateFact:
    stored, chunks = stored_size(connection, versions)
    ref = record.ref
    label = f"{ref.project}.{ref.model}@{ref.version}.{ref.intermediate}"
    return IntermediateFact(ref.id, label, record.stage_id, True, stored, chunks)


def stored_size(connection: sa.Connection, versions: Sequence[int]) -> tuple[int, int]:
    """Return (stored bytes, chunks) of column versions, their categories included."""
    wanted = set(versions)
    wanted.update(
        connection.scalars(
            sa.select(column_version.c.categories_id).where(
                column_version.c.id.in_(wanted), column_version.c.categories_id.is_not(None)
            )
        )
    )
    row = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(chunk.c.stored_bytes), 0), sa.func.count())
        .select_from(column_chunk.join(chunk, chunk.c.id == column_chunk.c.chunk_id))
        .where(column_chunk.c.column_version_id.in_(wanted))
    ).one()
    return int(row[0]), int(row[1])
