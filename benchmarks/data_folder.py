"""Where the benchmarks find data that is not part of the project."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "MISTIQUE_BENCH_DATA"
_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


def data_folder(*needed: str) -> Path:
    """Return the folder that holds the files `needed`, or end the program with exit code 2 and say what is missing.

    It is ``$MISTIQUE_BENCH_DATA``, or ``shared/data`` beside the project.
    """
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else _BESIDE
    missing = [name for name in needed if not (folder / name).exists()]
    if missing:
        where = f"${VARIABLE} ({folder})" if named else "../shared/data"
        print(f"{where} has no {', '.join(missing)}; set {VARIABLE} to a folder that has", file=sys.stderr)
        raise SystemExit(2)
    return folder
