"""The facade's calls that re-run an intermediate by ranges of row blocks, each range in another process."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.captures import CaptureEndedError, OpenCapture
from mistique_core.catalogue.chunks import ChunksGoneError
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.facts import TargetFacts, gather_facts
from mistique_core.catalogue.intermediates import IntermediateRecord, find_intermediate
from mistique_core.catalogue.letting_go import unstored_of
from mistique_core.config import StoreConfig
from mistique_core.cost import HostRates, gamma
from mistique_core.engine.block_rerun import BlockRerun
from mistique_core.engine.budget import BudgetGuard, NoRoomError, Room, limits_of, look_at
from mistique_core.engine.commit import Committer
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.lru import LruCache
from mistique_core.engine.rerun_tally import RerunTally
from mistique_core.engine.row_blocks import RowBlocks, row_blocks_of
from mistique_core.engine.weigh import amortised_bytes, missing_positions, read_seconds_if_stored
from mistique_core.errors import ConflictError, InvalidInputError
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.planner import RerunSplit, SplitCosts, TargetPlan, plan_target, split_rerun
from mistique_core.store.host_measurements import STORE, STORE_BYTES, WORKER, HostMeasurements, with_block_rates
from mistique_core.store.query import QueryEngine
from mistique_core.store.selection import Selection
from mistique_core.store.use_counter import UseCounter

log = logging.getLogger(__name__)

_MOST_TRIES = 4
_COSTS_KEPT = 4_096
_SLOW_IMPORT = "tensorflow"


@dataclass(frozen=True)
class BlocksReport:
    """What one process has done for a re-run that several share.

    Attributes
    ----------
    key
        The intermediate, with its version.
    blocks
        Row blocks that this call has re-run and stored; those that were stored before are not repeated.
    done, of
        Row blocks that all processes have stored so far, and how many there are.
    seconds
        What the call took.
    is_kept
        Whether the intermediate is kept now, so that it is read.
    reason
        Why it is not, although all row blocks are done; else empty.
    """

    key: str
    blocks: int
    done: int
    of: int
    seconds: float
    is_kept: bool
    reason: str = ""


@dataclass(frozen=True)
class PlannedBlocks:
    """A re-run of a whole intermediate that a query asks for, and how it can be divided.

    Attributes
    ----------
    key
        The intermediate, with its version.
    blocks
        Its row blocks; 0 where it cannot be re-run by row blocks.
    split
        Which ranges of them are worth a worker, and why.
    """

    key: str
    blocks: int
    split: RerunSplit


class RerunsBlocks:
    """What :class:`Mistique` can re-run in parts."""

    config: StoreConfig
    catalogue: Catalogue
    committer: Committer
    frame_reader: FrameReader
    _measured: HostMeasurements
    _queries: QueryEngine
    _uses: UseCounter

    def plan_blocks(
        self,
        keys: str | IntermediateKey | Iterable[str | IntermediateKey],
        *,
        workers: int = 2,
        row_id: npt.ArrayLike | None = None,
    ) -> list[PlannedBlocks]:
        """Return the intermediates that a query would re-run as a whole, and how workers could share that.

        Nothing is read or re-run but row ids, where `row_id` names rows.

        Parameters
        ----------
        keys, row_id
            What the query asks for, as in :meth:`Mistique.get_intermediates`.
        workers
            Most workers for each intermediate, from 1.

        Raises
        ------
        InvalidInputError
            If a key is malformed, or there is no worker.
        NotFoundError
            If something that a key names, or a row id, does not exist.
        """
        wanted = [keys] if isinstance(keys, (str, IntermediateKey)) else list(keys)
        found: dict[int, tuple[IntermediateRecord, list[IntermediateKey]]] = {}
        with self.catalogue.read() as connection:
            for key in map(IntermediateKey.parse, wanted):
                record = find_intermediate(connection, key)
                found.setdefault(record.ref.id, (record, []))[1].append(key)
        planned = []
        for record, own in found.values():
            if record.is_kept:
                continue
            (target,) = self._queries.plan(own, Selection.of(row_id, None, None), "auto").targets
            if target.strategy == "rerun" and not target.by_rows:
                planned.append(self._divided(record, workers))
        return planned

    def rerun_blocks(self, key: str | IntermediateKey, *, blocks: Iterable[int] | None = None) -> BlocksReport:
        """Re-run some row blocks of an intermediate that is not kept, and store them under the recorded addresses.

        Several processes may each call it with other row blocks, in any order. What they store belongs to nothing, and
        is kept by :meth:`Mistique.gc`, until all row blocks are there; the call that finds that compares them with what
        was recorded, and the intermediate is kept again. So a call that is repeated, or was killed, does no harm: row
        blocks that are stored are not run again. A re-run that nobody goes on with for three days is given up by `gc`.

        Parameters
        ----------
        key
            The intermediate; a column in it does not matter.
        blocks
            Numbers of row blocks, from 0; ``None`` for all. A row block is a batch of the recorded forward pass.

        Raises
        ------
        InvalidInputError
            If it is a table whose rows need all others, or there is no such row block.
        NotFoundError
            If there is no such intermediate.
        RerunError
            If it cannot be re-run.
        RerunMismatchError
            If the row blocks together are not what was recorded; nothing of them then stays.
        StorageError
            If bytes cannot be written.
        """
        start = time.perf_counter()
        is_fresh = _SLOW_IMPORT not in sys.modules
        with self.catalogue.read() as connection:
            record = find_intermediate(connection, IntermediateKey.parse(key))
            work = row_blocks_of(connection, self.frame_reader, self._queries.units, record)
            facts = gather_facts(connection, record)
        numbers = _checked(blocks, work, record)
        opening = time.perf_counter() - start if is_fresh else None
        done, count, reason = work.count, 0, ""
        if not record.is_kept:
            done, count, reason = self._share(facts, work, numbers, opening)
            self._queries.forget()
        with self.catalogue.read() as connection:
            is_kept = find_intermediate(connection, _pinned(record)).is_kept
        seconds = time.perf_counter() - start
        reason = "" if is_kept else reason
        return BlocksReport(_name(record), count, done, work.count, seconds, is_kept, reason)

    def _share(
        self, facts: TargetFacts, work: RowBlocks, numbers: Sequence[int], opening: float | None
    ) -> tuple[int, int, str]:
        """Return how many row blocks are done by all, how many by this call, and why it is not kept."""
        record, count = facts.record, 0
        rerun = BlockRerun(self.catalogue, self.committer, record, work)
        try:
            opened = rerun.begin()
            for tries_left in reversed(range(_MOST_TRIES)):
                try:
                    count += self._store(rerun, opened, facts, work, numbers, opening)
                    return rerun.finish(opened, self._guard(facts)), count, ""
                except (ChunksGoneError, ConflictError) as error:
                    if not tries_left:
                        raise
                    log.info("re-running what is missing of %s: %s", _name(record), error)
        except CaptureEndedError:
            with self.catalogue.read() as connection:
                if not find_intermediate(connection, _pinned(record)).is_kept:
                    raise
            log.info("%s: other processes have stored the rest", _name(record))
        except NoRoomError as error:
            rerun.give_up(opened)
            log.warning("%s is not kept: %s", _name(record), error)
            return work.count, count, str(error)
        return work.count, count, ""

    def _store(
        self,
        rerun: BlockRerun,
        opened: OpenCapture,
        facts: TargetFacts,
        work: RowBlocks,
        numbers: Sequence[int],
        opening: float | None,
    ) -> int:
        """Re-run and store those row blocks that nobody has stored, and learn from what that took."""
        left = rerun.missing(opened, numbers)
        if not left:
            return 0
        start, took = time.perf_counter(), RerunTally()
        plan, load_seconds = _plan(facts, self._measured.rates)
        with self.catalogue.read() as connection:
            count = rerun.store(opened, work.run(connection, plan, left, took))
        storing = time.perf_counter() - start - took.seconds
        rows = sum(min(work.rows, facts.record.ref.rows - number * work.rows) for number in left)
        size = facts.record.logical_bytes * rows / max(facts.record.ref.rows, 1)
        loading = sum(item.load_seconds or 0.0 for item in took.stages)
        costs = {stage: fact.cost for stage, fact in facts.stages.items()}
        worker = None if opening is None else opening + loading - load_seconds
        self._measured.learn_blocks(costs, took, worker, (size, storing))
        return count

    def _guard(self, facts: TargetFacts) -> BudgetGuard:
        """Return what keeps the budgets when a whole intermediate is kept again."""
        record = facts.record
        with self.catalogue.read() as connection:
            needs = self._needs_of(connection, facts)
        rooms = [] if needs is None else needs.rooms
        return BudgetGuard(self.frame_reader, record.ref.id, 0.0 if needs is None else needs.gamma, rooms)

    def _needs_of(self, connection: sa.Connection, facts: TargetFacts) -> _Needs | None:
        """Return what keeping a whole intermediate again takes; ``None`` if it is kept meanwhile."""
        record, rates, names = facts.record, self._measured.rates, list(facts.columns)
        unstored = unstored_of(connection, record.ref.id)
        if unstored is None:
            return None
        missing = missing_positions(facts, names)
        alone = replace(unstored, columns=tuple(replace(column, users=1) for column in unstored.columns))
        added = amortised_bytes(alone, missing, record.stored_bytes or record.logical_bytes)
        read = read_seconds_if_stored(facts, unstored, names, rates)
        limits = limits_of(connection, record, self.config.budget_bytes)
        rooms = [look_at(connection, limit, int(added), rates, LruCache(_COSTS_KEPT)) for limit in limits]
        queries = self._uses.of(record.ref.id).of(missing) + 1
        saved = gamma(_plan(facts, rates)[0].rerun_seconds or 0.0, read, queries, added)
        return _Needs(read, added, saved, rooms)

    def _divided(self, record: IntermediateRecord, workers: int) -> PlannedBlocks:
        """Return how the re-run of an intermediate is divided, if it can be."""
        rates = self._measured.rates
        with self.catalogue.read() as connection:
            facts = gather_facts(connection, record)
            plan, load_seconds = _plan(facts, rates)
            whole = plan.rerun_seconds or 0.0
            try:
                work = row_blocks_of(connection, self.frame_reader, self._queries.units, record)
            except InvalidInputError as error:
                return PlannedBlocks(_name(record), 0, RerunSplit((), whole, whole, f"{error}."))
            needs = self._needs_of(connection, facts)
        obstacle = _obstacle(record, needs)
        if obstacle or needs is None:
            return PlannedBlocks(_name(record), work.count, RerunSplit((), whole, whole, obstacle))
        known = with_block_rates(rates)
        costs = SplitCosts(
            rerun_seconds=whole - load_seconds,
            load_seconds=load_seconds,
            worker_seconds=known.seconds({WORKER: 1.0, STORE: 1.0}),
            store_seconds=known.seconds({STORE_BYTES: float(record.logical_bytes)}),
            read_seconds=needs.read_seconds,
        )
        return PlannedBlocks(_name(record), work.count, split_rerun(work.count, workers, costs))


@dataclass(frozen=True)
class _Needs:
    """What keeping an intermediate again takes.

    Attributes
    ----------
    read_seconds
        Of reading all of it then.
    added_bytes
        Encoded bytes of what is missing.
    gamma
        What keeping it saves, in seconds per GB.
    rooms
        The budgets to respect.
    """

    read_seconds: float
    added_bytes: float
    gamma: float
    rooms: Sequence[Room]


def _obstacle(record: IntermediateRecord, needs: _Needs | None) -> str:
    """Return why a re-run must not be stored; empty if it may be."""
    if needs is None:
        return "it is kept meanwhile."
    if record.rerun_equal is False:
        return "its last re-run gave other values than were recorded, so that nothing of it can be stored."
    for room in needs.rooms:
        worth = room.gamma_needed(record.ref.id, int(needs.added_bytes))
        if worth is None or worth > needs.gamma:
            return f"the budget of {room.limit.limit_bytes} bytes has no room for it."
    return ""


def _plan(facts: TargetFacts, rates: HostRates) -> tuple[TargetPlan, float]:
    """Return the plan of re-running all rows in a process that has nothing loaded, and its seconds of loading.

    Raises
    ------
    RerunError
        If a stage on the way cannot be re-run.
    """
    target, names = facts.record.ref.id, list(facts.columns)
    plan = plan_target(target, facts.facts(names, rates), "rerun")
    loaded = plan_target(target, facts.facts(names, rates, set(facts.stages)), "rerun")
    return plan, max((plan.rerun_seconds or 0.0) - (loaded.rerun_seconds or 0.0), 0.0)


def _checked(blocks: Iterable[int] | None, work: RowBlocks, record: IntermediateRecord) -> list[int]:
    """Return numbers of row blocks, in order and each once."""
    every = range(work.count)
    wanted = list(every) if blocks is None else sorted({int(block) for block in blocks})
    beyond = [block for block in wanted if block not in every]
    if beyond:
        raise InvalidInputError(
            f"row block {beyond[0]} does not exist: {record.ref.rows} rows of {_name(record)} are {work.count} blocks "
            f"of {work.rows}, numbered from 0"
        )
    return wanted


def _pinned(record: IntermediateRecord) -> IntermediateKey:
    """Return the key of an intermediate of this very version."""
    ref = record.ref
    return IntermediateKey(ref.project, ref.model, ref.intermediate, version=ref.version)


def _name(record: IntermediateRecord) -> str:
    """Return that key as text, without a column."""
    return str(_pinned(record)).removesuffix(f".{ALL_COLUMNS}")
