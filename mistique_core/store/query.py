"""Answering queries: resolve keys, plan, read or re-run, align by row id (thesis Algorithm 4)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.column_use import Uses
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.facts import TargetFacts, gather_facts
from mistique_core.catalogue.intermediates import IntermediateRecord, find_intermediate
from mistique_core.cost import NO_RATES, WantedRows
from mistique_core.engine.chunk_reader import ReadTally
from mistique_core.engine.commit import Committer
from mistique_core.engine.frame_reader import FrameReader, RowIds, is_units
from mistique_core.engine.heal import Healer
from mistique_core.engine.lru import LruCache
from mistique_core.engine.rerun import Rerun, rerun, rerun_rows
from mistique_core.engine.rerun_tally import RerunTally
from mistique_core.engine.shared_work import SharedWork
from mistique_core.engine.stored_array import units_last
from mistique_core.engine.units_rerun import RerunUnits, UnitsRerunner
from mistique_core.errors import (
    CorruptPartitionError,
    InvalidInputError,
    MistiqueError,
    NotFoundError,
    NotMaterializedError,
    did_you_mean,
)
from mistique_core.frames import RowIndex
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.planner import Facts, Fetched, QueryPlan, Strategy, TargetPlan, plan_target
from mistique_core.store.host_measurements import HostMeasurements
from mistique_core.store.keeping import Keeping
from mistique_core.store.query_target import QueryTarget, error_bound, has_maps, origin_of
from mistique_core.store.result import QueryResult
from mistique_core.store.selection import Predicate, Selection

log = logging.getLogger(__name__)

_FACTS_KEPT = 1_024


class QueryEngine:
    """Answers queries against one store.

    Parameters
    ----------
    catalogue, reader, healer, committer
        The store.
    uses
        Takes the id of an intermediate; returns how often it was asked for before.
    measured
        What this host has measured; it learns from every query.
    budget_bytes
        Budget of the whole store in this process's settings.

    Attributes
    ----------
    units
        Re-runs layers of networks.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        reader: FrameReader,
        healer: Healer,
        committer: Committer,
        uses: Callable[[int], Uses],
        measured: HostMeasurements,
        budget_bytes: int | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._healer = healer
        self._keeping = Keeping(catalogue, reader, committer, uses, budget_bytes)
        self._measured = measured
        self._reader = reader
        self.units = UnitsRerunner(reader)
        self._facts: LruCache[tuple[int, float, int], TargetFacts] = LruCache(_FACTS_KEPT)

    def forget(self) -> None:
        """Forget what is remembered about intermediates, because some are no longer kept."""
        self._facts.clear()

    def plan(self, keys: Iterable[IntermediateKey], selection: Selection, strategy: Strategy) -> QueryPlan:
        """Return the plan; of the data, only row ids are touched, and only where the query names rows."""
        with self._catalogue.read() as connection:
            targets = self._targets(connection, keys)
            named = self._named_rows(connection, targets, selection, ReadTally())
            return self._plan(connection, targets, selection, strategy, named)

    def answer(
        self,
        keys: Sequence[IntermediateKey],
        selection: Selection,
        strategy: Strategy,
        shared: SharedWork | None = None,
    ) -> QueryResult:
        """Return the answer, and learn from what it took; `shared` is what other queries of its batch have made."""
        try:
            return self._answer(keys, selection, strategy, shared)
        except NotMaterializedError as error:
            log.info("planning again, because what was remembered is no longer stored: %s", error)
            self.forget()
            return self._answer(keys, selection, strategy, shared)

    def _answer(
        self,
        keys: Sequence[IntermediateKey],
        selection: Selection,
        strategy: Strategy,
        shared: SharedWork | None,
    ) -> QueryResult:
        start = time.perf_counter()
        tally = ReadTally()
        with self._catalogue.read() as connection:
            targets = self._targets(connection, keys)
            named = self._named_rows(connection, targets, selection, tally)
            plan = self._plan(connection, targets, selection, strategy, named)
            verified = self._rerun_where_planned(connection, targets, strategy, named, shared)
            try:
                maps, pieces = self._fetch_all(connection, targets, selection, tally)
            except CorruptPartitionError as error:
                verified = self._rerun_damaged(connection, targets, strategy, error) or verified
                maps, pieces = self._fetch_all(connection, targets, selection, tally)
        frame = pieces[0] if len(pieces) == 1 else pd.concat(pieces, axis=1)
        plan = replace(
            plan,
            targets=tuple(target.plan for target in targets if target.plan is not None),
            measured_seconds=time.perf_counter() - start,
            verified=verified,
            fetched=self._fetched(targets, tally),
        )
        single = len(keys) == 1 and keys[0].column != ALL_COLUMNS
        names = tuple(label for target in targets for label, _ in target.wanted)
        bound, origin = error_bound(targets), origin_of(targets)
        self._learn(targets, selection, tally, plan.measured_seconds or 0.0, shared)
        return QueryResult(frame, plan, single, bound, maps, names if maps is not None else (), origin)

    @staticmethod
    def _fetched(targets: list[QueryTarget], read: ReadTally) -> Fetched:
        tallies = [read, *(target.took.read for target in targets if target.took is not None)]
        return Fetched(
            sum(tally.chunks for tally in tallies),
            sum(tally.stored_bytes for tally in tallies),
            sum(tally.skipped_chunks for tally in tallies),
        )

    def _learn(
        self,
        targets: list[QueryTarget],
        selection: Selection,
        fetched: ReadTally,
        seconds: float,
        shared: SharedWork | None,
    ) -> None:
        """Learn from a query whose work is known, not from one that a predicate cut short or that failed in part.

        The first query about an intermediate also pays for looking it up, which no estimate counts.
        """
        warm = all(target.met_before for target in targets)
        plans = [target.plan for target in targets if target.plan is not None]
        if not any(target.is_rerun for target in targets):
            if warm and not selection.where:
                self._measured.learn_read(plans, fetched, seconds)
        elif plans[0].kept_after == 1:
            return  # the query has also stored what it made
        elif len(targets) == 1 and shared is None and targets[0].took is not None:
            costs = {stage: fact.cost for stage, fact in targets[0].facts.stages.items()}
            self._measured.learn_rerun(plans[0], costs, targets[0].took, seconds, warm=warm)

    def _fetch_all(
        self, connection: sa.Connection, targets: list[QueryTarget], selection: Selection, tally: ReadTally
    ) -> tuple[npt.NDArray[Any] | None, list[pd.DataFrame]]:
        """Return the maps, if the values are maps, and one frame a target (without columns beside maps)."""
        ids = self._choose_rows(connection, targets, selection, tally)
        if has_maps(targets):
            maps = self._fetch_maps(connection, targets, ids, tally)
            return maps, [self._fetch(connection, targets[0], [], ids, tally)]
        return None, [self._fetch(connection, target, list(target.wanted), ids, tally) for target in targets]

    def _rerun_damaged(
        self, connection: sa.Connection, targets: list[QueryTarget], strategy: Strategy, error: CorruptPartitionError
    ) -> bool:
        """Re-run the targets that cannot be read, and store them again.

        Raises
        ------
        CorruptPartitionError
            The given error, if reading was asked for or a target cannot be re-run.
        """
        rerun_any = False
        for target in targets:
            assert target.plan is not None
            if target.is_rerun or self._is_readable(connection, target):
                continue
            if strategy == "read" or target.plan.rerun_seconds is None:
                raise error
            try:
                if self._holds_units(target):
                    self._rerun_units(connection, target, self._whole_plan(target), None)
                    reason = f"its stored bytes are damaged ({error}); log the network again to store them."
                    rerun_any, target.plan = True, replace(target.plan, strategy="rerun", reason=reason)
                    continue
                made = rerun(connection, self._whole_plan(target), target.record, self._reader)
            except MistiqueError as second:
                log.warning("%s can neither be read nor re-run: %s", target.plan.label, second)
                raise error from second
            rerun_any, target.rerun_frame = True, made.frame
            target.plan = replace(target.plan, strategy="rerun", reason=self._heal(made, error))
        if not rerun_any:
            raise error
        return rerun_any

    def _is_readable(self, connection: sa.Connection, target: QueryTarget) -> bool:
        try:
            ids = self._reader.row_index(connection, target.record).ids
            self._reader.frame_of(connection, list(target.known.values()), ids, None)
        except CorruptPartitionError:
            return False
        except InvalidInputError:  # maps
            return self._are_maps_readable(connection, target)
        return True

    def _are_maps_readable(self, connection: sa.Connection, target: QueryTarget) -> bool:
        try:
            self._reader.units(connection, list(target.known.values()), None, None)
        except CorruptPartitionError:
            return False
        return True

    @staticmethod
    def _holds_units(target: QueryTarget) -> bool:
        return any(is_units(column) and column.unit is not None for column in target.known.values())

    def _rerun_units(
        self,
        connection: sa.Connection,
        target: QueryTarget,
        plan: TargetPlan,
        named: RowIds | None,
        shared: SharedWork | None = None,
    ) -> None:
        """Run a network for all rows of a target, or for those that are named."""
        columns = list(target.known.values())
        took = RerunTally()
        target.rerun_units = self.units.rerun(connection, plan, target.record, columns, named, took, shared)
        target.took = took

    def _heal(self, made: Rerun, error: CorruptPartitionError) -> str:
        """Store a re-run result again where its chunks are damaged; return what to tell the user."""
        try:
            count = self._healer.heal(made)
        except MistiqueError as second:
            log.warning("what was damaged could not be stored again: %s", second)
            return f"its stored bytes are damaged ({error}); they could not be stored again: {second}."
        return f"its stored bytes are damaged ({error}); {count} chunks were stored again from the re-run."

    def _fetch_maps(
        self, connection: sa.Connection, targets: Sequence[QueryTarget], ids: RowIds | None, tally: ReadTally
    ) -> npt.NDArray[Any]:
        """Return the values of units whose values are maps: (n_rows, *map_shape, n_columns)."""
        target = targets[0]
        if len(targets) > 1:
            raise InvalidInputError("maps cannot be joined with other intermediates; ask for each by itself")
        columns = [target.known[name] for _, name in target.wanted]
        if target.rerun_units is not None:
            return target.rerun_units.take([name for _, name in target.wanted], ids)
        positions = None if ids is None else self._reader.row_index(connection, target.record, tally).find(ids)[0]
        found = self._reader.units(connection, columns, positions, tally)
        return units_last([found[column.version, column.unit or 0] for column in columns])

    def _targets(self, connection: sa.Connection, keys: Iterable[IntermediateKey]) -> list[QueryTarget]:
        targets: dict[int, QueryTarget] = {}
        resolved = [(key, find_intermediate(connection, key)) for key in keys]
        if not resolved:
            raise InvalidInputError("no key was given; name at least one, such as 'project.model.intermediate.column'")
        several = len({record.ref.id for _, record in resolved}) > 1
        for key, record in resolved:
            if record.ref.id not in targets:
                wanted = {other.column for other, found in resolved if found.ref.id == record.ref.id}
                met = self._facts.get(_facts_key(record)) is not None
                targets[record.ref.id] = QueryTarget(record, self._facts_of(connection, record, wanted), {}, met)
            target = targets[record.ref.id]
            for name in target.known if key.column == ALL_COLUMNS else [key.column]:
                if name not in target.known:
                    raise NotFoundError(
                        f"intermediate {key.project}.{key.model}.{key.intermediate} has no column {name!r}; "
                        f"{did_you_mean(name, target.known)}"
                    )
                label = str(key.with_column(name)) if several else name
                target.wanted[label, name] = None
        return list(targets.values())

    def _facts_of(self, connection: sa.Connection, record: IntermediateRecord, wanted: set[str]) -> TargetFacts:
        """Return the facts of an intermediate, gathered once for each row of the catalogue.

        The row itself was just read, so that a deleted or newer intermediate is never answered from
        memory; its id alone would not do, because a database may give it to a later row. Of what is not kept, only
        what the intermediate refers to itself is sure to stay stored.
        """
        key = _facts_key(record)
        facts = self._facts.get(key)
        if facts is None or not (record.is_kept or _keeps_all(record, facts, wanted)):
            facts = gather_facts(connection, record)
            self._facts.put(key, facts)
        return facts

    def _named_rows(
        self, connection: sa.Connection, targets: list[QueryTarget], selection: Selection, tally: ReadTally
    ) -> RowIds | None:
        """Return the row ids that a query asks for, where no value has to be looked at to know them."""
        if selection.where or not selection.restricts:
            return None
        try:
            return self._choose_rows(connection, targets, selection, tally)
        except CorruptPartitionError as error:
            log.warning("all rows are taken, because the row ids cannot be read: %s", error)
            return None

    def _plan(
        self,
        connection: sa.Connection,
        targets: list[QueryTarget],
        selection: Selection,
        strategy: Strategy,
        named: RowIds | None,
    ) -> QueryPlan:
        where = [item[0] for item in selection.where]
        for target in targets:
            names = {name for _, name in target.wanted} | {name for name in where if name in target.known}
            facts = self._facts_for(target, list(names))
            rows = None if named is None else self._wanted_rows(connection, target, named)
            plan = plan_target(target.record.ref.id, facts, strategy, rows)
            target.plan = self._keeping.foresee(target.record, target.facts, plan, list(names), self._measured.rates)
        return QueryPlan(tuple(target.plan for target in targets if target.plan is not None))

    def _wanted_rows(self, connection: sa.Connection, target: QueryTarget, named: RowIds) -> WantedRows:
        if not self._reader.knows_row_ids(target.record):
            return WantedRows(len(named))
        return WantedRows(len(named), self._reader.row_index(connection, target.record).find(named)[0])

    def _rerun_where_planned(
        self,
        connection: sa.Connection,
        targets: list[QueryTarget],
        strategy: Strategy,
        named: RowIds | None,
        shared: SharedWork | None,
    ) -> bool | None:
        verified = None
        planned = [target for target in targets if target.plan is not None and target.plan.strategy == "rerun"]
        if shared is None and len(planned) > 1:
            shared = SharedWork()
        for target in sorted(planned, key=lambda target: target.record.ref.id):  # what feeds others comes first
            assert target.plan is not None
            if shared is not None:
                target.plan = self._sharing_plan(connection, target, named, shared)
            try:
                if self._holds_units(target):
                    by_rows = named is not None and target.plan.by_rows
                    self._rerun_units(connection, target, target.plan, named if by_rows else None, shared)
                    target.plan = self._kept_if_it_pays(target, target.rerun_units)
                elif named is not None and target.plan.by_rows:
                    target.rerun_frame = self._rerun_rows(connection, target, named)
                else:
                    took = RerunTally()
                    made = rerun(connection, target.plan, target.record, self._reader, took, shared)
                    target.rerun_frame, target.took = made.frame, took
                    target.plan = self._kept_if_it_pays(target, made)
                    verified = True
            except NotMaterializedError:
                raise
            except MistiqueError as error:
                if strategy == "rerun" or target.plan.read_seconds is None:
                    raise
                log.warning("reading %s, because the re-run failed: %s", target.plan.label, error)
                target.plan = replace(target.plan, strategy="read", reason=f"the re-run failed: {error}")
        return verified

    def _sharing_plan(
        self, connection: sa.Connection, target: QueryTarget, named: RowIds | None, shared: SharedWork
    ) -> TargetPlan:
        """Return the plan of re-running a target that begins with what others have made."""
        assert target.plan is not None
        facts = self._facts_for(target, list(target.known))
        if self._holds_units(target):
            ids = self._reader.row_index(connection, target.record).ids if named is None else named
            facts = shared.cheapen(facts, ids, by_rows=True)
        else:
            facts = shared.cheapen(facts, None, by_rows=named is not None and target.plan.by_rows)
        rows = None if named is None else WantedRows(len(named))
        plan = plan_target(target.record.ref.id, facts, "rerun", rows)
        before = target.plan
        return replace(
            plan, reason=before.reason, read_seconds=before.read_seconds, stored_bytes=before.stored_bytes,
            chunks=before.chunks, read_work=before.read_work, asked=before.asked, kept_after=before.kept_after,
        )  # fmt: skip

    def _facts_for(self, target: QueryTarget, names: list[str]) -> Facts:
        return target.facts.facts(
            names,
            self._measured.rates,
            {stage for stage in target.facts.stages if self.units.is_loaded(stage)},
            knows_row_ids=self._reader.knows_row_ids(target.record),
        )

    def _rerun_rows(self, connection: sa.Connection, target: QueryTarget, named: RowIds) -> pd.DataFrame:
        """Return the named rows, made from these rows only, or else with all others."""
        assert target.plan is not None
        try:
            took = RerunTally()
            made = rerun_rows(connection, target.plan, target.record, self._reader, named, took)
        except NotMaterializedError:
            raise
        except MistiqueError as error:
            log.info(
                "re-running all rows of %s, because some rows alone could not be made: %s", target.plan.label, error
            )
            return rerun(connection, self._whole_plan(target), target.record, self._reader).frame
        target.took = took
        return made

    def _whole_plan(self, target: QueryTarget) -> TargetPlan:
        """Return the plan of re-running all rows."""
        facts = target.facts.facts(list(target.known), NO_RATES)
        return plan_target(target.record.ref.id, facts, "rerun")

    def _kept_if_it_pays(self, target: QueryTarget, made: Rerun | RerunUnits | None) -> TargetPlan:
        """Store a re-run result, where queries have shown that reading it would save enough (thesis Algorithm 4)."""
        assert target.plan is not None
        if made is None:
            return target.plan
        plan = self._keeping.keep(target.record, target.facts, target.plan, made)
        if plan is not target.plan:
            self.forget()
        return plan

    def _choose_rows(
        self, connection: sa.Connection, targets: list[QueryTarget], selection: Selection, tally: ReadTally
    ) -> RowIds | None:
        available = self._row_index(connection, targets[0], tally)
        for target in targets[1:]:
            others = self._row_index(connection, target, tally)
            if others is not available and not np.array_equal(others.ids, available.ids):
                available = RowIndex(available.ids[others.find(available.ids)[1]])

        def fetch(predicate: Predicate, ids: RowIds) -> pd.Series[float]:
            name = predicate[0]
            for target in targets:
                if name in target.known:
                    if not target.is_rerun:
                        ids = self._not_ruled_out(connection, target, predicate, ids, tally)
                    whole = ids is available.ids and len(targets) == 1
                    return self._fetch(connection, target, [(name, name)], None if whole else ids, tally)[name]
            known = {name for target in targets for name in target.known}
            raise NotFoundError(
                f"where names the column {name!r}, which the query has not; {did_you_mean(name, known)}"
            )

        chosen = selection.choose(available, fetch)
        return available.ids if chosen is None and len(targets) > 1 else chosen

    def _not_ruled_out(
        self, connection: sa.Connection, target: QueryTarget, predicate: Predicate, ids: RowIds, tally: ReadTally
    ) -> RowIds:
        """Return those of `ids` that do not lie in a row block which the predicate's zone map rules out."""
        name, symbol, value = predicate
        blocks = self._reader.matching_blocks(connection, target.known[name], symbol, value)
        if blocks is None or blocks.may_match.all():
            return ids
        tally.skipped_chunks += int(np.count_nonzero(~blocks.may_match))
        positions, _ = self._reader.row_index(connection, target.record, tally).find(ids)
        return ids[blocks.may_match[positions // blocks.rows]]

    def _row_index(self, connection: sa.Connection, target: QueryTarget, tally: ReadTally) -> RowIndex:
        if target.rerun_frame is not None:
            return RowIndex(np.asarray(target.rerun_frame.index, dtype=np.int64))
        if target.rerun_units is not None:
            return RowIndex(target.rerun_units.row_ids)
        return self._reader.row_index(connection, target.record, tally)

    def _fetch(
        self,
        connection: sa.Connection,
        target: QueryTarget,
        wanted: Sequence[tuple[str, str]],
        ids: RowIds | None,
        tally: ReadTally,
    ) -> pd.DataFrame:
        if target.rerun_frame is not None:
            frame = target.rerun_frame[[name for _, name in wanted]]
            frame = frame if ids is None else frame.loc[ids]
            return frame.set_axis([label for label, _ in wanted], axis=1)
        if target.rerun_units is not None:
            return target.rerun_units.frame(wanted, ids)
        stored = self._reader.row_index(connection, target.record, tally)
        positions = None if ids is None else stored.find(ids)[0]
        columns = [
            target.known[name] if label == name else replace(target.known[name], name=label) for label, name in wanted
        ]
        return self._reader.frame_of(connection, columns, stored.ids if ids is None else ids, positions, tally)


def _facts_key(record: IntermediateRecord) -> tuple[int, float, int]:
    return record.ref.id, record.created_at, record.state


def _keeps_all(record: IntermediateRecord, facts: TargetFacts, names: set[str]) -> bool:
    """Whether an intermediate that is not kept refers to all of the named columns."""
    wanted = facts.columns.values() if ALL_COLUMNS in names else map(facts.columns.get, names)
    return all(column is not None and column.position in record.kept for column in wanted)
