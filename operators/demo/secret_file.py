"""Secrets made once, in files that only their owner reads."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def secret_text(file: Path, make: Callable[[], str]) -> str:
    """Return a secret file's text, which is made up and written when the file is not there.

    Parameters
    ----------
    file
        The file, of mode 600; its folder must exist.
    make
        Returns the text of a new file.
    """
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(make())
    return file.read_text()
