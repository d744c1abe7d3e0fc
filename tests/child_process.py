"""Processes that tests start, which end with the test however it ends."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def child_process(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a process and kill it at the end: ``with subprocess.Popen`` would wait for it, after a failure for ever.

    Parameters
    ----------
    command, options
        As :class:`subprocess.Popen` takes them.
    """
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()
