"""The prediction matrix: how long it takes to build, order and look at, in the server, and its memory.

    python -m benchmarks.prediction_matrix [--quick] [--json PATH] [--rows N] [--models N]

A store with as many models is made first; then a fresh process reads it as the web server does, with the bounds of
memory of the web server.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness import Budget, Report, arguments, finish, median_seconds, seconds
from mistique_core import Mistique
from mistique_core.predictions import Assembler, churn, comparable, find_predictions, nearest, summarise, view
from mistique_core.predictions.ordering import Order, in_order

ORDERS = ("error", "model:model_003", "disagreement", "truth", "clusters", "near:17")


def fill(folder: Path, models: int, rows: int) -> None:
    """Log predictions of two classes of some models over the same rows."""
    rng = np.random.default_rng(0)
    truth = rng.random(rows) < 0.2
    hard = rng.normal(0, 0.8, rows)
    index = pd.RangeIndex(rows, name="row_id")
    with Mistique.open(folder, approximate_dedup=False) as store:
        for model in range(models):
            score = (truth * 2 - 1) * 1.2 + hard + rng.normal(0, 0.7, rows) + model % 7 * 0.1
            share = np.round(1 / (1 + np.exp(-score)), 3)
            frame = pd.DataFrame({"prediction": (share > 0.5).astype(np.int8), "probability_1": share}, index=index)
            with store.run("big", f"model_{model:03d}") as run:
                run.log_frame("predictions", frame.assign(label=truth.astype(np.int8)))


def memory_mb(name: str = "VmRSS") -> float:
    """Return resident memory of this process, now or (``VmHWM``) at its peak, in units of 10**6 bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024 / 1e6


def measure(folder: Path) -> list[dict[str, Any]]:
    """Return what reading a store takes; runs in a process of its own."""
    from mistique_ui.connection import MOST_CACHE_BYTES
    from mistique_ui.interactive.predictions.asked import CACHE

    found: list[dict[str, Any]] = []

    def note(what: str, **numbers: float) -> None:
        found.append({"what": what, **numbers})

    with Mistique.open(folder, cache_bytes=MOST_CACHE_BYTES) as store:
        note("idle", memory_mb=memory_mb())
        sets, label = comparable(find_predictions(store.catalogue, 1))
        assembler = Assembler(store, CACHE)
        note("build", seconds=seconds(lambda: assembler.assemble(sets, label)), memory_mb=memory_mb())
        assembled = assembler.assemble(sets, label)
        matrix = assembled.matrix
        for text in ORDERS:
            order = Order.parse(text)
            note(f"order {order.kind}", seconds=seconds(lambda order=order: in_order(matrix, order, CACHE)))  # type: ignore[misc]
        shown = in_order(matrix, Order("error"), CACHE)
        for share in (1.0, 0.5, 0.03, 0.0256, 0.005, 0.0004):
            stop = max(int(matrix.rows * share), 4)
            took = median_seconds(lambda stop=stop: view(shown, 0, stop), 9)  # type: ignore[misc]
            note("viewport", rows=stop, ms=1_000 * took)
        note("churn of all pairs", seconds=seconds(lambda: churn(matrix)))
        note("neighbours of a row", seconds=seconds(lambda: nearest(matrix, 17)))
        note("summary of one model", seconds=seconds(lambda: summarise(assembler, CACHE, _first(assembled))))
        note("peak", memory_mb=memory_mb("VmHWM"), cache_mb=CACHE.nbytes / 1e6)
    return found


def _first(assembled: Any) -> Any:
    from dataclasses import replace

    matrix = assembled.matrix
    one = replace(matrix, address=b"one", names=matrix.names[:1], columns=matrix.columns[:1])
    return replace(assembled, matrix=one, sets=assembled.sets[:1])


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    if argv is None and sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
        return

    def extra(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--models", type=int, metavar="N", help="columns of the matrix (default 100, quick 40)")

    options = arguments(__doc__.splitlines()[0], argv, rows=1_000_000, quick_rows=100_000, extra=extra)  # type: ignore[union-attr]
    models = options.models or (40 if options.quick else 100)
    report = Report("prediction_matrix", {"rows": options.rows, "models": models})
    with tempfile.TemporaryDirectory() as folder:
        report.add("make the store", seconds=seconds(_filling(Path(folder), models, options.rows)))
        command = [sys.executable, "-m", "benchmarks.prediction_matrix", "measure", folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    rows = json.loads(done.stdout.splitlines()[-1])
    for row in rows:
        report.add(row.pop("what"), **row)
    views = [row["ms"] for row in report.rows if row["what"] == "viewport"]
    by_name = {row["what"]: row for row in report.rows}
    report.ratios["viewport_server_ms"] = max(views)
    report.ratios["memory_added_mb"] = by_name["peak"]["memory_mb"] - by_name["idle"]["memory_mb"]
    budgets = [
        Budget("viewport_server_ms", "slowest viewport in the server, ms (at most 100)", at_most=100),
        Budget("memory_added_mb", "memory that the matrix adds at its peak, MB (below 500)", at_most=500),
    ]
    finish(report, budgets, options.json)


def _filling(folder: Path, models: int, rows: int) -> Callable[[], None]:
    return lambda: fill(folder, models, rows)


if __name__ == "__main__":
    main()
