"""Letting go of intermediates that can be re-run, as a policy says (thesis 5.5.2).

Before an intermediate is let go, it is re-run from what is stored and compared with what is recorded: all of it, and
a sample of its rows by themselves where the stages on the way make rows from rows. What does not come out the same
stays.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.facts import TargetFacts, gather_facts
from mistique_core.catalogue.intermediates import IntermediateRecord, intermediate_by_id, let_go
from mistique_core.catalogue.open_writes import hold_exclusively
from mistique_core.catalogue.tables import intermediate, intermediate_use, stage_input
from mistique_core.cost import HostRates
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.rerun import rerun, rerun_rows
from mistique_core.errors import MistiqueError
from mistique_core.maintenance.progress import Progress, no_progress
from mistique_core.maintenance.references import References, load_intermediates, load_references
from mistique_core.materialization import Adaptive, Candidate, KeepAll, Policy, choose_kept
from mistique_core.planner import Facts, TargetPlan, plan_target

log = logging.getLogger(__name__)

_SAMPLE_ROWS = 64


@dataclass(frozen=True)
class MaterializeReport:
    """What a policy did with one model version.

    Attributes
    ----------
    kept
        Names of the intermediates that stay.
    let_go
        Names of those that are re-run from now on.
    unequal
        Names of those that stay because their re-run did not give what is stored.
    freed_bytes
        Encoded bytes that ``gc`` can free now: those that nothing else holds.
    dry_run
        Whether nothing was changed.
    """

    kept: tuple[str, ...]
    let_go: tuple[str, ...]
    unequal: tuple[str, ...]
    freed_bytes: int
    dry_run: bool


def materialize(
    catalogue: Catalogue,
    reader: FrameReader,
    model_version_id: int,
    policy: Policy,
    rate: HostRates,
    *,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> MaterializeReport:
    """Apply a policy to the intermediates of a model version.

    Source data, what was logged by hand, and what a stage made that draws random numbers or whose code is not
    known always stay.

    Parameters
    ----------
    catalogue, reader
        The store.
    model_version_id
        The model version.
    policy
        What decides.
    rate
        What this host has measured.
    dry_run
        Change nothing; nothing is re-run either, so that `unequal` is empty.
    progress
        Told the number of intermediates compared so far, and of those to compare.
    """
    with catalogue.read() as connection:
        records = _records(connection, model_version_id)
        facts = {record.ref.id: gather_facts(connection, record) for record in records}
        held = _HeldBytes(connection)
        open_to_choice = (
            []
            if isinstance(policy, KeepAll)
            else [
                record
                for record in records
                if record.is_kept and _can_go(connection, record, facts[record.ref.id], rate)
            ]
        )
        queries = _queries(connection)
        kept = _choose(open_to_choice, facts, held, queries, policy, rate)
        leaving = [record for record in open_to_choice if record.ref.id not in kept]
        unequal: list[IntermediateRecord] = []
        if not dry_run:
            for number, record in enumerate(leaving):
                progress(number, len(leaving))
                if not _comes_out_equal(connection, record, facts[record.ref.id], reader, rate):
                    unequal.append(record)
            progress(len(leaving), len(leaving))
    going = [record for record in leaving if record not in unequal]
    if going and not dry_run:
        gamma_min = policy.gamma_min if isinstance(policy, Adaptive) else None
        with catalogue.write() as connection:
            hold_exclusively(connection)
            going = _still_possible(connection, going, rate)
            for record in going:
                let_go(connection, record.ref.id, gamma_min)
    gone = {record.ref.id for record in going}
    names = [record.ref.intermediate for record in records if record.is_kept and record.ref.id not in gone]
    return MaterializeReport(
        tuple(names),
        tuple(record.ref.intermediate for record in going),
        tuple(record.ref.intermediate for record in unequal),
        held.only(gone),
        dry_run,
    )


def _records(connection: sa.Connection, model_version_id: int) -> list[IntermediateRecord]:
    query = sa.select(intermediate.c.id).where(intermediate.c.model_version_id == model_version_id)
    return [intermediate_by_id(connection, item) for item in connection.scalars(query.order_by(intermediate.c.id))]


def _can_go(connection: sa.Connection, record: IntermediateRecord, facts: TargetFacts, rate: HostRates) -> bool:
    if record.stage_id is None:
        return False
    given = connection.scalar(sa.select(stage_input.c.name).where(stage_input.c.stage_id == record.stage_id).limit(1))
    if given is None:
        return False
    try:
        _plan(facts, record.ref.id, frozenset(), rate)
    except MistiqueError as error:
        log.debug("%s stays: %s", record.ref.intermediate, error)
        return False
    return True


def _still_possible(
    connection: sa.Connection, records: Sequence[IntermediateRecord], rate: HostRates
) -> list[IntermediateRecord]:
    """Return those that can be re-run although the others go too, now that nobody can delete anything."""
    left = list(records)
    while True:
        gone = {record.ref.id for record in left}
        stuck = [record for record in left if not _has_a_way(connection, record, gone, rate)]
        if not stuck:
            return left
        left = [record for record in left if record not in stuck]


def _has_a_way(connection: sa.Connection, record: IntermediateRecord, gone: Set[int], rate: HostRates) -> bool:
    try:
        now = intermediate_by_id(connection, record.ref.id)
        _plan(gather_facts(connection, now), record.ref.id, gone, rate)
    except MistiqueError as error:
        log.warning("%s stays stored: %s", record.ref.intermediate, error)
        return False
    return now.created_at == record.created_at


def _plan(facts: TargetFacts, target: int, gone: Set[int], rate: HostRates, rows: int | None = None) -> TargetPlan:
    """Return the plan of re-running an intermediate when some are not kept."""
    known = facts.facts(list(facts.columns), rate)
    left = {
        item: replace(fact, materialized=fact.materialized and item not in gone)
        for item, fact in known.intermediates.items()
    }
    return plan_target(target, Facts(left, known.stages, known.rate), "rerun", rows)


def _choose(
    records: Sequence[IntermediateRecord],
    facts: Mapping[int, TargetFacts],
    held: _HeldBytes,
    queries: Mapping[int, int],
    policy: Policy,
    rate: HostRates,
) -> set[int]:
    ids = {record.ref.id for record in records}
    candidates = []
    for record in records:
        known = facts[record.ref.id]
        plan = _plan(known, record.ref.id, frozenset(), rate)
        size = held.shared(record.ref.id)
        candidates.append(Candidate(record.ref.id, plan.read_seconds or 0.0, size, queries.get(record.ref.id, 0)))

    def seconds(item: int, kept: Set[int]) -> float:
        try:
            return _plan(facts[item], item, ids - kept, rate).rerun_seconds or 0.0
        except MistiqueError:
            return float("inf")

    return choose_kept(candidates, policy, seconds)


def _queries(connection: sa.Connection) -> dict[int, int]:
    rows = connection.execute(sa.select(intermediate_use.c.intermediate_id, intermediate_use.c.n_query))
    return {int(row.intermediate_id): int(row.n_query) for row in rows}


def _comes_out_equal(
    connection: sa.Connection, record: IntermediateRecord, facts: TargetFacts, reader: FrameReader, rate: HostRates
) -> bool:
    """Return whether re-running gives what is stored."""
    try:
        ids = reader.row_index(connection, record).ids
        sample = ids[:: max(1, -(-len(ids) // _SAMPLE_ROWS))]
        rerun(connection, _plan(facts, record.ref.id, frozenset(), rate), record, reader)
        plan = _plan(facts, record.ref.id, frozenset(), rate, len(sample))
        if not plan.by_rows:
            return True
        made = rerun_rows(connection, plan, record, reader, sample)
        pd.testing.assert_frame_equal(made, reader.rows(connection, record, sample), check_exact=True)
    except AssertionError as error:
        log.warning("%s stays stored, because its re-run gives other values: %s", record.ref.intermediate, error)
        return False
    except MistiqueError as error:
        log.warning("%s stays stored, because it cannot be re-run: %s", record.ref.intermediate, error)
        return False
    return True


class _HeldBytes:
    """Encoded bytes that intermediates hold, alone or together."""

    def __init__(self, connection: sa.Connection) -> None:
        self._versions = {item.id: item.versions for item in load_intermediates(connection)}
        self._references: References = load_references(connection)
        users = np.concatenate([np.empty(0, np.int64), *(np.unique(item) for item in self._versions.values())])
        self._users = dict(zip(*(part.tolist() for part in np.unique(users, return_counts=True)), strict=True))
        sizes = dict(zip(self._references.chunks.tolist(), self._references.chunk_bytes.tolist(), strict=True))
        self._bytes: dict[int, int] = {}
        links = zip(self._references.link_versions.tolist(), self._references.link_chunks.tolist(), strict=True)
        for version, chunk in links:
            self._bytes[version] = self._bytes.get(version, 0) + sizes.get(chunk, 0)

    def shared(self, item: int) -> int:
        """Return the bytes of an intermediate's columns, each divided by the intermediates that hold it."""
        versions = np.unique(self._versions[item][:-1]).tolist()
        return int(sum(self._bytes.get(version, 0) / self._users[version] for version in versions) + 0.5)

    def only(self, items: Set[int]) -> int:
        """Return the bytes of columns that no other intermediate holds."""
        others = {
            version
            for item, versions in self._versions.items()
            for version in (versions[-1:] if item in items else versions).tolist()
        }
        own: set[int] = {int(version) for item in items for version in self._versions[item]}
        return sum(self._bytes.get(version, 0) for version in own - others)
