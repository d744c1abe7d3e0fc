"""What keeping columns costs and saves: the terms of gamma (thesis Eq. 5.5) from the catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import replace

import sqlalchemy as sa

from mistique_core.catalogue.column_use import Uses, uses_of
from mistique_core.catalogue.facts import TargetFacts, gather_facts
from mistique_core.catalogue.holdings import Column, Holdings
from mistique_core.catalogue.intermediates import UNSTORED, intermediate_by_id
from mistique_core.catalogue.stored_size import encoding_name
from mistique_core.catalogue.unstored import Unstored
from mistique_core.cost import PLAIN, ROWS_OF_PAGE, HostRates, StoredPart, gamma
from mistique_core.engine.lru import LruCache
from mistique_core.engine.unit_stream import UnitCodec
from mistique_core.errors import MistiqueError
from mistique_core.frames import LogicalType
from mistique_core.materialization import Holder, levels
from mistique_core.planner import TargetPlan, plan_target


def plan_without(
    facts: TargetFacts, gone: Set[int], rate: HostRates, *, names: Sequence[str] | None = None, rows: int | None = None
) -> TargetPlan:
    """Return the plan of re-running an intermediate when some are not kept.

    Parameters
    ----------
    facts
        Of the intermediate and its ancestors.
    gone
        Ids of intermediates that are not kept.
    rate
        This host's.
    names
        The columns that reading would fetch; ``None`` for all.
    rows
        How many rows are wanted; ``None`` for all.

    Raises
    ------
    RerunError
        If a stage on the way cannot be re-run.
    """
    target = facts.record.ref.id
    known = facts.facts(list(facts.columns) if names is None else names, rate)
    left = {
        item: replace(fact, materialized=fact.materialized and (item not in gone or item == target))
        for item, fact in known.intermediates.items()
    }
    return plan_target(target, replace(known, intermediates=left), "rerun", rows)


def rerun_seconds(facts: TargetFacts, gone: Set[int], rate: HostRates) -> float:
    """Return the estimate of re-running all rows when some intermediates are not kept; infinite if there is no way."""
    try:
        return plan_without(facts, gone, rate).rerun_seconds or 0.0
    except MistiqueError:
        return float("inf")


def names_at(facts: TargetFacts, positions: Collection[int]) -> list[str]:
    """Return the names of what is stored at some positions: of a group of units all of them."""
    wanted = set(positions)
    return [name for name, column in facts.columns.items() if column.position in wanted]


def positions_of(facts: TargetFacts, names: Iterable[str]) -> tuple[int, ...]:
    """Return where columns are stored, each place once, in order."""
    return tuple(sorted({facts.columns[name].position for name in names}))


def read_seconds_if_stored(facts: TargetFacts, unstored: Unstored, names: Sequence[str], rate: HostRates) -> float:
    """Return the estimate of reading all rows of columns of which some are not stored, if they were.

    Parameters
    ----------
    facts
        Of the intermediate.
    unstored
        What it is not kept of.
    names
        The columns.
    rate
        This host's.
    """
    known = facts.facts(names, rate)
    target = facts.record.ref.id
    fact = known.intermediates[target]
    positions = missing_positions(facts, names)
    missing = [unstored.columns[position] for position in positions]
    size = sum(column.logical_bytes if column.stored_bytes is None else column.stored_bytes for column in missing)
    chunks = sum(column.chunks for column in missing)
    codec = UnitCodec.from_bytes(unstored.codec) if unstored.codec and positions else None
    parts = (*fact.parts, *(_part(facts, unstored, position, codec) for position in positions))
    stored = replace(
        fact, materialized=True, stored_bytes=fact.stored_bytes + size, chunks=fact.chunks + chunks, parts=parts
    )
    plan = plan_target(target, replace(known, intermediates={**known.intermediates, target: stored}), "read")
    return plan.read_seconds or 0.0


def _part(facts: TargetFacts, unstored: Unstored, position: int, codec: UnitCodec | None) -> StoredPart:
    """Return a column that is stored nowhere as the cost model would see it."""
    column, rows = unstored.columns[position], facts.record.ref.rows
    kind = LogicalType.from_json(column.logical_type).kind
    encoding = PLAIN if kind == "numeric" else kind
    fitted = None if codec is None else codec.fitted[position]
    if fitted is not None:
        encoding = encoding_name(fitted.config())
    size = column.logical_bytes if column.stored_bytes is None else column.stored_bytes
    block_rows = -(-rows // max(column.chunks, 1))
    pages = ROWS_OF_PAGE if encoding == PLAIN else None
    values = column.logical_bytes
    return StoredPart(encoding, size, column.chunks, values, values, rows, block_rows, pages)


def missing_positions(facts: TargetFacts, names: Iterable[str]) -> tuple[int, ...]:
    """Return the positions of those columns that are stored nowhere."""
    return tuple(sorted({facts.columns[name].position for name in names if facts.columns[name].version.id == UNSTORED}))


def amortised_bytes(unstored: Unstored, positions: Iterable[int], otherwise: float) -> float:
    """Return S of thesis Eq. 5.5 for columns that were let go.

    Parameters
    ----------
    unstored
        What is known of them.
    positions
        Which.
    otherwise
        Bytes of all columns together, where those of each were not recorded.
    """
    total = sum(column.logical_bytes for column in unstored.columns)
    found = 0.0
    for position in positions:
        column = unstored.columns[position]
        if column.stored_bytes is None:
            found += otherwise * column.logical_bytes / max(total, 1)
        else:
            found += column.stored_bytes / max(column.users, 1)
    return found


Costs = LruCache[tuple[int, ...], tuple[float, float]]
"""Remembers (seconds to re-run, seconds to read) of an intermediate's id and the ids of column versions of it."""


