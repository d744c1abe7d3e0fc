"""Repeat what may succeed the next time, with growing random pauses."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

log = logging.getLogger(__name__)

_LONGEST_WAIT_SECONDS = 15.0


@dataclass(frozen=True)
class Retries:
    """How often, and how long.

    Attributes
    ----------
    tries
        Most attempts, the first included.
    first_wait_seconds
        Longest pause before the second attempt; it doubles with each further one, up to 15 s.
    total_seconds
        No attempt starts later than this after the first one.
    """

    tries: int
    first_wait_seconds: float
    total_seconds: float

    def attempts(self) -> Iterator[int]:
        """Yield the number of each attempt from 0, pausing before all but the first.

        The caller leaves the loop when it has succeeded; the loop ends when nothing is left to try.
        """
        start = time.monotonic()
        for attempt in range(self.tries):
            if attempt:
                longest = min(self.first_wait_seconds * 2 ** (attempt - 1), _LONGEST_WAIT_SECONDS)
                wait = longest * (0.5 + secrets.randbelow(1000) / 2000)
                if time.monotonic() - start + wait > self.total_seconds:
                    return
                time.sleep(wait)
            yield attempt
