"""Reports of DAG runs that the catalogue could not take at once: kept in memory, in order, and tried again.

A busy or unreachable catalogue must cost the scheduler neither its time nor the record. What is still kept when the
scheduler ends is filled in by :mod:`operators.reconcile`.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mistique_core.errors import CatalogueUnavailableError, ConflictError

if TYPE_CHECKING:
    from mistique_core.modeldb import RunReport

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
PASSING = (CatalogueUnavailableError, ConflictError)
"""Errors after which the same report may be written later."""
MOST_REPORTS = 10_000
"""Beyond, the oldest are let go: a report takes some kilobytes."""


@dataclass(frozen=True)
class LateReport:
    """One report, and whether a run that is not recorded yet is added."""

    report: RunReport
    create: bool

    def __str__(self) -> str:
        return f"run {self.report.run_id} of {self.report.dag_id}"


class LateReports:
    """Writes reports in the order in which they came, in a thread that lives while there are any.

    Parameters
    ----------
    write
        Writes one report, or raises. After an error of `PASSING` it is called again, each time later; after any other
        one the report is let go, so that those behind it are written.
    """

    def __init__(self, write: Callable[[LateReport], None]) -> None:
        self._write = write
        self._waiting: deque[LateReport] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_stopped = False

    def __bool__(self) -> bool:
        """Return whether some are waiting: then a new report has to wait behind them."""
        return bool(self._waiting)

    def add(self, late: LateReport) -> None:
        """Keep a report until it is written; returns at once."""
        with self._changed:
            self._waiting.append(late)
            if len(self._waiting) > MOST_REPORTS:
                oldest = self._waiting.popleft()
                log.error("MISTIQUE keeps no more than %d reports; reconcile will record %s", MOST_REPORTS, oldest)
            if self._thread is None and not self._is_stopped:
                self._thread = threading.Thread(target=self._write_all, name="mistique-late-reports", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Try once more what is waiting, then give it up."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()
        if self._waiting:
            log.error("MISTIQUE could not record %d states of DAG runs; reconcile will", len(self._waiting))

    def _write_all(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            with self._changed:
                if not self._waiting:
                    self._thread = None
                    return
                if not self._is_stopped:
                    self._changed.wait(pause)
                late, is_last_try = self._waiting[0], self._is_stopped
            try:
                self._write(late)
            except PASSING as error:
                log.warning("MISTIQUE still could not record %s: %s", late, error)
                if is_last_try:
                    return
                pause = min(max(2 * pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
                continue
            except Exception:
                log.exception("MISTIQUE could not record %s; reconcile will", late)
            pause = 0.0
            with self._changed:
                if self._waiting and self._waiting[0] is late:
                    self._waiting.popleft()
