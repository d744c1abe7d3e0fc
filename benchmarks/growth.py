"""How catalogue and maintenance grow, and where a store of 10^9 rows or 10^6 intermediates ends up.

    python -m benchmarks.growth [--quick] [--json PATH] [--rows N]

Stores of several sizes are made and measured: tables with more and more row blocks, and chains of stages of which each
adds a column and passes the others through. What grows is fitted as a sum over row blocks of columns (chunks) and over
intermediates, by least squares, and carried on to four stores that nobody has here. What is fitted and what it is
carried on to is printed beside each other; the fit's largest relative error on what was measured is stated.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness import Report, arguments, finish
from benchmarks.property_table import COLUMNS, property_table
from mistique_core import Mistique

BLOCK_ROWS = 2_048
"""Of the measured stores, so that small ones have many row blocks; what is fitted is per row block."""
DEFAULT_BLOCK_ROWS = 65_536
ROWS, QUICK_ROWS = 2_000_000, 32_768
CHAINS = (50, 100, 200, 400)
QUICK_CHAINS = (20, 40, 80)
CHAIN_COLUMNS, CHAIN_ROWS = 20, 512


@dataclass(frozen=True)
class Scenario:
    """A store that is not measured.

    Attributes
    ----------
    name
        For people.
    intermediates, columns, rows
        How many, and of what size each is.
    new_columns
        How many columns of each are not those of another intermediate.
    """

    name: str
    intermediates: int
    columns: int
    rows: int
    new_columns: int

    @property
    def chunks(self) -> float:
        """Row blocks of columns that are stored."""
        blocks = -(-self.rows // DEFAULT_BLOCK_ROWS)
        return float(self.intermediates * self.new_columns * blocks)


SCENARIOS = (
    Scenario("a table of 10^9 rows, 58 columns", 1, 58, 10**9, 58),
    Scenario("20 stages over 10^9 rows, 2 new columns each", 20, 58, 10**9, 2),
    Scenario("10^6 intermediates of 3,000 rows, 2 new columns each", 10**6, 58, 3_000, 2),
    Scenario("10^6 intermediates of 100,000 rows, 10 new columns each", 10**6, 58, 100_000, 10),
)


@dataclass(frozen=True)
class Measured:
    """A store that was made: what it is, and what it takes."""

    intermediates: int
    chunks: int
    numbers: dict[str, float]


def measure(store: Mistique) -> dict[str, float]:
    """Return what a store takes."""
    stats = store.stats()
    began = time.perf_counter()
    store.gc(grace_seconds=0)
    gc_seconds = time.perf_counter() - began
    began = time.perf_counter()
    assert store.check().is_clean
    check_seconds = time.perf_counter() - began
    return {
        "catalogue_bytes": float(stats.catalogue_bytes),
        "partitions": float(stats.partitions),
        "gc_seconds": gc_seconds,
        "check_seconds": check_seconds,
    }


def tables(rows: int) -> list[Measured]:
    """One table, with more and more row blocks."""
    found = []
    for part in (rows // 8, rows // 4, rows // 2, rows):
        with tempfile.TemporaryDirectory() as folder, opened(folder) as store:
            store.log_frame("p", "m", "x", property_table(part))
            found.append(Measured(1, store.stats().chunks, measure(store)))
    return found


def chains(lengths: Sequence[int]) -> list[Measured]:
    """Chains of stages, each with one more column of its own, and all others from before."""
    found = []
    random = np.random.default_rng(0)
    for length in lengths:
        data = {f"x{number}": random.normal(size=CHAIN_ROWS) for number in range(CHAIN_COLUMNS)}
        with tempfile.TemporaryDirectory() as folder, opened(folder) as store:
            with store.run("p", "m") as run:
                for number in range(length):
                    data[f"x{number % CHAIN_COLUMNS}"] = random.normal(size=CHAIN_ROWS)
                    run.log_frame(f"stage_{number}", pd.DataFrame(data))
            found.append(Measured(length, store.stats().chunks, measure(store)))
    return found


def opened(folder: str) -> Mistique:
    """Open a new store with small row blocks, its catalogue in SQLite."""
    return Mistique.open(Path(folder) / "store", block_rows=BLOCK_ROWS)


def fitted(measured: Sequence[Measured], number: str) -> tuple[np.ndarray[Any, Any], float]:
    """Return constant, share of an intermediate and share of a chunk, none negative, and the largest relative error."""
    from scipy.optimize import nnls

    matrix = np.array([[1.0, item.intermediates, item.chunks] for item in measured])
    wanted = np.array([item.numbers[number] for item in measured])
    weights = 1 / np.maximum(wanted, 1e-9)
    shares, _ = nnls(matrix * weights[:, None], wanted * weights)
    return shares, float(np.max(np.abs(matrix @ shares - wanted) * weights))


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(__doc__ or "", argv, rows=ROWS, quick_rows=QUICK_ROWS)
    report = Report("growth", {"rows": options.rows, "columns": COLUMNS, "block_rows": BLOCK_ROWS})
    measured = [
        *tables(options.rows),
        *chains(QUICK_CHAINS if options.quick else CHAINS),
    ]
    for item in measured:
        report.add(f"{item.intermediates} intermediates, {item.chunks} chunks", **item.numbers)
    for number in ("catalogue_bytes", "gc_seconds", "check_seconds"):
        shares, error = fitted(measured, number)
        report.add(
            f"{number}, fitted",
            constant=float(shares[0]),
            an_intermediate=float(shares[1]),
            a_chunk=float(shares[2]),
            largest_relative_error=error,
        )
        report.ratios[f"{number} error"] = error
        for scenario in SCENARIOS:
            value = float(np.array([1.0, scenario.intermediates, scenario.chunks]) @ shares)
            report.add(f"{number}: {scenario.name}", chunks=scenario.chunks, value=value)
    finish(report, (), options.json)


if __name__ == "__main__":
    main()
