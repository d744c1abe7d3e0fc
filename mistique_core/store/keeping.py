"""Storing what re-runs make, once queries have shown that reading it would save enough (thesis Algorithm 4)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from mistique_core.catalogue.column_use import Uses
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.facts import TargetFacts
from mistique_core.catalogue.holdings import kept_columns
from mistique_core.catalogue.intermediates import IntermediateRecord
from mistique_core.catalogue.letting_go import unstored_of
from mistique_core.cost import HostRates, gamma
from mistique_core.engine.budget import BudgetGuard, Room, limits_of, look_at
from mistique_core.engine.commit import Committer
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.keep import keep_frame, keep_units
from mistique_core.engine.lru import LruCache
from mistique_core.engine.rerun import Rerun
from mistique_core.engine.unit_keep import (
    EncodedUnits,
    batch_rows_of,
    codec_of,
    encode_units,
    pooling_of,
    recorded_addresses,
)
from mistique_core.engine.units_rerun import RerunUnits
from mistique_core.engine.weigh import Costs, amortised_bytes, missing_positions, positions_of, read_seconds_if_stored
from mistique_core.errors import MistiqueError
from mistique_core.materialization import queries_needed, queries_until_kept
from mistique_core.planner import TargetPlan

log = logging.getLogger(__name__)

_OUTLOOKS_KEPT = 64
_COSTS_KEPT = 4_096


@dataclass(frozen=True)
class _Outlook:
    """What is known about storing the columns that a query asks for.

    Attributes
    ----------
    missing
        Positions of those that are stored nowhere.
    queries
        Queries to all of them so far.
    more
        After how many more queries they are stored; ``None`` for never.
    gamma
        What storing them saves after the next query, in seconds per GB.
    rooms
        The budgets to respect.
    """

    missing: tuple[int, ...]
    queries: int
    more: int | None
    gamma: float
    rooms: Sequence[Room]


class Keeping:
    """Foresees when what is not kept will be stored, and stores it.

    Parameters
    ----------
    catalogue, reader, committer
        The store.
    uses
        Takes the id of an intermediate; returns how often it was asked for before.
    budget_bytes
        Budget of the whole store in this process's settings.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        reader: FrameReader,
        committer: Committer,
        uses: Callable[[int], Uses],
        budget_bytes: int | None,
    ) -> None:
        self._catalogue = catalogue
        self._reader = reader
        self._committer = committer
        self._uses = uses
        self._budget_bytes = budget_bytes
        self._outlooks: LruCache[tuple[int, tuple[int, ...]], _Outlook] = LruCache(_OUTLOOKS_KEPT)
        self._costs: Costs = LruCache(_COSTS_KEPT)
        self._other_bits: set[tuple[int, float]] = set()

    def foresee(
        self, record: IntermediateRecord, facts: TargetFacts, plan: TargetPlan, names: Sequence[str], rate: HostRates
    ) -> TargetPlan:
        """Return a plan that says which columns it is about, and after how many more queries they are stored.

        Only a re-run of all rows has in memory what can be stored.

        Parameters
        ----------
        record, facts, plan
            The intermediate.
        names
            The columns that the query asks for.
        rate
            This host's.
        """
        plan = replace(plan, asked=positions_of(facts, names))
        if record.is_kept or plan.strategy != "rerun" or plan.by_rows or plan.read_seconds is not None:
            return plan
        try:
            outlook = self._outlook(record, facts, plan, names, rate)
        except MistiqueError as error:
            log.warning("cannot tell when %s will be kept: %s", plan.label, error)
            return plan
        if outlook is None:
            return plan
        self._outlooks.put((record.ref.id, plan.asked), outlook)
        return replace(plan, kept_after=outlook.more)

    def _outlook(
        self, record: IntermediateRecord, facts: TargetFacts, plan: TargetPlan, names: Sequence[str], rate: HostRates
    ) -> _Outlook | None:
        if plan.rerun_seconds is None or (record.ref.id, record.created_at) in self._other_bits:
            return None
        missing = missing_positions(facts, names)
        with self._catalogue.read() as connection:
            unstored = unstored_of(connection, record.ref.id)
            limits = limits_of(connection, record, self._budget_bytes)
            if unstored is None or (record.gamma_min is None and not limits):
                return None
            otherwise = record.stored_bytes or record.logical_bytes
            alone = replace(unstored, columns=tuple(replace(column, users=1) for column in unstored.columns))
            added = amortised_bytes(alone, missing, otherwise)
            rooms = [look_at(connection, limit, int(added), rate, self._costs) for limit in limits]
        read = read_seconds_if_stored(facts, unstored, names, rate)
        amortised = amortised_bytes(unstored, missing, otherwise)
        needed = [queries_needed(plan.rerun_seconds, read, amortised, record.gamma_min or 0.0)]
        for room in rooms:
            worth = room.gamma_needed(record.ref.id, int(added))
            needed.append(None if worth is None else queries_needed(plan.rerun_seconds, read, added, worth))
        queries = self._uses(record.ref.id).of(plan.asked)
        most = None if None in needed else max(item for item in needed if item is not None)
        saved = gamma(plan.rerun_seconds, read, queries + 1, added)
        return _Outlook(missing, queries, queries_until_kept(most, queries), saved, rooms)

    def keep(
        self, record: IntermediateRecord, facts: TargetFacts, plan: TargetPlan, made: Rerun | RerunUnits
    ) -> TargetPlan:
        """Store what a re-run has made, if this is the foreseen query; return the plan, which then says so.

        That it cannot be stored is logged, and fails no query.
        """
        outlook = self._outlooks.get((record.ref.id, plan.asked))
        if plan.kept_after != 1 or outlook is None:
            return plan
        try:
            with self._catalogue.read() as connection:
                kept = kept_columns(connection, record.ref.id)
            wanted = set(outlook.missing if outlook.rooms else plan.asked) - kept.keys()
            guard = BudgetGuard(self._reader, record.ref.id, outlook.gamma, outlook.rooms)
            if isinstance(made, Rerun):
                names = {column.position: name for name, column in facts.columns.items() if column.position in wanted}
                keep_frame(self._committer, record, made.frame, names, guard)
            else:
                encoded = self._encoded(record, facts, made, wanted)
                if encoded is None:
                    return plan
                keep_units(self._committer, record, encoded, guard)
        except MistiqueError as error:
            log.warning("%s could not be kept: %s", plan.label, error)
            return plan
        self._costs.clear()
        return replace(plan, reason=f"{plan.reason[:-1]}; it is kept from now on, after {outlook.queries + 1} queries.")

    def _encoded(
        self, record: IntermediateRecord, facts: TargetFacts, made: RerunUnits, wanted: Collection[int]
    ) -> EncodedUnits | None:
        """Return groups of units as they were recorded; ``None``, from then on, where this machine gives other bits."""
        columns = list(facts.columns.values())
        assert made.whole is not None
        with self._catalogue.read() as connection:
            codec = codec_of(connection, self._reader, record, columns)
            batch_rows = batch_rows_of(connection, record, codec)
            pooling = pooling_of(connection, record, codec)
        encoded = encode_units(made.whole, codec, wanted, batch_rows, pooling)
        recorded = recorded_addresses(columns)
        if all(column.address == recorded[position] for position, column in encoded.columns.items()):
            return encoded
        self._other_bits.add((record.ref.id, record.created_at))
        log.warning(
            "%s is not kept: this machine's re-run differs from what was recorded in the last bits",
            record.ref.intermediate,
        )
        return None
