"""Run something before a page is read, not too often, and never at the page's expense."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

MINIMUM_INTERVAL_SECONDS = 5.0


class Throttled:
    """Calls `action` at most every 5 s; one caller at a time, and its errors are only logged."""

    def __init__(self, action: Callable[[], None] | None, interval_seconds: float = MINIMUM_INTERVAL_SECONDS) -> None:
        self._action = action
        self._interval_seconds = interval_seconds
        self._due_at = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Call the action if it is due and nobody else is calling it."""
        if self._action is None or not self._lock.acquire(blocking=False):
            return
        try:
            if time.monotonic() < self._due_at:
                return
            self._due_at = time.monotonic() + self._interval_seconds
            self._action()
        except Exception:
            log.exception("run states could not be brought up to date; the page shows what is recorded")
        finally:
            self._lock.release()
