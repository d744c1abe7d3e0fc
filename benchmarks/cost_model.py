"""Does the cost model choose right? Estimates against measured seconds, over layers, pipelines, rows and schemes.

Run ``python -m benchmarks.cost_model [--quick] [--json PATH] [--rows N] [--homes N] [--plot PATH]`` (thesis 5.8.3,
Fig. 5-9 and 5-10). Layers of VGG16 on CIFAR-10, each scheme a model of its own, and intermediates of Zillow pipelines.
Each of them is asked for twice by reading and twice by re-running, for 50 rows: that is the calibration. Then all
estimates of the grid are written down, and then everything is measured: whole intermediates and one column, for
several numbers of rows. `regret` is how much longer all queries of the grid take as chosen than as the faster way of
each does.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.dnn_workload import PROJECT, capture, cost, images, layer_names, needed_files, network, new_store
from benchmarks.harness import Budget, Report, arguments, finish
from benchmarks.pictures import add_plot_option, picture
from benchmarks.trad_workload import competition_files, pipelines
from mistique_core import Mistique

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (1, 3, 6, 11, 16, 19, 21)
SCHEMES = {"default": None, "kbit8": "kbit(8)", "pool2": "pool(2)+float16", "lossless": "lossless"}
QUICK_LAYERS, QUICK_SCHEMES = (1, 11, 21), ("default", "kbit8")
TEMPLATES, QUICK_TEMPLATES = ("p1", "p5", "p9"), ("p1",)
ROW_COUNTS = (1, 10, 100, 1_000)
CALIBRATION_ROWS = 50
CLOSE = 1.1
BUDGETS = (
    Budget("right_choice_share", "the faster one is chosen, or one within 10 % of it, >= 0.95", at_least=0.95),
    Budget("regret", "all queries as chosen / as the faster one would, minus 1, <= 0.1", at_most=0.1),
    Budget("within_2x_share", "estimates within 2x of what was measured, >= 0.9", at_least=0.9),
)
THESIS = "Fig. 5-9: estimates follow the measured times; Fig. 5-10: reading wins but for layer 1 of over 10K images"


@dataclass(frozen=True)
class Cell:
    """One query of the grid.

    Attributes
    ----------
    what, group
        For people; `group` is the workload.
    key
        What is asked for.
    rows
        Number of first rows; ``None`` for all.
    count
        The same as a number.
    columns
        ``all`` or ``one``.
    """

    what: str
    group: str
    key: str
    rows: int | None
    count: int
    columns: str


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=5_000, quick_rows=200, extra=_own_options)
    options.homes = options.homes or (5_000 if options.quick else 100_000)
    repetitions = 1 if options.quick else 3
    report = Report(
        "cost_model",
        {"images": options.rows, "homes": options.homes, "repetitions": repetitions, "thesis": THESIS},
    )
    folder = needed_files()
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="cost-model-") as name:
        with new_store(Path(name) / "layers") as store:
            for scheme in QUICK_SCHEMES if options.quick else SCHEMES:
                model = network(folder)
                print(capture(store, model, images(folder, options.rows), scheme, scheme=SCHEMES[scheme]).summary())
        layers = QUICK_LAYERS if options.quick else LAYERS
        with Mistique.open(Path(name) / "layers", cache_bytes=0) as store:
            names = layer_names(network(folder))
            schemes = QUICK_SCHEMES if options.quick else SCHEMES
            keys = {
                f"layer {layer}, {scheme}": f"{PROJECT}.{scheme}.{names[layer - 1]}"
                for layer in layers
                for scheme in schemes
            }
            measure(report, store, list(grid(store, keys, "layers")), keys.values(), repetitions)
        with (
            competition_files(Path(name) / "csv", options.homes),
            Mistique.open(Path(name) / "homes", cache_bytes=0) as store,
        ):
            keys = {}
            for pipeline in pipelines(QUICK_TEMPLATES if options.quick else TEMPLATES, 1):
                pipeline.run(store)
                keys.update(_stages(store, pipeline.model))
            measure(report, store, list(grid(store, keys, "pipelines")), keys.values(), repetitions)
    summarize(report)
    if options.plot is not None:
        plot(report, options.plot)
    finish(report, BUDGETS, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--homes", type=int, metavar="N", help="rows of the pipelines (default 100000, quick 5000)")
    add_plot_option(parser)


def _stages(store: Mistique, model: str) -> dict[str, str]:
    """Return the intermediates of a pipeline that can be re-run: what -> key."""
    listed = store.intermediates("zillow", model)
    keys = {f"{model} {name}": f"zillow.{model}.{name}" for name in listed["intermediate"]}
    return {what: key for what, key in keys.items() if store.explain(key).rerun_seconds is not None}


def grid(store: Mistique, keys: dict[str, str], group: str) -> Iterator[Cell]:
    """Yield the queries: whole intermediates and one column of each, for several numbers of rows."""
    for what, key in keys.items():
        first = store.get_intermediates(key, n_ex=1, strategy="read")
        total = int(store.intermediates(*key.split(".")[:2]).set_index("intermediate").loc[key.split(".")[2], "rows"])
        middle = first.columns[len(first.columns) // 2]
        for rows in (*(count for count in ROW_COUNTS if count < total), None):
            count = total if rows is None else rows
            yield Cell(f"{what}, all, {count} rows", group, key, rows, count, "all")
            yield Cell(f"{what}, one, {count} rows", group, f"{key}.{middle}", rows, count, "one")


def measure(report: Report, store: Mistique, cells: Sequence[Cell], keys: Any, repetitions: int) -> None:
    """Calibrate, write all estimates down, and measure."""
    for key in keys:
        for strategy in ("read", "rerun", "read", "rerun"):
            store.get_intermediates(key, n_ex=CALIBRATION_ROWS, strategy=strategy)
    plans = {cell: store.explain(cell.key, n_ex=cell.rows) for cell in cells}
    for cell in cells:
        seconds = {way: _median(store, cell, way, repetitions) for way in ("read", "rerun")}
        plan = plans[cell]
        other = "rerun" if plan.strategy == "read" else "read"
        report.add(
            cell.what,
            group=cell.group,
            columns=cell.columns,
            n_ex=cell.count,
            read=seconds["read"],
            read_estimate=plan.read_seconds,
            rerun=seconds["rerun"],
            rerun_estimate=plan.rerun_seconds,
            chosen=plan.strategy,
            right=seconds[plan.strategy] <= CLOSE * seconds[other],
            strictly_right=seconds[plan.strategy] <= seconds[other],
        )


def _median(store: Mistique, cell: Cell, strategy: Any, repetitions: int) -> float:
    def ask() -> object:
        return store.get_intermediates(cell.key, n_ex=cell.rows, strategy=strategy).values.shape

    ask()
    return statistics.median(cost(ask).wall for _ in range(repetitions))


def summarize(report: Report) -> None:
    """Derive the ratios, of all queries and of each workload."""
    for suffix, rows in (
        ("", report.rows),
        *((f"_{group}", [row for row in report.rows if row["group"] == group]) for group in ("layers", "pipelines")),
    ):
        best = sum(min(row["read"], row["rerun"]) for row in rows)
        report.ratios[f"right_choice_share{suffix}"] = sum(row["right"] for row in rows) / len(rows)
        report.ratios[f"strictly_right_share{suffix}"] = sum(row["strictly_right"] for row in rows) / len(rows)
        report.ratios[f"regret{suffix}"] = sum(row[row["chosen"]] for row in rows) / best - 1
        errors = [row[f"{way}_estimate"] / row[way] for row in rows for way in ("read", "rerun")]
        report.ratios[f"within_2x_share{suffix}"] = sum(0.5 <= error <= 2 for error in errors) / len(errors)
        report.ratios[f"median_estimate_over_measured{suffix}"] = statistics.median(errors)


def plot(report: Report, path: Path) -> None:
    """Draw every estimate against what was measured, as in Fig. 5-9."""
    with picture(path, 11, 4.5) as axes:
        figure = axes.figure
        axes.remove()  # two panels in its place
        for panel, group in zip(figure.subplots(1, 2), ("layers", "pipelines"), strict=True):
            rows = [row for row in report.rows if row["group"] == group]
            for way, colour, marker in (("read", "tab:blue", "o"), ("rerun", "tab:orange", "^")):
                panel.scatter(
                    [row[way] for row in rows],
                    [row[f"{way}_estimate"] for row in rows],
                    s=14,
                    c=colour,
                    marker=marker,
                    alpha=0.6,
                    label={"read": "read", "rerun": "re-run"}[way],
                )
            ends = [min(row["read"] for row in rows) / 2, max(row["rerun"] for row in rows) * 2]
            panel.plot(ends, ends, color="tab:grey", linewidth=1)
            for factor in (0.5, 2):
                panel.plot(ends, [end * factor for end in ends], ":", color="tab:grey", linewidth=1)
            panel.set(xscale="log", yscale="log", xlabel="measured seconds", title=group.capitalize())
            panel.grid(alpha=0.3)
        figure.axes[0].set_ylabel("estimated seconds (dotted: 2x)")
        figure.axes[-1].legend()


if __name__ == "__main__":
    main()
