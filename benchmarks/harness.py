"""What every benchmark shares: timing, a description of the machine, the JSON document and the table."""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Report:
    """What one benchmark measured.

    Attributes
    ----------
    benchmark
        Its name.
    sizes
        Sizes of the generated data.
    ratios
        Name -> number; what the budgets are about.
    rows
        One mapping a measured thing, with units in the names of its fields.
    """

    benchmark: str
    sizes: dict[str, Any]
    ratios: dict[str, float] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, what: str, **numbers: Any) -> None:
        """Add one row and print it, so that a long run shows its progress."""
        self.rows.append({"what": what, **numbers})
        shown = "  ".join(f"{name}={format_number(value)}" for name, value in numbers.items())
        print(f"{what:58s} {shown}", flush=True)

    def document(self) -> dict[str, Any]:
        """Return the JSON document: machine, command, sizes, ratios and rows."""
        return {
            "benchmark": self.benchmark,
            "command": command(self.benchmark),
            "machine": machine(),
            "sizes": self.sizes,
            "ratios": self.ratios,
            "rows": self.rows,
        }


@dataclass(frozen=True)
class Budget:
    """One line of the summary: a ratio, and what it must be.

    Attributes
    ----------
    ratio
        Key in ``Report.ratios``.
    at_least, at_most
        Its bounds (inclusive); ``None`` where there is none.
    text
        The budget for people.
    """

    ratio: str
    text: str
    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float) -> bool:
        """Whether `value` is inside the bounds."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


def arguments(
    description: str,
    argv: Sequence[str] | None,
    *,
    rows: int,
    quick_rows: int,
    extra: Callable[[argparse.ArgumentParser], object] | None = None,
) -> argparse.Namespace:
    """Parse the options that every benchmark has, ``--quick``, ``--json`` and ``--rows``, and its own.

    Parameters
    ----------
    description
        First line of ``--help``.
    argv
        Arguments; ``None`` for those of the program.
    rows, quick_rows
        Default of ``--rows`` without and with ``--quick``.
    extra
        Adds the benchmark's own options.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help=f"less data ({quick_rows} rows), done within 45 seconds")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results there")
    parser.add_argument("--rows", type=int, metavar="N", help=f"rows of the table (default {rows})")
    if extra is not None:
        extra(parser)
    options = parser.parse_args(argv)
    options.rows = options.rows or (quick_rows if options.quick else rows)
    return options


def seconds(action: Callable[[], object]) -> float:
    """Return the wall seconds of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def median_seconds(action: Callable[[], object], repeats: int = 5) -> float:
    """Return the median wall seconds of `repeats` (at least 3) calls, the garbage collector kept out."""
    gc.collect()
    gc.disable()
    try:
        return statistics.median(seconds(action) for _ in range(max(repeats, 3)))
    finally:
        gc.enable()


def machine() -> dict[str, Any]:
    """Describe the machine without its name."""
    packages = ("numpy", "pandas", "pyarrow", "sqlalchemy", "zstandard", "blake3", "h5py", "zarr", "pylance")
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages},
    }


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def command(benchmark: str) -> str:
    """Return the command line that repeats this run."""
    return shlex.join(["python", "-m", f"benchmarks.{benchmark}", *sys.argv[1:]])


def format_number(value: Any) -> str:
    """Return a number with three significant digits, anything else as text."""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def finish(report: Report, budgets: Sequence[Budget], path: Path | None) -> None:
    """Print budgets against what was measured, and write the JSON document."""
    print()
    print(f"{'budget':62s} {'measured':>10s}")
    for budget in budgets:
        value = report.ratios[budget.ratio]
        verdict = "" if budget.met(value) else "   MISSED"
        print(f"{budget.text:62s} {format_number(value):>10s}{verdict}")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report.document(), indent=2) + "\n")
        print(f"\nwritten to {path}")
