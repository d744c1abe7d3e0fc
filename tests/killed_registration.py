"""A process that is killed when it registers row blocks."""

from __future__ import annotations

import os
import signal
from typing import Any

from mistique_core.engine.block_write import BlockWrite


def kill_at_registration(registration: int, when: str) -> None:
    """Kill this process ``before`` or ``after`` a registration (from 1) of row blocks; 0 for never."""
    original = BlockWrite.register
    count = 0

    def register(self: BlockWrite, record: Any, addresses: Any) -> None:
        nonlocal count
        count += 1
        if count == registration and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        original(self, record, addresses)
        if count == registration and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    BlockWrite.register = register  # type: ignore[method-assign]
