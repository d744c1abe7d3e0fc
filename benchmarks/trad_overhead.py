"""What logging adds to the time of a pipeline, and what reuse saves (thesis Fig. 5-13).

Run ``python -m benchmarks.trad_overhead [--quick] [--json PATH] [--rows N] [--repetitions N] [--plot PATH]``.
P1, P5 and P9 of the Zillow workload run without logging (the same stages, plain frames), with every way to keep
their intermediates, and again with reuse; then all 50 pipelines run once with and once without logging. Beside what
reuse leaves stands the least that it can leave: the seconds of the stages that are new, in a store that costs nothing.
"""

from __future__ import annotations

import argparse
import gc
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Budget, Report, arguments, finish
from benchmarks.pictures import add_plot_option, picture
from benchmarks.trad_workload import Pipeline, competition_files, pipelines
from mistique_core import Mistique

ROOT = Path(__file__).resolve().parents[1]
SHOWN = ("p1", "p5", "p9")
LEFT_OUT_QUICKLY = ("store_all", "adaptive", "again")
BUDGETS = (
    Budget("dedup_overhead", "dedup, empty store: share of the time without logging, <= 0.25", at_most=0.25),
    Budget("dedup_overhead_known_source", "dedup, source tables stored: share, <= 0.10", at_most=0.10),
    Budget("second_variation", "second variation: time with reuse / without, <= 0.5", at_most=0.5),
    Budget("all_with_reuse", "50 pipelines with reuse / without logging, <= 0.6", at_most=0.6),
)
THESIS = "30 to 50 s without logging; STORE_ALL up to +300 s; DEDUP modest; ADAPTIVE negligible"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=300_000, quick_rows=6_000, extra=_own_options)
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="trad-overhead-") as name:
        folder = Path(name)
        with competition_files(folder / "csv", options.rows):
            report = Report(
                "trad_overhead", {"rows": options.rows, "repetitions": options.repetitions, "thesis": THESIS}
            )
            pipelines(("p1",))[0].run_without_logging()  # imports
            for template in SHOWN[::2] if options.quick else SHOWN:
                left_out = LEFT_OUT_QUICKLY if options.quick else ()
                compare(report, template, folder / "store", 3 if options.quick else options.repetitions, left_out)
            for ratio, field in (("dedup_overhead", "dedup"), ("dedup_overhead_known_source", "known_source")):
                report.ratios[ratio] = max(row[field] / row["without"] - 1 for row in report.rows)
            report.ratios["second_variation"] = max(row["second"] / row["second_alone"] for row in report.rows)
            report.ratios["second_variation_least"] = max(row["second_least"] for row in report.rows)
            run_all(report, folder / "store", pipelines(SHOWN, 2) if options.quick else pipelines())
    if options.plot is not None:
        plot(report, options.plot)
    finish(report, BUDGETS, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repetitions", type=int, default=5, metavar="N", help="times to run each (default 5)")
    add_plot_option(parser)


def compare(report: Report, template: str, folder: Path, repetitions: int, left_out: Sequence[str]) -> None:
    """Run the first two variations of a template in every way, in turn."""
    first, second = pipelines((template,))[:2]
    ways: dict[str, Callable[[], float]] = {
        "without": lambda: first.run_without_logging().seconds,
        "store_all": lambda: _in_new_store(folder, first, exact_dedup=False, approximate_dedup=False),
        "dedup": lambda: _in_new_store(folder, first),
        "known_source": lambda: _with_known_source(folder, first),
        "adaptive": lambda: _in_new_store(folder, first, policy="adaptive"),
        "second": lambda: _second(folder, first, second, reuse=True),
        "second_alone": lambda: _second(folder, first, second, reuse=False),
        "again": lambda: _second(folder, first, first, reuse=True),
    }
    ways = {name: way for name, way in ways.items() if name not in left_out}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(repetitions):
        names = list(ways)
        for name in names[repetition % len(names) :] + names[: repetition % len(names)]:
            gc.collect()
            seconds[name].append(ways[name]())
    done, other = first.run_without_logging(), second.run_without_logging()
    new = sum(taken for key, taken in other.stages.items() if key not in done.stages)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    report.add(template, **medians, second_least=new / other.seconds)


def _opened(folder: Path, **settings: Any) -> Mistique:
    shutil.rmtree(folder, ignore_errors=True)
    return Mistique.open(folder, **settings)


def _in_new_store(folder: Path, pipeline: Pipeline, policy: str = "dedup", **settings: Any) -> float:
    import time

    with _opened(folder, **settings) as store:
        seconds = pipeline.run(store)
        if policy == "dedup":
            return seconds
        start = time.perf_counter()
        store.materialize("zillow", pipeline.model, policy=policy)
        return seconds + time.perf_counter() - start


def _with_known_source(folder: Path, pipeline: Pipeline) -> float:
    """Run a pipeline whose source tables another model has logged; nothing is taken over."""
    from mistique_core.workflows.zillow import ReadZillowStage

    with _opened(folder) as store:
        with store.run("zillow", "tables") as run:
            for table in ("properties", "train", "test"):
                run.stage(table, ReadZillowStage(table))
        return pipeline.run(store, reuse=False)


def _second(folder: Path, first: Pipeline, second: Pipeline, *, reuse: bool) -> float:
    with _opened(folder) as store:
        first.run(store)
        return second.run(store, reuse=reuse)


def run_all(report: Report, folder: Path, chosen: Sequence[Pipeline]) -> None:
    """Run all pipelines with reuse into one store, and without logging."""
    with _opened(folder) as store:
        logged = sum(pipeline.run(store) for pipeline in chosen)
    runs = [pipeline.run_without_logging() for pipeline in chosen]
    without = sum(run.seconds for run in runs)
    first_times: dict[str, float] = {}
    for run in runs:
        first_times = {**run.stages, **first_times}
    report.add(f"{len(chosen)} pipelines", with_reuse=logged, without_logging=without)
    report.ratios["all_with_reuse"] = logged / without
    report.ratios["all_with_reuse_least"] = sum(first_times.values()) / without


def plot(report: Report, path: Path) -> None:
    """Draw the seconds of each way, as in Fig. 5-13."""
    names = {
        "without": "without logging",
        "store_all": "STORE_ALL",
        "dedup": "dedup, empty store",
        "known_source": "dedup, source stored",
        "adaptive": "adaptive",
        "second": "2nd variation, reuse",
        "again": "again, reuse",
    }
    rows = [row for row in report.rows if row["what"] in SHOWN]
    with picture(path, 8, 4) as axes:
        width = 0.8 / len(names)
        for number, (field, label) in enumerate(names.items()):
            places = [place + number * width for place in range(len(rows))]
            axes.bar(places, [row[field] for row in rows], width, label=label)
        axes.set_xticks([place + 0.4 - width / 2 for place in range(len(rows))], [row["what"].upper() for row in rows])
        axes.set(ylabel="seconds", title="Time of a pipeline")
        axes.legend(fontsize=8)


if __name__ == "__main__":
    main()
