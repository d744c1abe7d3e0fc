"""The planner's facts about a target and all its ancestors, gathered from the catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property

import sqlalchemy as sa

from mistique_core.catalogue.intermediates import (
    UNSTORED,
    ColumnRecord,
    IntermediateRecord,
    columns_of,
    intermediate_by_id,
)
from mistique_core.catalogue.modeldb_tables import stage_input
from mistique_core.catalogue.stored_size import VersionSize, stored_parts, version_sizes
from mistique_core.catalogue.tables import stage
from mistique_core.cost import HostRates, StageCost
from mistique_core.model import Need
from mistique_core.planner import Facts, IntermediateFact, StageFact


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
        Column version id -> sizes of its columns, their categories and its row ids.
    ancestors
        Facts of all its ancestors.
    stages
        Facts of the stages that made it and them.
    origin
        Lossy copies that it was computed from, as name -> scheme.
    """

    record: IntermediateRecord
    columns: Mapping[str, ColumnRecord]
    sizes: Mapping[int, VersionSize]
    ancestors: Mapping[int, IntermediateFact]
    stages: Mapping[int, StageFact]
    origin: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of its columns, in order."""
        return tuple(self.columns)

    def facts(
        self, names: Sequence[str], rate: HostRates, loaded: Set[int] = frozenset(), *, knows_row_ids: bool = False
    ) -> Facts:
        """Return what :func:`mistique_core.planner.plan_target` needs.

        Parameters
        ----------
        names
            The columns that a READ would fetch, besides the row ids.
        rate
            What this host has measured.
        loaded
            Stages that this process has loaded already.
        knows_row_ids
            Whether this process has the row ids in memory.
        """
        units = Counter(self.columns[name].version.id for name in names)
        target = _intermediate_fact(self.record, self.sizes, units, knows_row_ids=knows_row_ids)
        return Facts({**self.ancestors, target.id: target}, self.stages, rate, loaded)


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
        stages[record.stage_id] = _stage_fact(connection, record.stage_id, inputs, record)
        for item in dict.fromkeys(inputs.values()):
            if item not in ancestors:
                parent = intermediate_by_id(connection, item)
                units = Counter(column.version.id for column in columns_of(connection, item))
                sizes = version_sizes(connection, [*units, parent.row_id_version.id])
                made = _intermediate_fact(parent, sizes, units)
                if made.exact and parent.stage_id is not None and _origin(connection, parent.stage_id):
                    made = replace(made, exact=False)
                ancestors[item] = made
                waiting.append(parent)
    by_name = {column.name: column for column in columns}
    origin = {} if target.stage_id is None else _origin(connection, target.stage_id)
    return TargetFacts(target, by_name, version_sizes(connection, versions), ancestors, stages, origin)


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


def _stage_fact(
    connection: sa.Connection, stage_id: int, inputs: Mapping[str, int], made: IntermediateRecord
) -> StageFact:
    row = connection.execute(_STAGE, {"wanted": stage_id}).one()
    obstacle = None
    if not row.deterministic:
        obstacle = f"stage {row.name!r} is not declared deterministic, or draws random numbers without a seed"
    elif row.code_hash is None:
        obstacle = f"the code of stage {row.name!r} could not be read when it ran"
    elif _has_lost_inputs(connection, stage_id):
        obstacle = f"an input of stage {row.name!r} was deleted"
    needs = {output: _by_intermediate(of, inputs) for output, of in (row.needs or {}).items()}
    rows = made.ref.rows
    cost = StageCost(
        row.transformer_seconds or 0.0,
        row.exec_seconds or 0.0,
        rows,
        row.call_seconds,
        row.fingerprint or f"{stage_id}@{row.started_at}",
        "layer" if any(Need.EXACT in of.values() for of in needs.values()) else "frame",
        made.logical_bytes // max(rows, 1),
    )
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
    record: IntermediateRecord,
    sizes: Mapping[int, VersionSize],
    units: Mapping[int, int],
    *,
    knows_row_ids: bool = False,
) -> IntermediateFact:
    """Return an intermediate as the planner sees it; `units` are the versions to read and how many columns of each."""
    wanted = {**units, record.row_id_version.id: 1}
    is_stored = UNSTORED not in wanted
    wanted.pop(UNSTORED, None)
    for version in tuple(wanted):
        categories = sizes[version].categories
        if categories is not None:
            wanted.setdefault(categories, 1)
    read = wanted.keys() - ({record.row_id_version.id} - units.keys() if knows_row_ids else set())
    ref = record.ref
    return IntermediateFact(
        ref.id,
        f"{ref.project}.{ref.model}@{ref.version}.{ref.intermediate}",
        record.stage_id,
        is_stored,
        sum(sizes[version].stored_bytes for version in wanted),
        sum(sizes[version].chunks for version in wanted),
        record.output,
        ref.rows,
        sizes[record.row_id_version.id].chunks,
        record.exact,
        stored_parts(sizes, {version: count for version, count in wanted.items() if version in read}),
        record.logical_bytes,
    )
