"""Answering queries: resolve keys, plan, read or re-run, align by row id (thesis Algorithm 4)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.facts import gather_facts
from mistique_core.catalogue.intermediates import ColumnRecord, IntermediateRecord, columns_of, find_intermediate
from mistique_core.config import StoreConfig
from mistique_core.cost import ReadRate
from mistique_core.engine.chunk_reader import ReadTally
from mistique_core.engine.frame_reader import FrameReader, RowIds, to_frame
from mistique_core.engine.rerun import rerun
from mistique_core.errors import InvalidInputError, NotFoundError, RerunError, did_you_mean
from mistique_core.frames import ROW_ID, positions_of
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.planner import QueryPlan, Strategy, TargetPlan, plan_target
from mistique_core.store.result import QueryResult
from mistique_core.store.selection import Selection

log = logging.getLogger(__name__)


@dataclass
class _Target:
    """One intermediate of a query, with the columns that are asked for."""

    record: IntermediateRecord
    known: dict[str, ColumnRecord]
    wanted: list[tuple[str, str]]
    """(label in the answer, column name)."""
    plan: TargetPlan | None = None
    rerun_frame: pd.DataFrame | None = None


class QueryEngine:
    """Answers queries against one store."""

    def __init__(self, catalogue: Catalogue, reader: FrameReader, config: StoreConfig) -> None:
        self._catalogue = catalogue
        self._reader = reader
        self._config = config

    def plan(
        self, keys: Iterable[IntermediateKey], strategy: Strategy, rate: ReadRate, where: Sequence[str]
    ) -> QueryPlan:
        """Return the plan without touching any data."""
        with self._catalogue.read() as connection:
            targets = self._targets(connection, keys)
            return self._plan(connection, targets, strategy, rate, where)

    def answer(
        self, keys: Sequence[IntermediateKey], selection: Selection, strategy: Strategy, rate: ReadRate
    ) -> tuple[QueryResult, ReadTally]:
        """Return the answer, and what reading it fetched from storage."""
        start = time.perf_counter()
        tally = ReadTally()
        with self._catalogue.read() as connection:
            targets = self._targets(connection, keys)
            plan = self._plan(connection, targets, strategy, rate, [item[0] for item in selection.where])
            verified = self._rerun_where_planned(connection, targets, strategy)
            ids = self._choose_rows(connection, targets, selection, tally)
            pieces = [self._fetch(connection, target, target.wanted, ids, tally) for target in targets]
        frame = pieces[0] if len(pieces) == 1 else pd.concat(pieces, axis=1)
        plan = replace(
            plan,
            targets=tuple(target.plan for target in targets if target.plan is not None),
            measured_seconds=time.perf_counter() - start,
            verified=verified,
        )
        single = len(keys) == 1 and keys[0].column != ALL_COLUMNS
        return QueryResult(frame, plan, single), tally

    def _targets(self, connection: sa.Connection, keys: Iterable[IntermediateKey]) -> list[_Target]:
        targets: dict[int, _Target] = {}
        resolved = [(key, find_intermediate(connection, key)) for key in keys]
        if not resolved:
            raise InvalidInputError("no key was given; name at least one, such as 'project.model.intermediate.column'")
        several = len({record.ref.id for _, record in resolved}) > 1
        for key, record in resolved:
            if record.ref.id not in targets:
                columns = {column.name: column for column in columns_of(connection, record.ref.id)}
                targets[record.ref.id] = _Target(record, columns, [])
            target = targets[record.ref.id]
            for name in target.known if key.column == ALL_COLUMNS else [key.column]:
                if name not in target.known:
                    raise NotFoundError(
                        f"intermediate {key.project}.{key.model}.{key.intermediate} has no column {name!r}; "
                        f"{did_you_mean(name, target.known)}"
                    )
                label = str(key.with_column(name)) if several else name
                if (label, name) not in target.wanted:
                    target.wanted.append((label, name))
        return list(targets.values())

    def _plan(
        self,
        connection: sa.Connection,
        targets: list[_Target],
        strategy: Strategy,
        rate: ReadRate,
        where: Sequence[str],
    ) -> QueryPlan:
        for target in targets:
            names = {name for _, name in target.wanted} | {name for name in where if name in target.known}
            versions = [target.known[name].version_id for name in names] + [target.record.row_id_version]
            facts = gather_facts(connection, target.record, versions, rate)
            target.plan = plan_target(target.record.ref.id, facts, strategy)
        return QueryPlan(tuple(target.plan for target in targets if target.plan is not None))

    def _rerun_where_planned(
        self, connection: sa.Connection, targets: list[_Target], strategy: Strategy
    ) -> bool | None:
        verified = None
        for target in targets:
            assert target.plan is not None
            if target.plan.strategy != "rerun":
                continue
            try:
                target.rerun_frame = rerun(connection, target.plan, target.record, self._reader, self._config)
                verified = True
            except RerunError as error:
                if strategy == "rerun" or target.plan.read_seconds is None:
                    raise
                log.warning("reading %s, because the re-run failed: %s", target.plan.label, error)
                target.plan = replace(target.plan, strategy="read", reason=f"the re-run failed: {error}")
        return verified

    def _choose_rows(
        self, connection: sa.Connection, targets: list[_Target], selection: Selection, tally: ReadTally
    ) -> RowIds | None:
        available = self._row_ids(connection, targets[0], tally)
        for target in targets[1:]:
            others = self._row_ids(connection, target, tally)
            if len(others) != len(available) or not np.array_equal(others, available):
                available = available[positions_of(others, available)[1]]

        def fetch(name: str) -> pd.Series[float]:
            for target in targets:
                if name in target.known:
                    return self._fetch(connection, target, [(name, name)], None, tally)[name]
            known = {name for target in targets for name in target.known}
            raise NotFoundError(
                f"where names the column {name!r}, which the query has not; {did_you_mean(name, known)}"
            )

        chosen = selection.choose(available, fetch)
        return available if chosen is None and len(targets) > 1 else chosen

    def _row_ids(self, connection: sa.Connection, target: _Target, tally: ReadTally) -> RowIds:
        if target.rerun_frame is not None:
            return np.asarray(target.rerun_frame.index, dtype=np.int64)
        return self._reader.row_ids(connection, target.record, tally)

    def _fetch(
        self,
        connection: sa.Connection,
        target: _Target,
        wanted: Sequence[tuple[str, str]],
        ids: RowIds | None,
        tally: ReadTally,
    ) -> pd.DataFrame:
        if target.rerun_frame is not None:
            frame = target.rerun_frame[[name for _, name in wanted]]
            frame = frame if ids is None else frame.loc[ids]
            return frame.set_axis([label for label, _ in wanted], axis=1)
        stored = self._reader.row_ids(connection, target.record, tally)
        positions = None if ids is None else positions_of(stored, ids)[0]
        columns = [replace(target.known[name], name=label) for label, name in wanted]
        encoded = self._reader.columns(connection, [column.version_id for column in columns], positions, tally)
        frame = to_frame(columns, encoded, stored if ids is None else ids)
        frame.index.name = ROW_ID
        return frame
