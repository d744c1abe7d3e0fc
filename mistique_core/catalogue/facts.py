"""The planner's facts about a target and all its ancestors, gathered from the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from mistique_core.catalogue.intermediates import (
    UNSTORED,
    ColumnRecord,
    IntermediateRecord,
    columns_of,
    intermediate_by_id,
)
from mistique_core.catalogue.tables import chunk, column_chunk, column_version, stage, stage_input
from mistique_core.cost import ReadRate, StageCost
from mistique_core.model import Need
from mistique_core.planner import Facts, IntermediateFact, StageFact
from mistique_core.quantizers.margins import MARGIN_PARTS

_BATCH = 500


@dataclass(frozen=True)
class TargetFacts:
    """All that plans about one intermediate depend on, whichever of its columns are asked for.

    Nothing in it changes while the intermediate's row exists: a stage's facts are recorded in the
    transaction that makes its outputs visible, and column versions never change.

    Attributes
    ----------
    record
        The intermediate.
    columns
        Its columns by name, in order.
    sizes
        Column version id -> (stored bytes, chunks, id of the categories' version) of its columns,
        their categories and its row ids.
    ancestors
        Facts of all its ancestors.
    stages
        Facts of the stages that made it and them.
    origin
        Lossy copies that it was computed from, as name -> scheme.
    """

    record: IntermediateRecord
    columns: Mapping[str, ColumnRecord]
    sizes: Mapping[int, tuple[int, int, int | None]]
    ancestors: Mapping[int, IntermediateFact]
    stages: Mapping[int, StageFact]
    origin: Mapping[str, str] = field(default_factory=dict)

    def facts(self, names: Sequence[str], rate: ReadRate) -> Facts:
        """Return what :func:`mistique_core.planner.plan_target` needs.

        Parameters
        ----------
        names
            The columns that a READ would fetch, besides the row ids.
        rate
            This host's measured read rate.
        """
        versions = [self.columns[name].version.id for name in names] + [self.record.row_id_version.id]
        target = _intermediate_fact(self.record, self.sizes, versions)
        return Facts({**self.ancestors, target.id: target}, self.stages, rate)


def gather_facts(connection: sa.Connection, target: IntermediateRecord) -> TargetFacts:
    """Return everything that planning about an intermediate needs to know."""
    columns = columns_of(connection, target.ref.id)
    versions = [*(column.version.id for column in columns), target.row_id_version.id]
    ancestors: dict[int, IntermediateFact] = {}
    stages: dict[int, StageFact] = {}
    waiting = [target]
    while waiting:
        record = waiting.pop()
        if record.stage_id is None or record.stage_id in stages:
            continue
        inputs = _inputs(connection, record.stage_id)
        stages[record.stage_id] = _stage_fact(connection, record.stage_id, inputs, record.ref.rows)
        for item in dict.fromkeys(inputs.values()):
            if item not in ancestors:
                parent = intermediate_by_id(connection, item)
                own = [*(column.version.id for column in columns_of(connection, item)), parent.row_id_version.id]
                made = _intermediate_fact(parent, _version_sizes(connection, own), own)
                if made.exact and parent.stage_id is not None and _origin(connection, parent.stage_id):
                    made = replace(made, exact=False)
                ancestors[item] = made
                waiting.append(parent)
    by_name = {column.name: column for column in columns}
    origin = {} if target.stage_id is None else _origin(connection, target.stage_id)
    return TargetFacts(target, by_name, _version_sizes(connection, versions), ancestors, stages, origin)


def _origin(connection: sa.Connection, stage_id: int) -> dict[str, str]:
    params = connection.execute(sa.select(stage.c.params).where(stage.c.id == stage_id)).scalar_one()
    return dict(params.get("origin") or {}) if isinstance(params, Mapping) else {}


_INPUTS = (
    sa.select(stage_input.c.name, stage_input.c.intermediate_id)
    .where(stage_input.c.stage_id == sa.bindparam("wanted"), stage_input.c.intermediate_id.is_not(None))
    .order_by(stage_input.c.name)
)
_STAGE = sa.select(stage).where(stage.c.id == sa.bindparam("wanted"))
_LOST_INPUT = (
    sa.select(stage_input.c.name)
    .where(
        stage_input.c.stage_id == sa.bindparam("wanted"),
        stage_input.c.intermediate_id.is_(None),
        stage_input.c.fitted_id.is_(None),
    )
    .limit(1)
)


def _inputs(connection: sa.Connection, stage_id: int) -> dict[str, int]:
    """Return input name -> intermediate, in order of name."""
    return {str(row.name): int(row.intermediate_id) for row in connection.execute(_INPUTS, {"wanted": stage_id})}


def _stage_fact(connection: sa.Connection, stage_id: int, inputs: Mapping[str, int], rows: int) -> StageFact:
    row = connection.execute(_STAGE, {"wanted": stage_id}).one()
    obstacle = None
    if not row.deterministic:
        obstacle = f"stage {row.name!r} is not declared deterministic, or draws random numbers without a seed"
    elif row.code_hash is None:
        obstacle = f"the code of stage {row.name!r} could not be read when it ran"
    elif _has_lost_inputs(connection, stage_id):
        obstacle = f"an input of stage {row.name!r} was deleted"
    cost = StageCost(row.transformer_seconds or 0.0, row.exec_seconds or 0.0, rows, row.call_seconds)
    needs = {output: _by_intermediate(of, inputs) for output, of in (row.needs or {}).items()}
    return StageFact(stage_id, row.name, cost, tuple(dict.fromkeys(inputs.values())), obstacle, needs)


def _by_intermediate(needs: Mapping[str, str], inputs: Mapping[str, int]) -> dict[int, Need]:
    """Return what is needed of each intermediate; one that is given twice, the most of both."""
    found: dict[int, Need] = {}
    for name, item in inputs.items():
        need = Need(needs.get(name, Need.WHOLE.value))
        found[item] = max(need, found.get(item, Need.NOTHING), key=_LEAST_FIRST.index)
    return found


_LEAST_FIRST = (Need.NOTHING, Need.ROWS, Need.EXACT, Need.WHOLE)


def _has_lost_inputs(connection: sa.Connection, stage_id: int) -> bool:
    return connection.scalar(_LOST_INPUT, {"wanted": stage_id}) is not None


def _intermediate_fact(
    record: IntermediateRecord, sizes: Mapping[int, tuple[int, int, int | None]], versions: Sequence[int]
) -> IntermediateFact:
    is_stored = UNSTORED not in versions
    wanted = set(versions) - {UNSTORED}
    wanted.update(parent for version in tuple(wanted) if (parent := sizes[version][2]) is not None)
    stored = sum(sizes[version][0] for version in wanted)
    chunks = sum(sizes[version][1] for version in wanted)
    ref = record.ref
    label = f"{ref.project}.{ref.model}@{ref.version}.{ref.intermediate}"
    blocks = sizes[record.row_id_version.id][1]
    return IntermediateFact(
        ref.id, label, record.stage_id, is_stored, stored, chunks, record.output, ref.rows, blocks, record.exact
    )


_SIZES = (
    sa.select(
        column_version.c.id,
        column_version.c.categories_id,
        sa.func.coalesce(sa.func.sum(chunk.c.stored_bytes), 0),
        sa.func.count(chunk.c.id),
    )
    .select_from(column_version.outerjoin(column_chunk).outerjoin(chunk, chunk.c.id == column_chunk.c.chunk_id))
    .where(
        column_version.c.id.in_(sa.bindparam("versions", expanding=True)),
        sa.or_(column_chunk.c.part.is_(None), column_chunk.c.part.not_in(sorted(MARGIN_PARTS))),
    )
    .group_by(column_version.c.id, column_version.c.categories_id)
)


def _version_sizes(connection: sa.Connection, versions: Sequence[int]) -> dict[int, tuple[int, int, int | None]]:
    """Return id -> (stored bytes, chunks, categories' version id) of column versions and their categories."""
    sizes: dict[int, tuple[int, int, int | None]] = {}
    missing = sorted(set(versions) - {UNSTORED})
    while missing:
        batch, missing = missing[:_BATCH], missing[_BATCH:]
        for version, parent, stored, chunks in connection.execute(_SIZES, {"versions": batch}):
            sizes[int(version)] = (int(stored), int(chunks), parent)
            if parent is not None and parent not in sizes and parent not in missing:
                missing.append(parent)
    return sizes
