"""What each intermediate is worth its bytes (gamma, thesis Eq. 5.5), and what a budget would let go next."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from mistique_core.catalogue.column_use import Uses
from mistique_core.catalogue.facts import TargetFacts, gather_facts
from mistique_core.catalogue.holdings import kept_columns, load_holdings, version_chunks
from mistique_core.catalogue.intermediates import IntermediateRecord, intermediate_by_id
from mistique_core.catalogue.layouts import unpack_versions
from mistique_core.catalogue.letting_go import unstored_of
from mistique_core.catalogue.tables import intermediate
from mistique_core.cost import HostRates, gamma
from mistique_core.engine.lru import LruCache
from mistique_core.engine.weigh import (
    Costs,
    amortised_bytes,
    read_seconds_if_stored,
    rerun_seconds,
    weigh_holdings,
)
from mistique_core.errors import MistiqueError
from mistique_core.planner import plan_target

log = logging.getLogger(__name__)

_COSTS_KEPT = 100_000


@dataclass(frozen=True)
class IntermediateWorth:
    """What keeping one intermediate costs and saves.

    Attributes
    ----------
    id
        The intermediate.
    label
        ``project.model@version.intermediate``.
    is_kept
        Whether all its columns are stored.
    queries
        Queries that asked for it so far: n_query.
    logical_bytes
        Bytes as logged.
    amortised_bytes
        Encoded bytes, each column shared among the intermediates that refer to it: S of Eq. 5.5.
    read_seconds
        Estimate of reading all of it; of one that is not kept: if it were.
    rerun_seconds
        Estimate of re-running it; ``None`` where it cannot be re-run.
    gamma
        Seconds of query time that it has saved per GB; ``None`` where it cannot be re-run, infinite where it costs
        nothing.
    """

    id: int
    label: str
    is_kept: bool
    queries: int
    logical_bytes: int
    amortised_bytes: float
    read_seconds: float
    rerun_seconds: float | None
    gamma: float | None


@dataclass(frozen=True)
class Leaving:
    """Columns that a budget lets go, in its order.

    Attributes
    ----------
    intermediate
        Its id.
    label
        ``project.model@version.intermediate``.
    columns
        How many of its columns.
    gamma
        What keeping them saves; what nobody has asked for counts as asked for once.
    freed_bytes
        Encoded bytes that nothing else holds, once all before it have gone.
    """

    intermediate: int
    label: str
    columns: int
    gamma: float
    freed_bytes: int


@dataclass(frozen=True)
class BudgetOutlook:
    """What counts in the budget, and in which order it would go.

    Attributes
    ----------
    held_bytes
        Encoded bytes of what was re-run, found equal, and is kept all the same.
    leaving
        The lowest gamma first.
    """

    held_bytes: int
    leaving: tuple[Leaving, ...]


def weigh_intermediates(
    connection: sa.Connection, ids: Sequence[int], uses: Callable[[int], Uses], rates: HostRates
) -> list[IntermediateWorth]:
    """Return what intermediates are worth, in the order of `ids`.

    Parameters
    ----------
    connection
        A connection.
    ids
        The intermediates.
    uses
        Takes an id; returns how often it was asked for.
    rates
        This host's.

    Raises
    ------
    NotFoundError
        If one does not exist.
    """
    records = [intermediate_by_id(connection, item) for item in ids]
    users = _users(connection)
    return [_weigh(connection, record, users, uses(record.ref.id), rates) for record in records]


def outlook(connection: sa.Connection, rates: HostRates, most: int) -> BudgetOutlook:
    """Return what counts in the store's budget, and the first `most` items in the order in which they would go."""
    holdings = load_holdings(connection, None)
    costs: Costs = LruCache(_COSTS_KEPT)
    holders = sorted(weigh_holdings(connection, holdings, rates, costs), key=lambda item: (item.gamma, item.part))
    left = Counter(chunk for holder in holders for chunk in holder.chunks)
    leaving = []
    for holder in holders[:most]:
        left.subtract(holder.chunks)
        freed = sum(holdings.stored.sizes[chunk] for chunk in holder.chunks if not left[chunk])
        item, positions = holder.part
        label = _label(intermediate_by_id(connection, item))
        leaving.append(Leaving(item, label, len(positions), holder.gamma, freed))
    return BudgetOutlook(holdings.total(), tuple(leaving))


def _weigh(
    connection: sa.Connection, record: IntermediateRecord, users: Counter[int], uses: Uses, rates: HostRates
) -> IntermediateWorth:
    facts = gather_facts(connection, record)
    own = kept_columns(connection, record.ref.id)
    size = _amortised(connection, own.values(), users)
    read = 0.0
    again = rerun_seconds(facts, frozenset(), rates)
    if record.is_kept:
        read = _read_seconds(facts, rates)
    else:
        unstored = unstored_of(connection, record.ref.id)
        if unstored is not None:
            read = read_seconds_if_stored(facts, unstored, list(facts.columns), rates)
            missing = [place for place in range(len(unstored.columns)) if place not in own]
            size += amortised_bytes(unstored, missing, record.stored_bytes or record.logical_bytes)
    possible = math.isfinite(again)
    return IntermediateWorth(
        record.ref.id,
        _label(record),
        record.is_kept,
        uses.queries,
        record.logical_bytes,
        size,
        read,
        again if possible else None,
        gamma(again, read, uses.queries, size) if possible else None,
    )


def _read_seconds(facts: TargetFacts, rates: HostRates) -> float:
    """Return the estimate of reading all of it, whether or not it can be re-run."""
    known = facts.facts(list(facts.columns), rates)
    try:
        return plan_target(facts.record.ref.id, known, "read").read_seconds or 0.0
    except MistiqueError as error:
        log.warning("there is no estimate of reading %s: %s", _label(facts.record), error)
        return 0.0


def _users(connection: sa.Connection) -> Counter[int]:
    """Return column version -> how many intermediates refer to it."""
    found: Counter[int] = Counter()
    query = sa.select(intermediate.c.columns).execution_options(yield_per=10_000)
    for packed in connection.scalars(query):
        found.update(set(unpack_versions(bytes(packed)).tolist()))
    return found


def _amortised(connection: sa.Connection, versions: Collection[int], users: Counter[int]) -> float:
    stored = version_chunks(connection, set(versions))
    return sum(stored.total([version]) / max(users[version], 1) for version in versions)


def _label(record: IntermediateRecord) -> str:
    ref = record.ref
    return f"{ref.project}.{ref.model}@{ref.version}.{ref.intermediate}"
