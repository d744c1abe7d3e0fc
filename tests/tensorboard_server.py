"""The real TensorBoard, as users start it."""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.child_process import child_process


@contextmanager
def tensorboard_of(logdir: Path) -> Iterator[str]:
    """Run TensorBoard over a folder, and yield its address, which ends with a slash."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--host", "127.0.0.1", "--port", "0"]
    log = logdir / "log"
    with log.open("w") as out, child_process(command, stdout=out, stderr=out) as process:
        deadline = time.monotonic() + 120
        while not (found := re.search(r"http://127.0.0.1:\d+/", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield found[0]
