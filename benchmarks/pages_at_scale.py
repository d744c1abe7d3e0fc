"""The pages over a large store: 10,000 runs of 1,000 metrics, and 100 models that predict 1,000,000 rows.

    python -m benchmarks.pages_at_scale [--quick] [--json PATH] [--rows N] [--models N] [--runs N] [--metrics N]

One store holds both. It is served by ``mistique ui``, and then by a real Airflow, each in processes of its own. A
headless Chromium opens the pages; a time ends when what was asked for is on the screen, and the server's part of it is
stated apart. Memory is what Airflow's API server takes at most while all of it is looked at, above what the API server
of an Airflow without the plugin takes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.browser import Site, in_airflow, stand_alone
from benchmarks.harness import Budget, Report, arguments, finish, seconds
from benchmarks.modeldb_scale import COMPARED
from benchmarks.modeldb_scale import fill as fill_runs
from benchmarks.prediction_matrix import fill as fill_predictions
from mistique_core import Mistique
from mistique_core.modeldb import ModelDB

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 5
TABLE = "/mistique/app/models?columns=metrics.m0,metrics.m1,params.p0"
BUTTONS = ("in", "in", "in", "down", "up", "in", "in", "in", "down", "in", "in", "down", "up", "out", "all")
BUDGETS = (
    Budget("first_shown_s", "model table first shown, seconds, < 1.5", at_most=1.5),
    Budget("first_shown_s_cold", "the first time, seconds, < 1.5", at_most=1.5),
    Budget("sorted_s", "model table sorted, seconds, < 1", at_most=1.0),
    Budget("viewport_ms", "matrix: change of the viewport, painted, median, ms, < 300", at_most=300),
    Budget("viewport_worst_ms", "matrix: the slowest of 15 changes, ms, < 300", at_most=300),
    Budget("memory_mb", "memory of Airflow's API server above its own, MB, < 500", at_most=500),
)
_SORTED = """([column, expected]) => new Promise((done) => {
  const start = performance.now();
  performance.clearResourceTimings();
  document.querySelector(`#models-grid .ag-header-cell[col-id="${CSS.escape(column)}"] .ag-header-cell-label`).click();
  const look = () => {
    const cell = document.querySelector(`#models-grid .ag-row[row-index="0"] [col-id="${CSS.escape(column)}"]`);
    const shown = Number(cell?.innerText.trim());
    if (!(Math.abs(shown - expected) <= 1e-4 * expected)) { requestAnimationFrame(look); return; }
    const asked = performance.getEntriesByType("resource").filter((item) => item.name.includes("_dash-update"));
    done([performance.now() - start, Math.max(...asked.map((item) => item.responseEnd - item.requestStart))]);
  };
  look();
})"""
"""Clicks on a head; returns milliseconds until the first row shows a number, and those of the longest request."""
_PAINTED = """(name) => new Promise((done) => {
  const page = window.dash_clientside.predictions;
  const draw = page.draw;
  performance.clearResourceTimings();
  const start = performance.now();
  page.draw = (view) => {
    const drawn = draw(view);
    page.draw = draw;
    requestAnimationFrame(() => setTimeout(() => {
      const [asked] = performance.getEntriesByType("resource").filter((item) => item.name.includes("_dash-update"));
      done([performance.now() - start, asked.responseEnd - asked.requestStart, asked.encodedBodySize]);
    }, 0));
    return drawn;
  };
  document.getElementById(`predictions-${name}`).click();
})"""
"""Presses a button; returns milliseconds until the picture is painted, those of the request, and its bytes."""


@dataclass(frozen=True)
class Contents:
    """What the store holds.

    Attributes
    ----------
    lowest, highest
        Values of the metric that is sorted by.
    compared
        Ids of the runs that are compared, one after the other.
    project
        Id of the project with the predictions.
    """

    lowest: float
    highest: float
    compared: range
    project: int


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=1_000_000, quick_rows=20_000, extra=_own_options)
    runs = options.runs or (1_000 if options.quick else 10_000)
    width = options.metrics or (100 if options.quick else 1_000)
    models = options.models or (10 if options.quick else 100)
    sizes = {"runs": runs, "metrics": width, "compared": COMPARED, "models": models, "rows": options.rows}
    report = Report("pages_at_scale", sizes)
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="pages-") as name:
        folder = Path(name) / "store"
        with Mistique.open(folder) as store:
            report.add("fill with runs", seconds=seconds(lambda: fill_runs(store.catalogue, runs, width)))
        report.add("fill with predictions", seconds=seconds(lambda: fill_predictions(folder, models, options.rows)))
        with Mistique.open(folder) as store:
            contents = contents_of(store)
        with stand_alone(folder) as site:
            measure(report, site, contents, "")
        with in_airflow(Path(name), has_plugin=False) as site:
            without = site.memory_mb("VmHWM")
        with in_airflow(Path(name)) as site:
            rest = site.memory_mb()
            measure(report, site, contents, "Airflow: ")
            peak = site.memory_mb("VmHWM")
    report.ratios["memory_mb"] = peak - without
    report.add("memory of Airflow's API server", without_plugin_mb=without, before_any_page_mb=rest, peak_mb=peak)
    finish(report, BUDGETS, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", metavar="N", type=int, help="runs in the table (default 10000, quick 1000)")
    parser.add_argument("--metrics", metavar="N", type=int, help="metrics of a run (default 1000, quick 100)")
    parser.add_argument("--models", metavar="N", type=int, help="models in the matrix (default 100, quick 10)")


def contents_of(store: Mistique) -> Contents:
    """Look at what was filled in."""
    db = ModelDB(store)
    lowest, highest = (
        db.search(f"order by metrics.m0 {way}", columns=["metrics.m0"], limit=1).runs[0].metrics["m0"]
        for way in ("", "desc")
    )
    compared = [run.id for run in db.search("project != 'big' order by started desc", limit=COMPARED).runs]
    project = next(item.id for item in db.browse.projects() if item.name == "big")
    return Contents(lowest, highest, range(min(compared), max(compared) + 1), project)


def measure(report: Report, site: Site, contents: Contents, prefix: str) -> None:
    """Open the table, sort it, compare, and look at the matrix; add medians of several times, and the first one."""
    cell = "#models-grid .ag-row [col-id='metrics.m0']"
    _add(report, f"{prefix}first_shown_s", [_first_shown(site, TABLE, cell) for _ in range(REPEATS + 1)])
    sorts = [site.page.evaluate(_SORTED, ["metrics.m0", expected]) for expected in (contents.lowest, contents.highest)]
    for _ in range(REPEATS):
        _first_shown(site, TABLE, cell)
        sorts.append(site.page.evaluate(_SORTED, ["metrics.m0", contents.lowest]))
    server = statistics.median(asked for _, asked in sorts) / 1e3
    _add(report, f"{prefix}sorted_s", [taken / 1e3 for taken, _ in sorts], server)
    address = f"/mistique/app/compare?runs={contents.compared[0]}-{contents.compared[-1]}"
    compared = [_first_shown(site, address, "#compare-grid .ag-row") for _ in range(REPEATS)]
    _add(report, f"{prefix}compare_500_s", compared)
    matrix(report, site, contents.project, prefix)


def matrix(report: Report, site: Site, project: int, prefix: str) -> None:
    """Open the page of predictions, and press each button."""
    page = site.page
    start = time.perf_counter()
    page.goto(f"{site.url}/mistique/app/predictions?project={project}", wait_until="commit")
    page.locator("#predictions-shown:not(:empty)").wait_for()
    report.add(f"{prefix}page of predictions, cold, until the matrix is seen", seconds=time.perf_counter() - start)
    page.locator("#predictions-metrics .ag-row").first.wait_for()
    report.add(f"{prefix}and until the summary is there", seconds=time.perf_counter() - start)
    page.wait_for_load_state("networkidle")
    painted = []
    for name in BUTTONS:
        painted.append(page.evaluate(_PAINTED, name))
        page.wait_for_timeout(400)
    totals, requests, sizes = zip(*painted, strict=True)
    if not prefix:
        report.ratios |= {"viewport_ms": statistics.median(totals), "viewport_worst_ms": max(totals)}
    report.add(
        f"{prefix}change of the viewport, painted",
        median_ms=statistics.median(totals),
        worst_ms=max(totals),
        server_median_ms=statistics.median(requests),
        server_worst_ms=max(requests),
        response_kb=statistics.median(sizes) / 1e3,
    )


def _first_shown(site: Site, path: str, selector: str) -> float:
    start = time.perf_counter()
    site.page.goto(f"{site.url}{path}", wait_until="commit")
    site.page.locator(selector).first.wait_for()
    taken = time.perf_counter() - start
    site.page.wait_for_load_state("networkidle")
    return taken


def _add(report: Report, name: str, times: Sequence[float], server: float | None = None) -> None:
    median = statistics.median(times[1:])
    if ":" not in name:
        report.ratios[name] = median
        report.ratios[f"{name}_cold"] = times[0]
    extra: dict[str, Any] = {} if server is None else {"server_seconds": server}
    report.add(name, seconds=median, first_seconds=times[0], slowest_seconds=max(times[1:]), **extra)


if __name__ == "__main__":
    main()