def weigh_holdings(connection: sa.Connection, holdings: Holdings, rate: HostRates, known: Costs) -> list[Holder]:
    """Return what is kept of what can be re-run with its gamma, columns that were asked for equally often together.

    Bytes are amortised over those that hold them here. What nobody has asked for counts as asked for once.

    Parameters
    ----------
    connection
        A connection.
    holdings
        What is kept.
    rate
        This host's.
    known
        Costs that were estimated before, and are not again: queries are counted anew, seconds hardly change.
    """
    owners: dict[int, list[int]] = {}
    for item, position in holdings.columns:
        owners.setdefault(item, []).append(position)
    users = users_of(holdings)
    uses = uses_of(connection, owners)
    found = []
    for item, positions in owners.items():
        for count, group in grouped(positions, uses.get(item, Uses())):
            columns = {(item, position): holdings.columns[item, position] for position in group}
            key = (item, *columns.values())
            cost = known.get(key)
            if cost is None:
                cost = _cost(connection, item, group, rate)
                known.put(key, cost)
            rerun, read = cost
            size = sum(holdings.stored.total([version]) / users[version] for version in columns.values())
            worth = gamma(rerun, read, max(count, 1), size)
            found.append(Holder((item, group), worth, holdings.stored.union(columns.values())))
    return found


def _cost(connection: sa.Connection, item: int, positions: Collection[int], rate: HostRates) -> tuple[float, float]:
    facts = gather_facts(connection, intermediate_by_id(connection, item))
    read = plan_without(facts, frozenset(), rate, names=names_at(facts, positions)).read_seconds or 0.0
    return rerun_seconds(facts, frozenset(), rate), read


def grouped(positions: Iterable[int], uses: Uses) -> list[tuple[int, tuple[int, ...]]]:
    """Return (queries, positions) of columns that were asked for equally often, the most asked for first."""
    ordered = sorted(positions)
    counts = [uses.of([position]) for position in ordered]
    return [(count, tuple(ordered[place] for place in places)) for count, places in levels(counts)]


def held_by_others(holdings: Holdings, going: Iterable[Column]) -> frozenset[int]:
    """Return the chunks of everything in `holdings` but some columns."""
    left = set(going)
    return holdings.stored.union(version for column, version in holdings.columns.items() if column not in left)


def users_of(holdings: Holdings) -> Mapping[int, int]:
    """Return column version -> how many intermediates of `holdings` refer to it."""
    return Counter(holdings.columns.values())
