"""The table of models with thousands of runs: until it is first shown, sorted, and until 500 runs are compared.

    python -m benchmarks.model_table [--quick] [--json PATH] [--rows N] [--metrics N]

Runs are inserted in bulk into a new store, which ``mistique ui`` serves from a process of its own. A headless Chromium
opens the pages; a time ends when the rows are on the screen, and the server's part of it is stated apart.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.browser import Site, stand_alone
from benchmarks.harness import Budget, Report, arguments, finish, seconds
from benchmarks.modeldb_scale import COMPARED, fill
from mistique_core import Mistique
from mistique_core.modeldb import ModelDB

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 5
TABLE = "/mistique/app/models?columns=metrics.m0,metrics.m1,params.p0"
MEMORY_MB = 500
BUDGETS = (
    Budget("first_shown_s", "model table first shown, seconds, < 1.5", at_most=1.5),
    Budget("sorted_s", "model table sorted, seconds, < 1", at_most=1.0),
    Budget("compare_500_s", "500 runs compared in the browser, seconds, < 2", at_most=2.0),
    Budget("memory_mb", "memory of the server above its own at rest, MB, < 500", at_most=MEMORY_MB),
)
_SORTED = """([column, expected]) => new Promise((done) => {
  const start = performance.now();
  performance.clearResourceTimings();
  document.querySelector(`#models-grid .ag-header-cell[col-id="${CSS.escape(column)}"] .ag-header-cell-label`).click();
  const look = () => {
    const cell = document.querySelector(`#models-grid .ag-row[row-index="0"] [col-id="${CSS.escape(column)}"]`);
    if (cell?.innerText.trim() !== expected) { requestAnimationFrame(look); return; }
    const asked = performance.getEntriesByType("resource").filter((item) => item.name.includes("_dash-update"));
    done([performance.now() - start, Math.max(...asked.map((item) => item.responseEnd - item.requestStart))]);
  };
  look();
})"""
"""Clicks on a head; returns milliseconds until the first row shows a text, and those of the longest request."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=10_000, quick_rows=1_000, extra=_own_options)
    width = options.metrics or (100 if options.quick else 1_000)
    report = Report("model_table", {"runs": options.rows, "metrics": width, "compared": COMPARED})
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="model-table-") as name:
        folder = Path(name) / "store"
        with Mistique.open(folder) as store:
            report.add("fill", seconds=seconds(lambda: fill(store.catalogue, options.rows, width)))
            db = ModelDB(store)
            extremes = [
                _shown(db.search(f"order by metrics.m0 {way}", columns=["metrics.m0"], limit=1)) for way in ("", "desc")
            ]
            compared = [run.id for run in db.search("order by started desc", limit=COMPARED).runs]
        with stand_alone(folder) as site:
            measure(report, site, extremes, compared)
    finish(report, BUDGETS, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--metrics", metavar="N", type=int, help="metrics of a run (default 1000, quick 100)")


def _shown(found: Any) -> str:
    value = float(f"{found.runs[0].metrics['m0']:.5g}")
    return f"{value:.10g}"


def measure(report: Report, site: Site, extremes: Sequence[str], compared: Sequence[int]) -> None:
    """Open the table, sort it, and compare; add medians of several times, and the first one."""
    rest = site.memory_mb()
    shown = [
        _first_shown(site, f"{site.url}{TABLE}", "#models-grid .ag-row [col-id='metrics.m0']")
        for _ in range(REPEATS + 1)
    ]
    _add(report, "first_shown_s", shown)
    sorts = [site.page.evaluate(_SORTED, ["metrics.m0", extremes[at % 2]]) for at in (0, 1)]
    for _ in range(REPEATS):
        site.page.goto(f"{site.url}{TABLE}")
        site.page.locator("#models-grid .ag-row [col-id='metrics.m0']").first.wait_for()
        site.page.wait_for_load_state("networkidle")
        sorts.append(site.page.evaluate(_SORTED, ["metrics.m0", extremes[0]]))
    _add(report, "sorted_s", [taken / 1e3 for taken, _ in sorts], statistics.median(asked for _, asked in sorts) / 1e3)
    first, last = min(compared), max(compared)
    address = f"{site.url}/mistique/app/compare?runs={first}-{last}"
    _add(report, "compare_500_s", [_first_shown(site, address, "#compare-grid .ag-row") for _ in range(REPEATS)])
    peak = site.memory_mb("VmHWM")
    report.ratios["memory_mb"] = peak - rest
    report.add("memory of the server", rest_mb=rest, peak_mb=peak)


def _first_shown(site: Site, address: str, selector: str) -> float:
    start = time.perf_counter()
    site.page.goto(address, wait_until="commit")
    site.page.locator(selector).first.wait_for()
    taken = time.perf_counter() - start
    site.page.wait_for_load_state("networkidle")
    return taken


def _add(report: Report, name: str, times: Sequence[float], server: float | None = None) -> None:
    report.ratios[name] = statistics.median(times[1:])
    extra = {} if server is None else {"server_seconds": server}
    report.add(name, seconds=report.ratios[name], first_seconds=times[0], slowest_seconds=max(times[1:]), **extra)


if __name__ == "__main__":
    main()
