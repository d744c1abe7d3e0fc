"""What belongs to a process that was started as the leader of a session, whoever its parent is by now.

Whatever a process starts is in its session, also if it has a process group of its own, as Airflow's
tasks have, and if what started it has died. Only what makes a session of its own leaves it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_PROCESSES = Path("/proc")
_STATE, _SESSION, _STARTED = 0, 3, 19
"""Fields of ``/proc/PID/stat`` after the program's name, which may hold spaces."""


@dataclass(frozen=True)
class ProcessFacts:
    """What the kernel says about a process.

    Attributes
    ----------
    pid
        Its number.
    state
        One letter; ``Z`` for a process that has ended and has not been waited for.
    session
        Number of its session's leader.
    started
        When it was started, in ticks since the machine was.
    """

    pid: int
    state: str
    session: int
    started: int


def facts_of(pid: int) -> ProcessFacts | None:
    """Return what the kernel says about a process, ``None`` if there is no such process."""
    try:
        text = (_PROCESSES / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return ProcessFacts(pid, fields[_STATE], int(fields[_SESSION]), int(fields[_STARTED]))


def members(sessions: Collection[int]) -> list[ProcessFacts]:
    """Return the processes of some sessions that have not ended; none where the machine has no ``/proc``."""
    if not _PROCESSES.is_dir():
        return []
    found = (facts_of(int(entry.name)) for entry in _PROCESSES.iterdir() if entry.name.isdecimal())
    return [facts for facts in found if facts is not None and facts.session in sessions and facts.state not in "ZX"]


def kill_members(sessions: Collection[int], seconds: float = 10) -> list[int]:
    """Kill all processes of some sessions; return their numbers.

    A session must not have ended and been waited for: its number could be another's by now.

    Parameters
    ----------
    sessions
        Numbers of the sessions' leaders.
    seconds
        How long to look for those that others start meanwhile.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + seconds
    while (left := members(sessions)) and time.monotonic() < deadline:
        for facts in left:
            try:
                os.kill(facts.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed.add(facts.pid)
        time.sleep(0.02)
    return sorted(killed)
