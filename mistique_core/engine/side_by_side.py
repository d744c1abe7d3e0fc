"""Work that the calling thread shares with a few others."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from mistique_core.cores import usable_cores

Made = TypeVar("Made")


class SideBySide:
    """Runs numbered pieces of work; safe to use from several threads.

    The calling thread works too, and waits for no thread that has not begun: so a short piece costs little more than
    without others, and threads that are busy with another caller's work hold nobody up.

    Parameters
    ----------
    most
        Most threads for one caller, itself included.
    """

    def __init__(self, most: int) -> None:
        self._others = min(usable_cores(), most) - 1
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def run(self, work: Callable[[int], Made], count: int) -> list[Made]:
        """Return ``work(number)`` for the numbers from 0 to `count` (exclusive), in order.

        The first error is raised when no thread works on it any more.
        """
        others = min(self._others, count - 1)
        if others < 1:
            return [work(number) for number in range(count)]
        made: dict[int, Made] = {}
        left = deque(range(count))

        def take() -> None:
            while (number := _next(left)) is not None:
                try:
                    made[number] = work(number)
                except BaseException:
                    left.clear()
                    raise

        pool = self._threads()
        futures: list[Future[None]] = [pool.submit(take) for _ in range(others)]
        try:
            take()
        finally:
            failed = [future.exception() for future in futures if not future.cancel()]
        for error in failed:
            if error is not None:
                raise error
        return [made[number] for number in range(count)]

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(max(1, self._others), "mistique-read")
            return self._pool

    def close(self) -> None:
        """Stop the threads; they start again with the next work."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown()
                self._pool = None


def _next(left: deque[int]) -> int | None:
    try:
        return left.popleft()
    except IndexError:  # another thread may have taken the last one since anybody looked
        return None
