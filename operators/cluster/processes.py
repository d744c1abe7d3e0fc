"""The processes of a cluster: each the leader of a session, with a folder and a log of its own."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mistique_core.errors import MistiqueError
from operators.cluster.sessions import facts_of, kill_members, members
from operators.demo.interrupts import Interrupts

log = logging.getLogger(__name__)

STOP_SECONDS = 30
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 60.0
STEADY_SECONDS = 10.0
"""A process that ran for so long is started again at once; another one after twice the pause before, as Docker does."""


class ClusterStartError(MistiqueError, RuntimeError):
    """A process of the cluster did not come up."""


@dataclass(frozen=True)
class Program:
    """What to start.

    Attributes
    ----------
    name
        Its name in the cluster.
    command
        Program and arguments.
    folder
        Its working folder, which exists.
    environment
        All of its environment variables.
    stop_signal
        What it is asked to end with.
    user
        Who runs it; ``None`` for who runs the cluster.
    """

    name: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    user: str | None = None


class Processes:
    """Starts processes, knows which have ended, starts those again, and stops all with all that they started.

    Parameters
    ----------
    logs
        Folder of what they print, a file each.
    ledger
        File with what was started, for a cluster that begins after this one was killed.
    interrupts
        Put off while a process is being started, so that none is started and not known.
    """

    def __init__(self, logs: Path, ledger: Path, interrupts: Interrupts) -> None:
        self._logs = logs
        self._ledger = ledger
        self._interrupts = interrupts
        self._running: dict[str, tuple[Program, subprocess.Popen[bytes]]] = {}
        self._sessions: list[subprocess.Popen[bytes]] = []
        self._began: dict[str, float] = {}
        self._pauses: dict[str, float] = {}

    def start(self, program: Program) -> None:
        """Start a process.

        Raises
        ------
        ClusterStartError
            If its program does not exist or cannot be run.
        """
        mask = os.umask(0o077)
        try:
            with self._interrupts.put_off(), self.log(program.name).open("ab") as stream:
                process = subprocess.Popen(
                    list(program.command),
                    env=dict(program.environment),
                    cwd=program.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    user=program.user,
                    group=program.user,
                    extra_groups=None if program.user is None else [],
                )
                self._sessions.append(process)
                self._running[program.name] = (program, process)
                self._began[program.name] = time.monotonic()
                self._write_ledger()
        except OSError as error:
            raise ClusterStartError(f"{program.name} cannot be started: {error}") from error
        finally:
            os.umask(mask)

    def log(self, name: str) -> Path:
        """Return the file with what a process printed."""
        return self._logs / f"{name}.log"

    def pid(self, name: str) -> int:
        """Return the number of a process."""
        return self._running[name][1].pid

    def names(self) -> list[str]:
        """Return the names of the processes in the order in which they were started."""
        return list(self._running)

    def ended(self) -> dict[str, int]:
        """Return name -> status of the processes that have ended; a signal is a negative status."""
        found = {name: _status(process) for name, (_, process) in self._running.items()}
        return {name: status for name, status in found.items() if status is not None}

    def check(self) -> None:
        """Check that nothing has ended.

        Raises
        ------
        ClusterStartError
            If a process has; the message names its log.
        """
        for name, status in self.ended().items():
            raise ClusterStartError(f"{name} ended with status {status}; {self.last_words(name)}")

    def last_words(self, name: str) -> str:
        """Return where a process's log is, and its last line."""
        file = self.log(name)
        last = file.read_text(errors="replace").strip().splitlines()[-1:] or [""]
        return f"its log is {file} (last line: {last[0][:200]})"

    def restart(self, name: str) -> None:
        """Start a process again that has ended, after what it started has been killed, too."""
        program, process = self._running[name]
        kill_members([process.pid])
        process.wait()  # PostgreSQL refuses to start while a process has the number of the one before
        self._sessions.remove(process)
        pause = self._pause(name)
        self._pauses[name] = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self.start(program)

    def is_due(self, name: str) -> bool:
        """Return whether a process that has ended may be started again by now."""
        return time.monotonic() - self._began[name] >= self._pause(name)

    def _pause(self, name: str) -> float:
        is_steady = time.monotonic() - self._began[name] >= STEADY_SECONDS + self._pauses.get(name, 0.0)
        return FIRST_PAUSE_SECONDS if is_steady else self._pauses.get(name, FIRST_PAUSE_SECONDS)

    def finish(self, names: Sequence[str], seconds: float, tell: Callable[[str], None]) -> None:
        """Wait until processes end that are meant to.

        Raises
        ------
        ClusterStartError
            If one fails, or does not end in time.
        """
        start = told = time.monotonic()
        left = list(names)
        while left:
            for name, status in self.ended().items():
                if status or name not in names:
                    raise ClusterStartError(f"{name} ended with status {status}; {self.last_words(name)}")
            left = [name for name in left if name not in self.ended()]
            if left and time.monotonic() - start > seconds:
                raise ClusterStartError(f"{left[0]} did not end within {seconds:.0f} s; {self.last_words(left[0])}")
            if left and time.monotonic() - told >= 10:
                told = time.monotonic()
                tell(f"still waiting for {', '.join(left)} ({told - start:.0f} s)")
            time.sleep(0.05)
        for name in names:
            kill_members([self._running.pop(name)[1].pid])

    def stop(self, names: Sequence[str], seconds: float = STOP_SECONDS) -> None:
        """Ask processes to end, all at once, and kill what is left of them after a while.

        Parameters
        ----------
        names
            Names of processes; those that do not run are passed over.
        seconds
            How long they may take.
        """
        stopped = [self._running[name] for name in names if name in self._running]
        for program, process in stopped:
            if _status(process) is None:
                os.kill(process.pid, program.stop_signal)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(_status(process) is None for _, process in stopped):
            time.sleep(0.05)
        for program, process in stopped:
            if _status(process) is None:
                log.warning("%s did not stop within %.0f s and is killed", program.name, seconds)
        kill_members([process.pid for _, process in stopped])
        for program, process in stopped:
            if _status(process) is None:  # there is no /proc to find members by
                os.killpg(process.pid, signal.SIGKILL)
            del self._running[program.name]

    def stop_all(self) -> None:
        """Stop what still runs, the last first, and kill whatever any process has left behind."""
        self.stop(list(reversed(self._running)))
        kill_members([process.pid for process in self._sessions])
        for process in self._sessions:
            process.wait()
        self._sessions.clear()
        self._ledger.unlink(missing_ok=True)

    def _write_ledger(self) -> None:
        found = (facts_of(process.pid) for process in self._sessions)
        text = json.dumps([[facts.pid, facts.started] for facts in found if facts is not None])
        writing = self._ledger.with_suffix(".writing")
        writing.write_text(text)
        writing.replace(self._ledger)


def kill_leftovers(ledger: Path) -> list[int]:
    """Kill what a cluster has left that was killed itself; return the numbers of these processes.

    A session's number is not given to another process while any of its processes is left. So what is
    in a recorded session belongs to it, unless its leader is younger than the recorded one.

    Parameters
    ----------
    ledger
        File that it wrote.
    """
    if not ledger.exists():
        return []
    sessions = set()
    for pid, started in json.loads(ledger.read_text()):
        leader = facts_of(pid)
        if leader is None or (leader.started == started and leader.session == pid):
            sessions.add(pid)
    killed = kill_members([session for session in sessions if members([session])])
    ledger.unlink()
    return killed


def _status(process: subprocess.Popen[bytes]) -> int | None:
    """Return how a process ended, ``None`` while it runs, without waiting for it: so its number stays its own."""
    if process.returncode is not None:
        return process.returncode
    result = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status
