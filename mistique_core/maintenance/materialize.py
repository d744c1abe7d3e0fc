"""Letting go of intermediates that can be re-run, as a policy says (thesis 5.4.3, 5.5.2).

Before an intermediate is let go, it is re-run from what is stored and compared with what is recorded
(:mod:`mistique_core.maintenance.rerun_check`). What does not come out the same stays, and counts in no budget.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

import sqlalchemy as sa

from mistique_core.catalogue.column_use import uses_of
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.facts import gather_facts
from mistique_core.catalogue.holdings import (
    hold_budget,
    kept_columns,
    load_holdings,
    save_store_budget,
    save_version_budget,
    store_budget,
)
from mistique_core.catalogue.intermediates import IntermediateRecord, intermediate_by_id
from mistique_core.catalogue.letting_go import note_rerun, set_threshold
from mistique_core.catalogue.open_writes import hold_exclusively
from mistique_core.catalogue.tables import intermediate
from mistique_core.cost import HostRates
from mistique_core.engine.budget import release
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.weigh import plan_without
from mistique_core.errors import CatalogueError, MistiqueError
from mistique_core.maintenance.held_bytes import HeldBytes
from mistique_core.maintenance.kept_choice import Choosable, can_go, choose
from mistique_core.maintenance.progress import Progress, no_progress
from mistique_core.maintenance.rerun_check import RerunCheck
from mistique_core.materialization import Adaptive, Budget, KeepAll, Policy

log = logging.getLogger(__name__)

_MOST_TRIES = 5


class _OvertakenError(CatalogueError):
    """Others have kept more, or deleted something, since the policy was asked."""


@dataclass(frozen=True)
class MaterializeReport:
    """What a policy did.

    Attributes
    ----------
    kept
        Names of the intermediates that stay, as a whole.
    let_go
        Names of those that are re-run from now on, if only for some of their columns.
    unequal
        Names of those that stay because their re-run did not give what is stored.
    freed_bytes
        Encoded bytes that ``gc`` can free now: those that nothing else holds.
    dry_run
        Whether nothing was changed.
    partly
        Those of `let_go` of which some columns stay, each with their number.
    """

    kept: tuple[str, ...]
    let_go: tuple[str, ...]
    unequal: tuple[str, ...]
    freed_bytes: int
    dry_run: bool
    partly: Mapping[str, int] = field(default_factory=dict)


def materialize(
    catalogue: Catalogue,
    reader: FrameReader,
    model_versions: Sequence[int],
    policy: Policy,
    rate: HostRates,
    *,
    whole_store: bool = False,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> MaterializeReport:
    """Apply a policy to the intermediates of model versions.

    Source data, what was logged by hand, and what a stage made that draws random numbers or whose code is not
    known always stay.

    Parameters
    ----------
    catalogue, reader
        The store.
    model_versions
        The model versions, which share a budget.
    policy
        What decides; recorded, so that later queries keep to it, also where something had been let go before.
    rate
        This host's read rate.
    whole_store
        Whether `model_versions` are all of the store's, so that a budget is the store's; names are then those of keys.
    dry_run
        Change nothing; nothing is re-run either, so that `unequal` is empty.
    progress
        Told the number of intermediates compared so far, and of those to compare.
    """
    application = _Application(catalogue, reader, model_versions, policy, rate, whole_store)
    for _ in range(_MOST_TRIES):
        try:
            return application.apply(dry_run, progress)
        except _OvertakenError as error:
            log.info("applying a policy again: %s", error)
    raise CatalogueError(f"a policy was overtaken by others {_MOST_TRIES} times; repeat it when fewer queries are made")


@dataclass(frozen=True)
class _Decision:
    """What is to be done."""

    records: Sequence[IntermediateRecord]
    open: Sequence[Choosable]
    leaving: Mapping[int, frozenset[int]]
    """Intermediate -> positions of the columns that go."""
    equal: Mapping[int, bool]
    """What was compared."""


class _Application:
    """One call of :func:`materialize`."""

    def __init__(
        self,
        catalogue: Catalogue,
        reader: FrameReader,
        model_versions: Sequence[int],
        policy: Policy,
        rate: HostRates,
        whole_store: bool,
    ) -> None:
        self._catalogue = catalogue
        self._reader = reader
        self._versions = model_versions
        self._policy = policy
        self._rate = rate
        self._whole_store = whole_store
        self._compared: dict[int, bool] = {}

    def apply(self, dry_run: bool, progress: Progress) -> MaterializeReport:
        """Decide and, unless it is a dry run, do it."""
        with self._catalogue.read() as connection:
            held = HeldBytes(connection)
            decision = self._decide(connection, held, dry_run, progress)
        leaving = {item: columns for item, columns in decision.leaving.items() if decision.equal.get(item, dry_run)}
        if not dry_run:
            with self._catalogue.write() as connection:
                hold_exclusively(connection)
                hold_budget(connection)
                leaving = self._carry_out(connection, decision, leaving, held)
        return self._report(decision, leaving, held, dry_run)

    def _decide(self, connection: sa.Connection, held: HeldBytes, dry_run: bool, progress: Progress) -> _Decision:
        query = sa.select(intermediate.c.id).where(intermediate.c.model_version_id.in_(self._versions))
        records = [
            intermediate_by_id(connection, item) for item in connection.scalars(query.order_by(intermediate.c.id))
        ]
        if isinstance(self._policy, KeepAll):
            return _Decision(records, (), {}, {})
        uses = uses_of(connection, [record.ref.id for record in records])
        open_to_choice = []
        for record in records:
            columns = kept_columns(connection, record.ref.id)
            if columns and self._compared.get(record.ref.id, True):
                facts = gather_facts(connection, record)
                if can_go(connection, facts, self._rate):
                    open_to_choice.append(Choosable(record, facts, columns, uses.get(record.ref.id)))
        kept = choose(connection, open_to_choice, self._policy_within(connection), held, self._rate)
        leaving = {
            item.record.ref.id: frozenset(item.columns) - kept.get(item.record.ref.id, frozenset())
            for item in open_to_choice
        }
        leaving = {item: columns for item, columns in leaving.items() if columns}
        equal = {} if dry_run else self._compare(connection, open_to_choice, leaving, progress)
        return _Decision(records, open_to_choice, leaving, equal)

    def _policy_within(self, connection: sa.Connection) -> Policy:
        """Return the policy, its budget within what others leave of the store's."""
        if not isinstance(self._policy, Budget):
            return self._policy
        most = self._policy.limit_bytes if self._whole_store else store_budget(connection)
        if most is None:
            return self._policy
        everything = load_holdings(connection, None)
        query = sa.select(intermediate.c.id).where(intermediate.c.model_version_id.in_(self._versions))
        own = set(connection.scalars(query))
        others = everything.total([column for column in everything.columns if column[0] in own])
        return Budget(max(0, min(self._policy.limit_bytes, most - others)))

    def _compare(
        self,
        connection: sa.Connection,
        open_to_choice: Sequence[Choosable],
        leaving: Mapping[int, frozenset[int]],
        progress: Progress,
    ) -> dict[int, bool]:
        """Re-run what goes; under a budget also what stays, so that it can make room later."""
        check = RerunCheck(self._reader, self._rate)
        wanted = [
            item
            for item in open_to_choice
            if item.record.ref.id in leaving or (isinstance(self._policy, Budget) and not item.record.rerun_equal)
        ]
        for number, item in enumerate(wanted):
            progress(number, len(wanted))
            if item.record.ref.id not in self._compared:
                self._compared[item.record.ref.id] = check.is_equal(connection, item.record, item.facts)
        progress(len(wanted), len(wanted))
        return dict(self._compared)

    def _carry_out(
        self,
        connection: sa.Connection,
        decision: _Decision,
        leaving: Mapping[int, frozenset[int]],
        held: HeldBytes,
    ) -> dict[int, frozenset[int]]:
        """Let go in one transaction; return what has gone."""
        by_id = {item.record.ref.id: item for item in decision.open}
        possible = self._still_possible(connection, [by_id[item].record for item in leaving])
        for item, equal in decision.equal.items():
            note_rerun(connection, item, equal and (item not in leaving or item in possible))
        for record in decision.records:
            if record.rerun_equal and record.ref.id not in by_id and not isinstance(self._policy, KeepAll):
                note_rerun(connection, record.ref.id, None)  # it can no longer be re-run
        gamma_min = self._policy.gamma_min if isinstance(self._policy, Adaptive) else None
        done = {item: columns for item, columns in leaving.items() if item in possible}
        for item, columns in done.items():
            self._check_unchanged(connection, by_id[item])
            release(connection, self._reader, item, columns, held.users, gamma_min)
        if not isinstance(self._policy, KeepAll):
            for record in decision.records:
                set_threshold(connection, record, gamma_min)
        self._record_policy(connection)
        return self._within_budgets(connection, by_id, done, held, gamma_min)

    def _check_unchanged(self, connection: sa.Connection, item: Choosable) -> None:
        if kept_columns(connection, item.record.ref.id) != item.columns:
            raise _OvertakenError(f"{item.record.ref.intermediate} was kept or let go meanwhile")

    def _record_policy(self, connection: sa.Connection) -> None:
        limit = self._policy.limit_bytes if isinstance(self._policy, Budget) else None
        if self._whole_store and not isinstance(self._policy, Adaptive):
            save_store_budget(connection, limit)
        elif not self._whole_store:
            for version in self._versions:
                save_version_budget(connection, version, limit)

    def _within_budgets(
        self,
        connection: sa.Connection,
        by_id: Mapping[int, Choosable],
        done: dict[int, frozenset[int]],
        held: HeldBytes,
        gamma_min: float | None,
    ) -> dict[int, frozenset[int]]:
        """Make sure that every budget is kept to when the transaction ends.

        Raises
        ------
        _OvertakenError
            If what others did meanwhile makes another choice necessary.
        """
        limits: list[tuple[int | None, int | None]] = [(None, store_budget(connection))]
        if isinstance(self._policy, Budget) and not self._whole_store:
            limits += [(version, self._policy.limit_bytes) for version in self._versions]
        over = [
            version
            for version, limit in limits
            if limit is not None and load_holdings(connection, version).total() > limit
        ]
        if not over:
            return done
        if isinstance(self._policy, Budget):
            raise _OvertakenError("others have kept more meanwhile")
        whole = {item: frozenset(by_id[item].columns) for item in done}  # the store's budget leaves no room for parts
        for item, columns in whole.items():
            release(connection, self._reader, item, columns, held.users, gamma_min)
        return whole

    def _still_possible(self, connection: sa.Connection, records: Sequence[IntermediateRecord]) -> set[int]:
        """Return those that can be re-run although the others go too, now that nobody can delete anything."""
        left = list(records)
        while True:
            gone = {record.ref.id for record in left}
            stuck = [record for record in left if not self._has_a_way(connection, record, gone)]
            if not stuck:
                return gone
            left = [record for record in left if record not in stuck]

    def _has_a_way(self, connection: sa.Connection, record: IntermediateRecord, gone: Set[int]) -> bool:
        try:
            now = intermediate_by_id(connection, record.ref.id)
            plan_without(gather_facts(connection, now), gone, self._rate)
        except MistiqueError as error:
            log.warning("%s stays stored: %s", record.ref.intermediate, error)
            return False
        return now.created_at == record.created_at

    def _report(
        self, decision: _Decision, gone: Mapping[int, frozenset[int]], held: HeldBytes, dry_run: bool
    ) -> MaterializeReport:
        by_id = {item.record.ref.id: item for item in decision.open}
        left = {item: len(by_id[item].columns) - len(positions) for item, positions in gone.items()}
        versions = [version for item, positions in gone.items() for version in by_id[item].versions_lost(positions)]
        return MaterializeReport(
            self._names(record for record in decision.records if record.is_kept and record.ref.id not in gone),
            self._names(record for record in decision.records if record.ref.id in gone),
            self._names(record for record in decision.records if decision.equal.get(record.ref.id) is False),
            held.freed(versions),
            dry_run,
            {self._name(record): left[record.ref.id] for record in decision.records if left.get(record.ref.id)},
        )

    def _names(self, records: Iterable[IntermediateRecord]) -> tuple[str, ...]:
        return tuple(map(self._name, records))

    def _name(self, record: IntermediateRecord) -> str:
        ref = record.ref
        return f"{ref.project}.{ref.model}@{ref.version}.{ref.intermediate}" if self._whole_store else ref.intermediate
