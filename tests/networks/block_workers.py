"""A process with Keras imported, whose children each re-run some row blocks of a layer.

Usage: ``python -m tests.networks.block_workers``. It answers each line, a JSON list of jobs ``[folder, URL, key, first
block, block after the last, registration, when]``, with the list of how its children ended, one a job, all started at
once. A registration (from 1) other than 0 kills its child ``before`` or ``after`` it.
"""

import json
import os
import sys
from typing import Any

from mistique_core import Mistique
from tests.killed_registration import kill_at_registration

SETTINGS: dict[str, Any] = {"partition_bytes": 60_000}


def work(folder: str, url: str, key: str, start: int, stop: int, registration: int, when: str) -> None:
    """Re-run row blocks, and end at that registration."""
    kill_at_registration(registration, when)
    with Mistique.open(folder, url, **SETTINGS) as store:
        store.rerun_blocks(key, blocks=range(start, stop))


def main() -> None:
    """Import what takes long, but start none of its threads, and do in children what is asked for."""
    import keras  # noqa: F401

    for line in sys.stdin:
        children = []
        for job in json.loads(line):
            child = os.fork()
            if not child:
                work(*job)
                os._exit(0)
            children.append(child)
        print(json.dumps([os.waitpid(child, 0)[1] for child in children]), flush=True)


if __name__ == "__main__":
    main()
