"""Events on their way into the catalogue: written about once a second by a thread of its own."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from mistique_core.errors import CatalogueUnavailableError
from mistique_core.model.event import StageEvent
from mistique_core.modeldb.client.callable_names import versions

log = logging.getLogger(__name__)

_INTERVAL_SECONDS = 1.0
_FIRST_INTERVAL_SECONDS = 0.05
"""The first statements take longest: a short script need not wait for them at its end."""
_MOST_OPEN = 64
_LIBRARIES = ("numpy", "pandas", "sklearn")
_FURTHER_LIBRARIES = ("keras", "lightgbm", "xgboost")


class EventSink(Protocol):
    """What records events; :class:`mistique_core.modeldb.run_recorder.RunRecorder` is one."""

    def begin(self) -> None:
        """Record the begin of the run, unless that is done."""

    def record(self, events: Sequence[StageEvent]) -> None:
        """Record events in one transaction, in order."""

    def finish(self, error: str | None = None, events: Sequence[StageEvent] = ()) -> None:
        """Record the last events and the end of the run, in one transaction."""


class EventBuffer:
    """Keeps events in order until they are written. Safe to use from several threads.

    An event that a later call may still add to is *open*, and keeps those after it from being written. It is closed
    when the script has begun to fit so many further models, or when 64 later events are open: what a record holds
    depends on the script alone, never on time.

    Parameters
    ----------
    sink
        Where to write them.
    interval_seconds
        Longest time between two attempts to write; the first come sooner.
    """

    def __init__(self, sink: EventSink, interval_seconds: float = _INTERVAL_SECONDS) -> None:
        self._sink = sink
        self._events: list[StageEvent] = []
        self._open: dict[int, int] = {}
        self._fits = 0
        self._lock = threading.RLock()
        self._write_lock = threading.Lock()
        self._stopped = threading.Event()
        self._has_complained = False
        self._interval_seconds = interval_seconds
        self._thread: threading.Thread | None = None

    @property
    def lock(self) -> threading.RLock:
        """Held while events are made or changed."""
        return self._lock

    def add(self, *events: StageEvent, open_for: int = 0, begins_fit: bool = False) -> None:
        """Add events, an event before its parts.

        Parameters
        ----------
        *events
            What happened.
        open_for
            Number of further fits until the first of them is closed; 0 for an event that is complete.
        begins_fit
            Whether this is the fit of a model, which closes earlier events.
        """
        with self._lock:
            if begins_fit:
                self._fits += 1
                self._open = {key: until for key, until in self._open.items() if until > self._fits}
            if open_for:
                self._open[id(events[0])] = self._fits + open_for
                if len(self._open) > _MOST_OPEN:
                    del self._open[next(iter(self._open))]
            for event in events:
                if not event.libraries and event.parent is None:
                    event.libraries = versions((*_LIBRARIES, event.operator.partition(":")[0].partition(".")[0]))
            self._events.extend(events)

    def start(self) -> None:
        """Begin the run and write from now on, in a thread of its own."""
        self._thread = threading.Thread(target=self._work, name="mistique-modeldb", daemon=True)
        self._thread.start()

    @contextmanager
    def between_writes(self) -> Iterator[None]:
        """Keep events from being written meanwhile."""
        with self._write_lock:
            yield

    def is_open(self, event: StageEvent) -> bool:
        """Return whether an event may still be changed."""
        return id(event) in self._open

    def comes_before(self, first: StageEvent | None, second: StageEvent) -> bool:
        """Return whether one event was added before another that is not written yet.

        No event is before all; one that is not waiting was written, and so came before all that are.
        """
        for event in self._events:
            if event is first:
                return True
            if event is second:
                return first is None or not any(item is first for item in self._events)
        return True

    def flush(self) -> None:
        """Close all events and write them now.

        Raises
        ------
        MistiqueError
            If they cannot be written; they are kept.
        """
        with self._lock:
            self._open.clear()
        self._write()

    def stop(self, error: str | None = None) -> None:
        """Close all events, end the thread, and write them with the end of the run.

        Events that cannot be written are lost, and logged.

        Parameters
        ----------
        error
            Why the script failed; ``None`` for a success.
        """
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        with self._lock:
            self._open.clear()
        try:
            with self._write_lock:
                self._sink.finish(error, list(self._events))
                self._events.clear()
            return
        except CatalogueUnavailableError:
            log.exception("ModelDB: %d events could not be recorded and are lost", len(self._events))
        except Exception:
            log.exception("ModelDB: events could not be recorded together; each is tried alone")
            self._write_each()
        try:
            self._sink.finish(error)
        except Exception:
            log.exception("ModelDB: the end of the run could not be recorded")

    def _work(self) -> None:
        # Reading versions takes milliseconds, which no call of the script should wait for.
        versions((*_LIBRARIES, *(name for name in _FURTHER_LIBRARIES if name in sys.modules)))
        interval = 0.0
        while not self._stopped.wait(interval):
            interval = min(2 * interval or _FIRST_INTERVAL_SECONDS, self._interval_seconds)
            try:
                self._write()
            except Exception:
                # The script goes on, and so does this thread: the events are kept and tried again.
                if not self._has_complained:
                    self._has_complained = True
                    log.exception(
                        "ModelDB: the run could not be recorded; the script goes on, trying again every second"
                    )

    def _write(self) -> None:
        with self._write_lock:
            with self._lock:
                ready = self._ready()
            if not ready:
                self._sink.begin()
                return
            self._sink.record(ready)
            with self._lock:
                del self._events[: len(ready)]

    def _write_each(self) -> None:
        """Write events one by one, so that one that cannot be recorded does not take all others with it."""
        with self._write_lock:
            lost = []
            for event in self._events:
                try:
                    self._sink.record([event])
                except Exception as error:
                    lost.append(f"{event.name} ({error})")
            self._events.clear()
        if lost:
            log.error("ModelDB: %d events could not be recorded and are lost: %s", len(lost), "; ".join(lost[:10]))

    def _ready(self) -> list[StageEvent]:
        for position, event in enumerate(self._events):
            if id(event) in self._open:
                return self._events[:position]
        return list(self._events)
