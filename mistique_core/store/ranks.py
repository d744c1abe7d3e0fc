"""The facade's calls that rank rows: by a column, and by the distance from a row."""

from __future__ import annotations

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.errors import CorruptPartitionError, InvalidInputError, NotFoundError, did_you_mean
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.planner import STRATEGIES, QueryPlan, Strategy, TargetPlan
from mistique_core.ranking import BYS, euclidean
from mistique_core.store.host_measurements import HostMeasurements
from mistique_core.store.query import QueryEngine
from mistique_core.store.ranked_target import RankedTarget, refuse_missing
from mistique_core.store.ranking import Ranking
from mistique_core.store.result import QueryResult
from mistique_core.store.selection import Selection
from mistique_core.store.stored_ranks import measured, numbers_of, ranked, refuse_maps, top_by_zones

log = logging.getLogger(__name__)

METRICS = ("euclidean",)


class RanksRows(ABC):
    """How :class:`Mistique` ranks rows."""

    catalogue: Catalogue
    frame_reader: FrameReader
    _measured: HostMeasurements
    _queries: QueryEngine

    @abstractmethod
    def _count(self, plan: QueryPlan) -> None:
        """Count a query of what was asked for."""

    def top_k(
        self,
        key: str | IntermediateKey,
        k: int = 10,
        *,
        largest: bool = True,
        by: str = "value",
        exact: bool = False,
        strategy: Strategy = "auto",
    ) -> Ranking:
        """Return the `k` rows with the largest (or smallest) values of a column, or of a unit of a layer.

        Ties are broken by row id, ascending; a missing value never qualifies, and a map with one neither.

        Parameters
        ----------
        key
            Key of one column.
        k
            Number of rows, from 1; more than there are gives all.
        largest
            Whether the largest are wanted.
        by
            ``value`` where values are numbers; ``max``, ``min`` or ``mean`` of each map where they are maps.
        exact
            Whether rows and values must be those of full precision. Over a lossy scheme the rows are ranked by bounds,
            and those that could still be among the k are re-run (thesis Table 5.1; DeepEverest, PVLDB 15(1), 2021).
        strategy
            ``auto`` lets the cost model choose. ``read`` never re-runs, ``rerun`` re-runs all rows.

        Raises
        ------
        InvalidInputError
            If an argument is malformed, the values have no order, or an exact answer is wanted of a scheme that bounds
            nothing: then with ``strategy="rerun"`` it is re-run in full.
        RerunError
            If rows have to be re-run and cannot be.
        NotFoundError
            If there is no such column.
        """
        parsed = IntermediateKey.parse(key)
        if parsed.column == ALL_COLUMNS:
            raise InvalidInputError(f"top_k ranks one column, but {str(key)!r} names all; add its name to the key")
        if by not in BYS:
            raise InvalidInputError(f"rows cannot be ranked by {by!r}; {did_you_mean(str(by), BYS)}")
        _check(k, strategy)
        start = time.perf_counter()
        with self.catalogue.read() as connection:
            target = self._target(connection, [parsed], strategy)
            (column,) = target.columns
            refuse_maps(column.name, target.map_shape, by)
            if exact and not target.is_exact:
                return self._noted(target.top(k, largest, by), start)
            plan = target.plan(strategy)
            if plan.strategy == "read":
                found = self._by_zones(connection, target, plan, k, largest)
                if found is not None:
                    return self._noted(found, start)
        result = self._queries.answer([parsed], Selection.of(None, None, None), strategy)
        top = ranked(measured(result, by), k, largest)
        return self._noted(self._of_answer(result, target, top), start)

    def nearest(
        self,
        keys: str | IntermediateKey | Iterable[str | IntermediateKey],
        row_id: int,
        k: int = 10,
        *,
        metric: str = "euclidean",
        exact: bool = False,
        strategy: Strategy = "auto",
    ) -> Ranking:
        """Return the `k` rows nearest to one, itself left out, and their distances.

        Ties are broken by row id, ascending; a row with a missing value never qualifies.

        Parameters
        ----------
        keys
            Key of an intermediate, or of several of its columns: the numbers whose differences make the distance.
        row_id
            The row.
        k
            Number of rows, from 1; more than there are gives all.
        metric
            ``euclidean``; maps are taken as all of their values.
        exact
            Whether rows and distances must be those of full precision, as in :meth:`top_k`: the row itself is re-run,
            and those that could still be among the k nearest.
        strategy
            As in :meth:`top_k`.

        Raises
        ------
        InvalidInputError
            As :meth:`top_k`; also if the columns are of several intermediates or the row has missing values.
        RerunError
            If rows have to be re-run and cannot be.
        NotFoundError
            If there is no such intermediate, column or row.
        """
        if metric not in METRICS:
            raise InvalidInputError(f"distances cannot be measured by {metric!r}; {did_you_mean(str(metric), METRICS)}")
        if isinstance(row_id, bool) or not isinstance(row_id, (int, np.integer)):
            raise InvalidInputError(f"row_id={row_id!r} is no row id; give one integer")
        _check(k, strategy)
        several = [keys] if isinstance(keys, (str, IntermediateKey)) else list(keys)
        parsed = [IntermediateKey.parse(key) for key in several]
        start = time.perf_counter()
        with self.catalogue.read() as connection:
            target = self._target(connection, parsed, strategy)
            if exact and not target.is_exact:
                return self._noted(target.nearest(int(row_id), k), start)
        result = self._queries.answer(parsed, Selection.of(None, None, None), strategy)
        place = np.flatnonzero(result.row_id == row_id)
        if not len(place):
            raise NotFoundError(f"row_id {row_id} is not in {result.plan.targets[0].label}")
        values = numbers_of(result)
        refuse_missing(values[place[0]], int(row_id))
        distances = pd.Series(euclidean(values, values[place[0]]), index=result.frame.index, name="distance")
        return self._noted(self._of_answer(result, target, ranked(distances.drop(row_id), k, False)), start)

    def _target(self, connection: sa.Connection, keys: Sequence[IntermediateKey], strategy: Strategy) -> RankedTarget:
        return RankedTarget(connection, self.frame_reader, self._queries.units, keys, strategy, self._measured.rates)

    def _by_zones(
        self, connection: sa.Connection, target: RankedTarget, plan: TargetPlan, k: int, largest: bool
    ) -> Ranking | None:
        """Return the ranking of a table column from the row blocks that matter; ``None`` to ask a query instead."""
        try:
            found = top_by_zones(
                self.frame_reader, connection, target.record, target.columns[0], k, largest, target.tally
            )
        except CorruptPartitionError as error:
            log.warning("ranking all of %s, because a row block cannot be read: %s", plan.label, error)
            return None
        if found is None:
            return None
        top, blocks, read = found
        rows = target.record.ref.rows
        sentence = f"Exact: all {rows:,} rows were read, as they were logged."
        if read < blocks:
            sentence = f"Exact: {read} of {blocks} row blocks were read, the ranges of the others lie outside."
        return _of_series(top, QueryPlan((replace(plan, reason=sentence),)), rows, sentence)

    def _of_answer(self, result: QueryResult, target: RankedTarget, top: pd.Series[Any]) -> Ranking:
        """Return the ranking of what a query returned."""
        rows = len(result.frame)
        rerun = rows if result.plan.strategy == "rerun" else 0
        exact = target.is_exact or (bool(rerun) and not target.summary)
        if exact:
            sentence = f"Exact: all {rows:,} rows were {'re-run' if rerun else 'read, as they were logged'}."
        elif target.summary:
            sentence = f"Of {target.summary}, not of the maps themselves; exact=True says whether those can be ranked."
        else:
            sentence = (
                f"Of what is stored by {target.scheme}, off by at most {result.max_abs_error:.3g} a value; "
                "exact=True re-runs the rows that could still matter."
            )
        error = 0.0 if exact else result.max_abs_error if top.name != "distance" else math.inf
        return replace(_of_series(top, result.plan, rows, sentence), exact=exact, max_abs_error=error, rerun_rows=rerun)

    def _noted(self, found: Ranking, start: float) -> Ranking:
        plan = replace(found.plan, measured_seconds=time.perf_counter() - start)
        self._count(plan)
        return replace(found, plan=plan)


def _of_series(top: pd.Series[Any], plan: QueryPlan, rows: int, sentence: str) -> Ranking:
    ids = np.asarray(top.index, dtype=np.int64)
    return Ranking(ids, np.asarray(top), True, 0.0, rows, 0, plan, sentence, str(top.name))


def _check(k: Any, strategy: Any) -> None:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise InvalidInputError(f"k={k!r} is not a number of rows; give an integer of at least 1")
    if strategy not in STRATEGIES:
        raise InvalidInputError(f"strategy {strategy!r} is unknown; use one of {', '.join(STRATEGIES)}")
