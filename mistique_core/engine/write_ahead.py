"""Encoding and writing in two threads of their own, while the caller makes what comes next."""

from __future__ import annotations

import logging
from collections.abc import Callable
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
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="mistique-encode-ahead")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="mistique-write-ahead")
        self._staged: StagedWrite | None = None
        self._jobs: list[Future[Future[None]]] = []

    def add(self, outputs: OutputSet) -> None:
        """Begin to encode some outputs, whose arrays must not change any more."""
        self.add_made(lambda: outputs)

    def add_made(self, make: Callable[[], OutputSet]) -> None:
        """Begin to encode the outputs that `make` will return; what it raises, :meth:`take` meets."""
        if self._staged is None:
            self._staged = self._committer.stage()
        self._jobs.append(self._encoder.submit(self._make_ready, self._staged, make))

    def _make_ready(self, staged: StagedWrite, make: Callable[[], OutputSet]) -> Future[None]:
        return self._writer.submit(staged.add, staged.encode(make()))

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
                job.result().result()
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
        self._encoder.shutdown()
        self._writer.shutdown()

    def _give_up(self, staged: StagedWrite | None, jobs: list[Future[Future[None]]]) -> None:
        for job in jobs:
            job.cancel()
        wait(jobs)
        if jobs:
            self._writer.submit(lambda: None).result()  # after all that they have handed on
        if staged is not None:
            self._committer.discard(staged)
