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
from mistique_core.cost import WantedRows
from mistique_core.engine.chunk_reader import ReadTally
from mistique_core.engine.commit import Committer
from mistique_core.engine.frame_reader import FrameReader, RowIds
from mistique_core.engine.heal import Healer
from mistique_core.engine.lru import LruCache
from mistique_core.engine.shared_work import SharedWork
from mistique_core.engine.stored_array import units_last
from mistique_core.engine.units_rerun import UnitsRerunner
from mistique_core.errors import (
    CorruptPartitionError,
    InvalidInputError,
    NotFoundError,
    NotMaterializedError,
    RerunError,
    did_you_mean,
)
from mistique_core.frames import RowIndex
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.planner import Fetched, QueryPlan, Strategy, TargetPlan, plan_target
from mistique_core.store.host_measurements import HostMeasurements
from mistique_core.store.keeping import Keeping
from mistique_core.store.query_reruns import QueryReruns
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
        self._keeping = Keeping(catalogue, reader, committer, uses, budget_bytes)
        self._measured = measured
        self._reader = reader
        self._reruns = QueryReruns(reader, healer, self._keeping, measured, self.forget)
        self._facts: LruCache[tuple[int, float, int], TargetFacts] = LruCache(_FACTS_KEPT)

    @property
    def units(self) -> UnitsRerunner:
        """Re-runs layers of networks."""
        return self._reruns.units

    def forget(self) -> None:
        """Forget what is remembered about intermediates, because some are no longer kept."""
        self._facts.clear()

    def plan(self, keys: Iterable[IntermediateKey], selection: Selection, strategy: Strategy) -> QueryPlan:
        """Return the plan; of the data, only row ids are touched, and only where the query names rows."""
        with self._catalogue.read() as connection:
            targets = self._targets(connection, keys)
            named = self._named_rows(connection, targets, selection, ReadTally())
            return self._plan(connection, targets, selection, strategy, named)

    def prefetch(self, keys: Iterable[IntermediateKey]) -> None:
        """Look up what is known of intermediates, and where the chunks of their columns lie."""
        with self._catalogue.read() as connection:
            for target in self._targets(connection, keys):
                columns = [target.known[name].version for _, name in target.wanted]
                self._reader.locate(connection, [target.record.row_id_version, *columns])

    def plan_rows(self, connection: sa.Connection, record: IntermediateRecord, rows: int) -> TargetPlan:
        """Return how rows of an intermediate are best made again, window by window where that can be.

        Parameters
        ----------
        connection
            A connection.
        record
            The intermediate.
        rows
            How many rows are made at once.

        Raises
        ------
        NotMaterializedError
            If it is not stored and cannot be re-run.
        RerunError
            If it is stored, but cannot be re-run.
        """
        target = QueryTarget(record, self._facts_of(connection, record, {ALL_COLUMNS}), {})
        facts, wanted = self._reruns.facts_for(target, list(target.known)), WantedRows(rows)
        try:
            return plan_target(record.ref.id, facts, "rerun", wanted, by_windows=True)
        except (NotMaterializedError, RerunError):  # there is no such way
            return plan_target(record.ref.id, facts, "rerun", wanted)

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
            verified = self._reruns.where_planned(connection, targets, strategy, named, shared)
            try:
                maps, pieces = self._fetch_all(connection, targets, selection, tally)
            except CorruptPartitionError as error:
                verified = self._reruns.damaged(connection, targets, strategy, error) or verified
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
            facts = self._reruns.facts_for(target, list(names))
            rows = None if named is None else self._wanted_rows(connection, target, named)
            plan = plan_target(target.record.ref.id, facts, strategy, rows)
            target.plan = self._keeping.foresee(target.record, target.facts, plan, list(names), self._measured.rates)
        return QueryPlan(tuple(target.plan for target in targets if target.plan is not None))

    def _wanted_rows(self, connection: sa.Connection, target: QueryTarget, named: RowIds) -> WantedRows:
        if not self._reader.knows_row_ids(target.record):
            return WantedRows(len(named))
        return WantedRows(len(named), self._reader.row_index(connection, target.record).find(named)[0])

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
        ids = stored.ids if ids is None else ids
        return self._reader.frame_of(connection, columns, ids, positions, tally, target.facts.names)


def _facts_key(record: IntermediateRecord) -> tuple[int, float, int]:
    return record.ref.id, record.created_at, record.state


def _keeps_all(record: IntermediateRecord, facts: TargetFacts, names: set[str]) -> bool:
    """Whether an intermediate that is not kept refers to all of the named columns."""
    wanted = facts.columns.values() if ALL_COLUMNS in names else map(facts.columns.get, names)
    return all(column is not None and column.position in record.kept for column in wanted)
