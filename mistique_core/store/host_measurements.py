"""What this host has measured: loaded when a store is opened, learned from every query, saved for the next process."""

from __future__ import annotations

import logging
import platform
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.measurements import load_rates, save_rates
from mistique_core.config import StoreConfig
from mistique_core.cost import QUERY, HostRates, Rate, StageCost, Work, add_work, learn, learn_stage
from mistique_core.engine.calibrate import calibrate
from mistique_core.engine.chunk_reader import ReadTally
from mistique_core.engine.rerun_tally import RerunTally
from mistique_core.errors import CatalogueError, CatalogueUnavailableError, StorageError
from mistique_core.planner import TargetPlan
from mistique_core.storage import LocalBackend, StorageBackend

log = logging.getLogger(__name__)

WORKER, STORE, STORE_BYTES = "worker", "store", "store.bytes"
"""Work of a process that re-runs row blocks: loading what the stages need, and storing, once and for each byte."""
_UNMEASURED = {WORKER: Rate(15.0), STORE: Rate(0.2), STORE_BYTES: Rate(2e-8)}
"""Until a host has measured them: TensorFlow is imported in 10 to 25 s, and 50 MB of values are stored in a second."""


class HostMeasurements:
    """The rates of this host; safe to use from several threads.

    Parameters
    ----------
    rates
        Those known so far.

    Attributes
    ----------
    rates
        Those known now.
    """

    def __init__(self, rates: HostRates) -> None:
        self.rates = rates
        self._changed: dict[str, Rate] = {}
        self._lock = threading.Lock()

    @classmethod
    def load(cls, catalogue: Catalogue, config: StoreConfig, backend: StorageBackend) -> HostMeasurements:
        """Return what this host has measured; calibrate it first where it never was."""
        host = platform.node()
        with catalogue.read() as connection:
            rates = load_rates(connection, host)
        if QUERY not in rates.rates:
            rates = rates.with_rates(cls._calibrate(catalogue, config, backend, host))
        return cls(rates)

    @staticmethod
    def _calibrate(catalogue: Catalogue, config: StoreConfig, backend: StorageBackend, host: str) -> dict[str, Rate]:
        """Measure this host, and save it for its next process.

        Whoever may only read has no place to write to: the storage is then timed with a file in a temporary folder,
        and each process measures again.
        """
        try:
            measured = calibrate(backend, config.zstd_level)
        except StorageError as error:
            log.info("the store's place is not written to, so a temporary folder is measured: %s", error)
            with tempfile.TemporaryDirectory(prefix="mistique-") as folder:
                measured = calibrate(LocalBackend(Path(folder)), config.zstd_level)
        try:
            with catalogue.write() as connection:
                save_rates(connection, host, measured)
        except (CatalogueError, CatalogueUnavailableError) as error:
            log.info("the catalogue is not written to, so the rates of this host are not kept: %s", error)
        return measured

    def learn_read(self, targets: list[TargetPlan], fetched: ReadTally, seconds: float) -> None:
        """Learn from a query that read all its targets.

        Parameters
        ----------
        targets
            Their plans.
        fetched
            What really came from storage: not what was cached.
        seconds
            Wall time of the query.
        """
        planned = add_work(*(target.read_work for target in targets))
        work = _fetched_work({**planned, QUERY: 1.0}, fetched)
        if work is not None:
            self._take(learn(self.rates, work, seconds))

    def learn_rerun(
        self, plan: TargetPlan, costs: dict[int, StageCost], took: RerunTally, seconds: float, *, warm: bool
    ) -> None:
        """Learn from a query that re-ran its only target.

        Parameters
        ----------
        plan
            Its plan.
        costs
            Recorded costs of its stages.
        took
            What the stages took.
        seconds
            Wall time of the query.
        warm
            Whether the query did nothing besides, such as looking up its target for the first time.
        """
        for measured in took.stages:
            self._take(learn_stage(costs[measured.stage], self.rates, measured))
        work = _fetched_work(plan.frontier_work, took.read)
        if work is not None:
            self._take(learn(self.rates, work, took.reading_seconds))
        if warm and all(taken.load_seconds is None or costs[taken.stage].kind == "frame" for taken in took.stages):
            self._take(learn(self.rates, {QUERY: 1.0, **plan.around_work}, seconds - took.seconds))

    def learn_blocks(
        self,
        costs: Mapping[int, StageCost],
        took: RerunTally,
        worker_seconds: float | None,
        stored: tuple[float, float],
    ) -> None:
        """Learn from row blocks that were re-run and stored.

        Parameters
        ----------
        costs
            Recorded costs of the stages.
        took
            What the stages took.
        worker_seconds
            What this process has loaded besides the stages themselves; ``None`` where it had done so before.
        stored
            Bytes of values that were encoded and stored, and the seconds of that.
        """
        for measured in took.stages:
            self._take(learn_stage(costs[measured.stage], self.rates, replace(measured, load_seconds=None)))
        if worker_seconds is not None:
            self._take(learn(with_block_rates(self.rates), {WORKER: 1.0}, worker_seconds))
        size, seconds = stored
        self._take(learn(with_block_rates(self.rates), {STORE: 1.0, STORE_BYTES: size}, seconds))

    def _take(self, changed: dict[str, Rate]) -> None:
        with self._lock:
            self.rates = self.rates.with_rates(changed)
            self._changed.update(changed)

    def save(self, connection: sa.Connection) -> None:
        """Save what has changed since the last time; what cannot be written is tried again the next time."""
        with self._lock:
            changed = dict(self._changed)
        save_rates(connection, platform.node(), changed)
        with self._lock:
            self._changed = {term: rate for term, rate in self._changed.items() if changed.get(term) != rate}


def with_block_rates(rates: HostRates) -> HostRates:
    """Return rates with those of re-running row blocks, where a host has not measured them yet."""
    return HostRates({**_UNMEASURED, **rates.rates})


def _fetched_work(planned: Work, fetched: ReadTally) -> dict[str, float] | None:
    """Return the planned work, reduced to what was not cached; ``None`` where everything was."""
    if not fetched.chunks or not fetched.stored_bytes:
        return None
    chunks = sum(amount for term, amount in planned.items() if term.startswith("chunk."))
    stored = sum(amount for term, amount in planned.items() if term.startswith("stored."))
    shares = {
        "chunk": min(1.0, fetched.chunks / chunks) if chunks else 1.0,
        "stored": min(1.0, fetched.stored_bytes / stored) if stored else 1.0,
    }
    shares["decoded"] = shares["stored"]
    return {term: amount * shares.get(term.partition(".")[0], 1.0) for term, amount in planned.items()}
