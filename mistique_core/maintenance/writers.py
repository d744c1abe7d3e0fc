"""Announced writes: which ones still live, and which a dead process left behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from mistique_core.catalogue.open_writes import OpenWrite
from mistique_core.errors import InvalidInputError

STALE_SECONDS = 1_800.0
"""A write that gave no sign of life for so long is over."""


def stale_writes(
    writes: Iterable[OpenWrite], *, now: float, host: str, is_alive: Callable[[int], bool]
) -> list[OpenWrite]:
    """Return the writes whose process is dead, as far as this host can know, or silent for 30 minutes.

    Parameters
    ----------
    writes
        All announced writes.
    now
        Unix seconds.
    host
        Name of this host.
    is_alive
        Tells whether a process of this host lives.
    """
    return [
        write
        for write in writes
        if now - write.beat_at >= STALE_SECONDS or (write.host == host[:200] and not is_alive(write.pid))
    ]


def check_grace(writes: Iterable[OpenWrite], grace_seconds: float, now: float) -> None:
    """Refuse a grace period that is shorter than the age of a write in progress.

    Raises
    ------
    InvalidInputError
        If the files of such a write could be taken for garbage.
    """
    if not grace_seconds >= 0:
        raise InvalidInputError(f"grace_seconds={grace_seconds!r} is not a number from 0; give seconds")
    oldest = min(writes, key=lambda write: write.started_at, default=None)
    if oldest is not None and now - oldest.started_at > grace_seconds:
        raise InvalidInputError(
            f"a grace period of {grace_seconds:g} s is shorter than the write that process {oldest.pid} on "
            f"{oldest.host} began {now - oldest.started_at:.0f} s ago; wait for its end, or give a longer one"
        )


def is_alive(pid: int) -> bool:
    """Return whether a process of this host lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
