"""One traced run, from its begin to its end."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from mistique_core.modeldb.client.event_buffer import EventSink
from mistique_core.modeldb.client.replaced import Replaced
from mistique_core.modeldb.client.tracker import Tracker

_lock = threading.RLock()
_active: list[TracedRun] = []

Patch = Callable[[Replaced, Tracker], None]


class TracedRun:
    """A run that is being recorded; a context manager, which ends it.

    Only one is active at a time: beginning another ends it, and so does the end of the interpreter.

    Parameters
    ----------
    sink
        Where its events go.
    patches
        What to replace in other packages while it lasts.
    close
        Called at its end.

    Attributes
    ----------
    run
        Its recorder: ``run.id``, ``run.label``.
    tracker
        Makes its events.
    """

    def __init__(self, sink: EventSink, patches: tuple[Patch, ...], close: Callable[[], None] | None = None) -> None:
        self.run: Any = sink
        self.tracker = Tracker(sink)
        self._replaced = Replaced()
        self._close = close
        with _lock:
            stop_active()
            try:
                for patch in patches:
                    patch(self._replaced, self.tracker)
            except BaseException:
                self._replaced.put_back()
                raise
            _active.append(self)
            self.tracker.buffer.start()

    def __enter__(self) -> TracedRun:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.stop(None if error is None else f"{type(error).__name__}: {error}")

    @property
    def is_active(self) -> bool:
        """Whether calls are still recorded."""
        return not self.tracker.is_stopped

    def flush(self) -> None:
        """Write what was recorded so far. Later calls do not add to these events.

        Raises
        ------
        MistiqueError
            If it cannot be written; it is kept, and tried again.
        """
        self.tracker.buffer.flush()

    def stop(self, error: str | None = None) -> None:
        """End the run: everything is written, and what was replaced in other packages is put back. May be repeated.

        Parameters
        ----------
        error
            Why the script failed; ``None`` for a success.
        """
        with _lock:
            if self.tracker.is_stopped:
                return
            self.tracker.is_stopped = True
            if self in _active:
                _active.remove(self)
            self._replaced.put_back()
        if os.getpid() != self.tracker.process:
            return  # a fork: the run is its parent's
        self.tracker.buffer.stop(error)
        if self._close is not None:
            self._close()


def active_run() -> TracedRun | None:
    """Return the run that is being recorded, or ``None``."""
    return _active[-1] if _active else None


def stop_active(error: str | None = None) -> None:
    """End the run that is being recorded, if there is one."""
    run = active_run()
    if run is not None:
        run.stop(error)


def _at_exit() -> None:
    error = None if hasattr(sys, "ps1") else getattr(sys, "last_value", None)
    stop_active(None if error is None else f"{type(error).__name__}: {error}")


atexit.register(_at_exit)
