"""A process with everything imported, whose children are killed at the k-th change of a file or of the catalogue."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.child_process import child_process
from tests.faults.injection import CHANGES, Points, commits, system_calls
from tests.faults.works import WORKS

ROOT = Path(__file__).parents[2]


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _work_until(k: int, name: str, location: Path) -> None:
    points = Points(k, _kill)
    with ExitStack() as injected:
        injected.enter_context(system_calls(points, location, CHANGES))
        injected.enter_context(commits(points, before=True, after=True))
        WORKS[name].run(location)


def serve() -> None:
    """Answer each line ``k name location`` with the status of a child that did that work."""
    with TemporaryDirectory() as folder:
        for name in ("log", "session", "compact"):  # which import what the children need
            WORKS[name].run(Path(folder))
    for line in sys.stdin:
        k, name, location = line.split()
        child = os.fork()
        if not child:
            _work_until(int(k), name, Path(location))
            os._exit(0)
        print(os.waitpid(child, 0)[1], flush=True)


class Nursery:
    """Does works in children that are killed; made by :func:`nursery`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def is_killed(self, k: int, name: str, location: Path) -> bool:
        """Return whether the work had a k-th point, at which its process was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{k} {name} {location}\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        assert status in (0, signal.SIGKILL)
        return status == signal.SIGKILL


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Yield a process that works and kills."""
    command = [sys.executable, "-c", "from tests.faults.nursery import serve; serve()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with child_process(command, cwd=ROOT, **pipes) as process:
        yield Nursery(process)
        process.stdin.close()
