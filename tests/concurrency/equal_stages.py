"""A process that runs one slow stage together with others; started by :mod:`tests.concurrency.test_equal_stages`."""

import sys
import time
from pathlib import Path

import pandas as pd

from mistique_core import Mistique
from mistique_core.workflows import FunctionStage

SECONDS = 1.5
PATIENCE_SECONDS = 60.0


def slow_table(seed: int, fails_beside: str | None = None) -> pd.DataFrame:
    """Return a table after a while; with a file's name it fails as long as there is no such file, and then makes it."""
    time.sleep(SECONDS)
    if fails_beside is not None and not Path(fails_beside).exists():
        Path(fails_beside).touch()
        raise ZeroDivisionError("the first one fails")
    return pd.DataFrame({"value": [seed, seed + 1]}).rename_axis("row_id")


def together(folder: Path, number: int, processes: int) -> None:
    """Wait until all processes have come here."""
    (folder / f"ready-{number}").touch()
    end = time.monotonic() + PATIENCE_SECONDS
    while len(list(folder.glob("ready-*"))) < processes:
        if time.monotonic() > end:
            raise TimeoutError("the other processes did not come")
        time.sleep(0.01)


def serve(location: str, url: str, folder: str, number: str, processes: str, waits: str, fails: str) -> None:
    """Run the stage; print whether it was reused."""
    marker = str(Path(folder) / "failed") if fails else None
    stage = FunctionStage(slow_table, {"seed": 3, "fails_beside": marker}, deterministic=True)
    with Mistique.open(location, url) as store, store.run("equal", f"process_{number}") as run:
        together(Path(folder), int(number), int(processes))
        outcome = run.stage("table", stage, wait_for_equal=bool(waits))
    print("reused" if outcome.reused else "executed")


if __name__ == "__main__":
    serve(*sys.argv[1:])
