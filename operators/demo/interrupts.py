"""Ctrl-C and ``kill`` end a program in order, and not between two steps that belong together."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Turns both signals into a ``KeyboardInterrupt``, which can be put off."""

    def __init__(self) -> None:
        self._put_off = 0
        self._is_pending = False

    def listen(self) -> None:
        """Take both signals from now on, also where a shell made a background job ignore them; main thread only."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Within, a signal is only remembered; at the end of the outermost block it interrupts.

        Where the block raises, its own exception goes on instead.
        """
        self._put_off += 1
        try:
            yield
        finally:
            self._put_off -= 1
        if self._is_pending and not self._put_off:
            self._is_pending = False
            raise KeyboardInterrupt

    @contextmanager
    def ignored(self) -> Iterator[None]:
        """Within, signals do nothing: what ends the program is under way."""
        self._put_off += 1
        try:
            yield
        finally:
            self._put_off -= 1
            self._is_pending = False

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._put_off:
            self._is_pending = True
        else:
            raise KeyboardInterrupt
