"""A process with Keras imported, whose children capture a network and are killed at one of its registrations.

Usage: ``python -m tests.networks.interrupted_capture``. It answers each line ``FOLDER REGISTRATION WHEN`` with the
status of a child that was killed before or after the given registration (from 1) of row blocks.
"""

import os
import sys
from typing import Any

from mistique_core import Mistique
from tests.killed_registration import kill_at_registration
from tests.networks.architectures import cnn

BATCH_ROWS = 10
SETTINGS: dict[str, Any] = {"partition_bytes": 60_000}


def capture(store: Mistique) -> Any:
    """Log the network."""
    architecture = cnn()
    return store.log_intermediates(
        architecture.model,
        lambda: architecture.inputs,
        project="nets",
        model="cnn",
        scheme={"conv*": "bounded(0.25)", "pool": "kbit(8)", "Dense": "lossless"},
        batch_rows=BATCH_ROWS,
    )


def capture_until(folder: str, registration: int, when: str) -> None:
    """Capture, and end at that registration."""
    kill_at_registration(registration, when)
    with Mistique.open(folder, **SETTINGS) as store:
        capture(store)


def main() -> None:
    """Import what takes long, but start none of its threads, and do in children what is asked for."""
    import keras  # noqa: F401

    for line in sys.stdin:
        folder, registration, when = line.split()
        child = os.fork()
        if not child:
            capture_until(folder, int(registration), when)
            os._exit(0)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
