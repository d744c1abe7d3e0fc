"""A process that is killed at its k-th step: before any SQL statement, commit, or call that changes files."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.child_process import child_process
from tests.sweeps import tried_points

_FEWEST_STEPS = 20
_SCRIPT = """
import os, signal, sys, sqlalchemy as sa
from mistique_core import Mistique

def killed_at(k, work):
    with Mistique.open(sys.argv[1]) as store:
        steps = iter(range(1, 1_000_000))
        def step(*_):
            if next(steps) == k:
                os.kill(os.getpid(), signal.SIGKILL)
        sa.event.listen(store.catalogue.engine, "before_cursor_execute", step)
        sa.event.listen(store.catalogue.engine, "commit", step)
        for name in ("put_if_absent", "delete"):
            def call(*arguments, _inner=getattr(store.backend, name)):
                step()
                answer = _inner(*arguments)
                step()
                return answer
            setattr(store.backend, name, call)
        eval(work)

for line in sys.stdin:
    child = os.fork()
    if not child:
        killed_at(int(line), sys.argv[2])
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@contextmanager
def killed_at_every_step(store: Path, work: str) -> Iterator[Iterator[int]]:
    """Yield an iterator over k: each time the work was done anew and killed at its k-th step.

    k is 1, 2, 3, ... as :mod:`tests.sweeps` has it, and ends after the first run that had fewer steps.

    Parameters
    ----------
    store
        The store's folder.
    work
        A Python expression over ``store``.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with child_process([sys.executable, "-c", _SCRIPT, str(store), work], **pipes) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None

        def runs() -> Iterator[int]:
            for k in tried_points():
                nursery.stdin.write(f"{k}\n")
                nursery.stdin.flush()
                status = int(nursery.stdout.readline())
                yield k
                if status != signal.SIGKILL:
                    break
            assert status == 0
            assert k > _FEWEST_STEPS

        yield runs()
        nursery.stdin.close()
