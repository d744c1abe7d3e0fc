"""Encoding in a thread of its own, while the caller makes what comes next."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor, wait

from mistique_core.engine.commit import Committer
from mistique_core.engine.outputs import OutputSet
from mistique_core.engine.staged_write import StagedWrite
from mistique_core.errors import MistiqueError

log = logging.getLogger(__name__)


class WriteAhead:
    """Makes outputs ready, in the order in which they come, for a commit that follows.

    Parameters
    ----------
    committer
        Of the store.
    """

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mistique-write-ahead")
        self._staged: StagedWrite | None = None
        self._jobs: list[Future[None]] = []

    def add(self, outputs: OutputSet) -> None:
        """Begin to encode some outputs, whose arrays must not change any more."""
        if self._staged is None:
            self._staged = self._committer.stage()
        self._jobs.append(self._pool.submit(self._staged.add, outputs))

    def take(self) -> StagedWrite | None:
        """Wait for everything that was added, and hand it over.

        Returns
        -------
        StagedWrite or None
            ``None`` if it could not be made ready: the commit then does everything itself, and meets whatever
            stood in the way.
        """
        staged, jobs = self._staged, self._jobs
        self._staged, self._jobs = None, []
        try:
            for job in jobs:
                job.result()
        except MistiqueError as error:
            log.info("nothing was made ready: %s", error)
            self._give_up(staged, jobs)
            return None
        except BaseException:
            self._give_up(staged, jobs)
            raise
        return staged

    def close(self) -> None:
        """Stop, and give up what was not taken."""
        staged, jobs = self._staged, self._jobs
        self._staged, self._jobs = None, []
        self._give_up(staged, jobs)
        self._pool.shutdown()

    def _give_up(self, staged: StagedWrite | None, jobs: list[Future[None]]) -> None:
        for job in jobs:
            job.cancel()
        wait(jobs)
        if staged is not None:
            self._committer.discard(staged)
