"""Peak memory above the interpreter while a table streams through each reader: it must not grow with the table.

Each reader runs in a process of its own. It first reads a small table the same way, which tells what libraries and an
open store take; what is added from there is the reader's, and its row blocks'.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness import Budget, Report, arguments, finish, seconds
from mistique_core import Mistique

COLUMNS = 12
SMALL_ROWS = 1_000
MB = 10**6
BUDGET_MB = 300.0
STATUS = Path("/proc/self/status")


def table(rows: int, start: int = 0) -> pd.DataFrame:
    """Return columns of floats, integers, categories and text, which compress little."""
    rng = np.random.default_rng(start)
    data: dict[str, object] = {f"f{number}": rng.standard_normal(rows) for number in range(COLUMNS - 4)}
    data["step"] = np.arange(start, start + rows)
    data["count"] = pd.array(rng.integers(0, 1_000, rows), "Int32")
    data["kind"] = pd.Categorical(rng.choice(["x", "y", "z"], rows))
    data["text"] = pd.Series(rng.integers(0, 10**9, rows)).astype("str").astype("str")
    return pd.DataFrame(data, index=pd.Index(np.arange(start, start + rows), name="row_id"))


def frames(store: Mistique, key: str) -> int:
    return sum(len(frame) for frame in store.stream(key))


def filtered(store: Mistique, key: str) -> int:
    return sum(len(frame) for frame in store.stream(key, ["f0", "text"], where=("f1", ">", 0.0)))


def arrays(store: Mistique, key: str) -> int:
    return sum(len(batch["row_id"]) for batch in store.stream(key, batch_rows=1_024).arrays())


def arrow(store: Mistique, key: str) -> int:
    return sum(batch.num_rows for batch in store.stream(key).to_batches())


def sql(store: Mistique, key: str) -> int:
    query = f"SELECT kind, count(text) AS n, sum(f0), max(step), avg(count) FROM '{key}' GROUP BY kind"
    return int(store.sql(query).df()["n"].sum())


READERS: dict[str, Callable[[Mistique, str], int]] = {
    "stream": frames,
    "stream, one predicate": filtered,
    "arrays of 1,024 rows": arrays,
    "to_batches": arrow,
    "sql over five columns": sql,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every reader."""
    options = arguments(__doc__.splitlines()[0], argv, rows=3_000_000, quick_rows=300_000, extra=_own_options)
    if options.read is not None:
        _read(options.read, Path(options.folder))
        return
    report = Report("streaming", {"rows": options.rows, "columns": COLUMNS})
    with tempfile.TemporaryDirectory() as folder:
        with Mistique.open(folder, approximate_dedup=False) as store:
            store.log_frame("b", "small", "x", table(SMALL_ROWS))
            took = seconds(lambda: store.log_frame("b", "large", "x", table(options.rows)))
            size = table(SMALL_ROWS).memory_usage(deep=True).sum() * options.rows / SMALL_ROWS
            report.add("logged", seconds=took, pandas_mb=size / MB)
        for name in READERS:
            measured = [_measure(name, folder) for _ in range(1 if options.quick else 3)]
            middle = sorted(measured, key=lambda item: item["peak_mb"])[len(measured) // 2]
            rows = options.rows if name != "stream, one predicate" else middle["rows"]
            if middle["rows"] != rows:
                raise SystemExit(f"{name} gave {middle['rows']} rows of {rows}")
            report.add(name, **middle)
    peaks = {row["what"]: row["peak_mb"] for row in report.rows if "peak_mb" in row}
    report.ratios = {f"{name}_mb": peak for name, peak in peaks.items()}
    budgets = [Budget(f"{name}_mb", f"{name}: MB above the interpreter", at_most=BUDGET_MB) for name in peaks]
    finish(report, budgets, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--read", choices=list(READERS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)


def _measure(name: str, folder: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.streaming", "--read", name, "--folder", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _read(name: str, folder: Path) -> None:
    """Run one reader, and print what it took."""
    bare = [sys.executable, "-c", "print(open('/proc/self/status').read())"]
    interpreter = _peak_bytes(subprocess.run(bare, capture_output=True, text=True, check=True).stdout)
    with Mistique.open(folder) as store:
        READERS[name](store, "b.small.x")
        before = _peak_bytes(STATUS.read_text())
        rows = 0

        def read() -> None:
            nonlocal rows
            rows = READERS[name](store, "b.large.x")

        took = seconds(read)
    peak = _peak_bytes(STATUS.read_text())
    found = {
        "rows": rows,
        "seconds": took,
        "peak_mb": (peak - interpreter) / MB,
        "above_small_table_mb": (peak - before) / MB,
    }
    print(json.dumps(found))


def _peak_bytes(status: str) -> int:
    """Return the most bytes that a process has had in memory; unlike ``ru_maxrss``, none of its parent's."""
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
