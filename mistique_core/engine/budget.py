"""Keeping to budgets: counted and enforced in the transaction that registers what is kept."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from mistique_core.catalogue.facts import gather_facts
from mistique_core.catalogue.holdings import (
    Column,
    Holdings,
    kept_columns,
    load_holdings,
    store_budget,
)
from mistique_core.catalogue.intermediates import IntermediateRecord, columns_of, intermediate_by_id
from mistique_core.catalogue.letting_go import let_go
from mistique_core.cost import NO_RATES, HostRates
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.unit_keep import codec_of, is_layer
from mistique_core.engine.weigh import Costs, held_by_others, plan_without, users_of, weigh_holdings
from mistique_core.errors import CatalogueError, MistiqueError
from mistique_core.materialization import Holder, make_room, worth_of

log = logging.getLogger(__name__)

_MARGIN = 1.25
"""Encoding something again may take more than it took: what it was a difference to may be gone."""


class NoRoomError(CatalogueError):
    """Keeping something would exceed a budget, and what is kept is worth more."""


@dataclass(frozen=True)
class Limit:
    """A budget.

    Attributes
    ----------
    model_version_id
        The model version that it is for; ``None`` for the whole store.
    limit_bytes
        Encoded bytes.
    """

    model_version_id: int | None
    limit_bytes: int


def limits_of(connection: sa.Connection, record: IntermediateRecord, store_bytes: int | None) -> list[Limit]:
    """Return the budgets that keeping an intermediate has to respect.

    Parameters
    ----------
    connection
        A connection.
    record
        The intermediate.
    store_bytes
        Budget of the store in this process's settings; the one that was last enforced counts too, and the smaller one
        is respected.
    """
    found = [] if record.budget_bytes is None else [Limit(record.model_version_id, record.budget_bytes)]
    known = [item for item in (store_bytes, store_budget(connection)) if item is not None]
    return [*found, Limit(None, min(known))] if known else found


@dataclass(frozen=True)
class Room:
    """What a budget holds, as it was when a query was planned.

    Attributes
    ----------
    limit
        The budget.
    holdings
        What is kept.
    holders
        What is kept, with its gamma; nothing where all fits anyway.
    """

    limit: Limit
    holdings: Holdings
    holders: Sequence[Holder]

    def gamma_needed(self, intermediate: int, added_bytes: int) -> float | None:
        """Return the gamma from which on columns of an intermediate are kept: 0 if they fit; ``None`` for never."""
        excess = self.holdings.total() + added_bytes - self.limit.limit_bytes
        if excess <= 0:
            return 0.0
        others = [holder for holder in self.holders if holder.part[0] != intermediate]
        own = held_by_others(self.holdings, (column for holder in others for column in _columns(holder)))
        going = make_room(excess, others, own, self.holdings.stored.sizes)
        return None if going is None else max(worth_of(holder) for holder in going)


def look_at(connection: sa.Connection, limit: Limit, added_bytes: int, rate: HostRates, known: Costs) -> Room:
    """Return what a budget holds.

    Parameters
    ----------
    connection
        A connection.
    limit
        The budget.
    added_bytes
        Estimate of what is to be added: what is kept is weighed only if that may not fit.
    rate
        This host's.
    known
        Costs that were estimated before.
    """
    holdings = load_holdings(connection, limit.model_version_id)
    fits = holdings.total() + _MARGIN * added_bytes <= limit.limit_bytes
    return Room(limit, holdings, () if fits else weigh_holdings(connection, holdings, rate, known))


class BudgetGuard:
    """Makes room for what has just been registered, or refuses it.

    Parameters
    ----------
    reader
        Reads how layers are quantized.
    intermediate
        What is being kept; nothing of it goes.
    gamma
        What keeping it saves.
    rooms
        The budgets, and what they held when the query was planned.
    """

    def __init__(self, reader: FrameReader, intermediate: int, gamma: float, rooms: Sequence[Room]) -> None:
        self._reader = reader
        self._intermediate = intermediate
        self._gamma = gamma
        self._rooms = rooms

    def __call__(self, connection: sa.Connection) -> None:
        """Count again, and let go of what is worth least; called under the lock of budgets.

        Raises
        ------
        NoRoomError
            If what is kept is worth more.
        """
        for room in self._rooms:
            self._enforce(connection, room)

    def _enforce(self, connection: sa.Connection, room: Room) -> None:
        holdings = load_holdings(connection, room.limit.model_version_id)
        excess = holdings.total() - room.limit.limit_bytes
        if excess <= 0:
            return
        could_go = [holder for holder in room.holders if self._could_go(holder, holdings)]
        columns = [column for holder in could_go for column in _columns(holder)]
        going = make_room(excess, could_go, held_by_others(holdings, columns), holdings.stored.sizes)
        if going is None:
            raise NoRoomError(
                f"{excess} bytes more than the budget of {room.limit.limit_bytes} bytes, and what is kept saves more; "
                "give it a larger budget"
            )
        leaving: dict[int, set[int]] = {}
        for holder in going:
            leaving.setdefault(holder.part[0], set()).update(holder.part[1])
        for item, positions in leaving.items():
            release(connection, self._reader, item, positions, users_of(holdings))
        for item in leaving:
            _check_way(connection, item)

    def _could_go(self, holder: Holder, holdings: Holdings) -> bool:
        return (
            holder.part[0] != self._intermediate
            and worth_of(holder) <= self._gamma
            and all(column in holdings.columns for column in _columns(holder))
        )


def _columns(holder: Holder) -> list[Column]:
    return [(holder.part[0], position) for position in holder.part[1]]


def release(
    connection: sa.Connection,
    reader: FrameReader,
    item: int,
    positions: Collection[int],
    users: Mapping[int, int],
    gamma_min: float | None = None,
) -> None:
    """Let go of columns of an intermediate, in the caller's transaction.

    Parameters
    ----------
    connection
        The transaction.
    reader
        Reads how layers are quantized.
    item
        The intermediate.
    positions
        The columns.
    users
        Column version -> how many intermediates hold it.
    gamma_min
        From which gamma on they are to be kept again; ``None`` for what was recorded before.
    """
    record = intermediate_by_id(connection, item)
    columns = columns_of(connection, item)
    codec = b""
    if record.is_kept and is_layer(columns):
        codec = codec_of(connection, reader, record, columns).to_bytes()
    keep = kept_columns(connection, item).keys() - set(positions)
    threshold = record.gamma_min if gamma_min is None else gamma_min
    let_go(connection, item, keep, gamma_min=threshold, users=users, codec=codec)
    log.info("%s.%s: %d columns are let go", record.ref.model, record.ref.intermediate, len(set(positions)))


def _check_way(connection: sa.Connection, item: int) -> None:
    """Refuse what could not be re-run any more."""
    record = intermediate_by_id(connection, item)
    try:
        plan_without(gather_facts(connection, record), frozenset(), NO_RATES)
    except MistiqueError as error:
        raise NoRoomError(
            f"{record.ref.intermediate} cannot make room, because it could not be re-run: {error}"
        ) from error
