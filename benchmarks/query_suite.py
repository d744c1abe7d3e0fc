"""Diagnostic techniques on pipelines and on layers: by reading, by re-running, and as the cost model chooses.

Run ``python -m benchmarks.query_suite [--quick] [--json PATH] [--homes N] [--rows N] [--plot PATH]`` (thesis 5.8.1,
Fig. 5-7). Eight techniques of all four categories of Table 5.1, through ``mistique_core.diagnostics``, on Zillow
pipelines P1, P5 and P9 and on layers 21, 11 and 1 of VGG16 over CIFAR-10. `full` is what the thesis calls a re-run: the
whole pipeline from its files with what it has learned, or the network, which is in memory, from the images; what
the technique then computes is left out of it. `rerun` is a re-run as this store plans it, `auto` what it chooses.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dnn_queries import forward_of
from benchmarks.dnn_workload import PROJECT, capture, cost, images, layer_names, needed_files, network, new_store
from benchmarks.harness import Budget, Report, arguments, finish
from benchmarks.pictures import add_plot_option, picture
from benchmarks.trad_queries import whole_pipeline_seconds
from benchmarks.trad_workload import competition_files, pipelines
from mistique_core import Mistique, diagnostics
from mistique_core.diagnostics.values.average_activations import average_activations
from mistique_core.workflows.cifar import read_images
from mistique_core.workflows.cifar.feeds import INPUT

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES, QUICK_TEMPLATES = ("p1", "p5", "p9"), ("p1",)
LAYERS, QUICK_LAYERS = (21, 11, 1), (21, 11)
BUDGETS = (
    Budget("rerun_over_read_trad_best", "pipelines, best technique: full re-run / read, >= 390", at_least=390),
    Budget("rerun_over_read_layer21_best", "layer 21, best technique: full re-run / read, >= 210", at_least=210),
    Budget("rerun_over_read_layer11_best", "layer 11, best technique: full re-run / read, >= 42", at_least=42),
    Budget("auto_over_best", "all queries: auto / the faster of both, <= 1.1", at_most=1.1),
)
THESIS = "read 2.5x to 390x faster on pipelines; layer 21 60x to 210x, layer 11 2x to 42x, layer 1 0.4x to 1x"


@dataclass(frozen=True)
class Question:
    """One technique with its arguments.

    Attributes
    ----------
    technique
        Its name.
    ask
        Takes the strategy.
    """

    technique: str
    ask: Callable[[str], Any]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=5_000, quick_rows=200, extra=_own_options)
    options.homes = options.homes or (5_000 if options.quick else 100_000)
    repetitions = 1 if options.quick else 3
    report = Report(
        "query_suite",
        {"images": options.rows, "homes": options.homes, "repetitions": repetitions, "thesis": THESIS},
    )
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="query-suite-") as name:
        _pipelines(report, Path(name), options, repetitions)
        _layers(report, Path(name), options, repetitions)
    summarize(report)
    if options.plot is not None:
        plot(report, options.plot)
    finish(report, BUDGETS, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--homes", type=int, metavar="N", help="rows of the pipelines (default 100000, quick 5000)")
    add_plot_option(parser)


def _pipelines(report: Report, folder: Path, options: argparse.Namespace, repetitions: int) -> None:
    with (
        competition_files(folder / "csv", options.homes),
        Mistique.open(folder / "homes", cache_bytes=0) as store,
    ):
        for template in QUICK_TEMPLATES if options.quick else TEMPLATES:
            first, second = pipelines((template,), 2)
            for pipeline in (first, second):
                pipeline.run(store)
            whole = whole_pipeline_seconds(store, first)
            for question in home_questions(store, first.model, second.model):
                measure(report, "trad", template, question, whole, repetitions)


def home_questions(store: Mistique, model: str, other: str) -> list[Question]:
    """Return the eight techniques on one pipeline."""
    data, predictions = f"zillow.{model}.features_test", f"zillow.{model}.predictions_test"
    prediction = f"{predictions}.prediction"
    frame = store.get_intermediates(data, strategy="read").to_pandas()
    first, second = (int(row) for row in frame.index[[10, 20]])
    groups = "propertylandusetypeid"
    numbers = frame.drop(columns=groups).select_dtypes("number")
    numbers = numbers.loc[:, numbers.nunique() > 1]
    varied = numbers.isna().sum().sort_values(kind="stable").index[:12]
    some = [f"{data}.{name}" for name in varied]
    half = len(some) // 2

    def ask(technique: str, *arguments: Any, **named: Any) -> Question:
        run = getattr(diagnostics, technique)
        return Question(technique, lambda strategy: run(store, *arguments, strategy=strategy, **named))

    return [
        ask("pointq", prediction, first),
        ask("topk", prediction, 10),
        ask("col_dist", prediction),
        ask("col_diff", prediction, f"zillow.{other}.predictions_test.prediction"),
        ask("knn", data, first, 10, standardize=True),
        ask("row_diff", data, first, second),
        ask("svcca", some[:half], some[half:]),
        ask("vis", some[:half], f"{data}.{groups}"),
    ]


def _layers(report: Report, folder: Path, options: argparse.Namespace, repetitions: int) -> None:
    files = needed_files((0, 1))
    inputs, model = images(files, options.rows), network(files)
    labels = read_images(path=files / "cifar10_10k.npz").labels
    names = layer_names(model)
    with new_store(folder / "layers") as store:
        capture(store, model, inputs)
        capture(store, network(files, 1), inputs, "other")
        store.log_array(PROJECT, "labels", "labels", np.resize(labels, options.rows)[:, None].astype(np.int64))
    with Mistique.open(folder / "layers", cache_bytes=0) as store:
        for layer in QUICK_LAYERS if options.quick else LAYERS:
            forward = forward_of(store, model, names[layer - 1], f"{PROJECT}.vgg16.{INPUT}")
            forward(options.rows)
            whole = _median(lambda forward=forward: forward(options.rows), repetitions)
            one = _median(lambda forward=forward: forward(1), 3)
            for question in layer_questions(store, names, layer):
                few = question.technique in ("pointq", "row_diff")
                measure(report, f"layer{layer}", f"layer {layer}", question, one if few else whole, repetitions)


def layer_questions(store: Mistique, names: Sequence[str], layer: int) -> list[Question]:
    """Return the techniques on one layer; those about single numbers where a unit holds single numbers."""
    key, other = (f"{PROJECT}.{model}.{names[layer - 1]}" for model in ("vgg16", "other"))
    columns = store.get_intermediates(key, n_ex=1, strategy="read").columns
    unit = columns[min(35, len(columns) // 2)]
    logits = f"{PROJECT}.vgg16.{names[-1]}"

    def ask(technique: str, *arguments: Any, **named: Any) -> Question:
        run = getattr(diagnostics, technique)
        return Question(technique, lambda strategy: run(store, *arguments, strategy=strategy, **named))

    asked = [
        ask("pointq", f"{key}.{unit}", 51),
        ask("topk", f"{key}.{unit}", 10),
        ask("knn", key, 51, 10),
        ask("row_diff", key, 51, 52),
        ask("svcca", key, logits) if layer != 1 else None,
        Question("vis", lambda strategy: _vis(store, key, strategy)),
        ask("col_dist", f"{key}.{unit}") if layer > 17 else None,
        ask("col_diff", f"{key}.{unit}", f"{other}.{unit}") if layer > 17 else None,
    ]
    return [question for question in asked if question is not None]


def _vis(store: Mistique, key: str, strategy: Any) -> Any:
    """Return the averages by class; the labels were logged by hand and cannot be re-run with the layer."""
    labels = f"{PROJECT}.labels.labels.0"
    if strategy != "rerun":
        return diagnostics.vis(store, key, labels, strategy=strategy)
    classes = store.get_intermediates(labels).values
    return average_activations(store.get_intermediates(key, strategy="rerun").values, classes)


def measure(report: Report, group: str, what: str, question: Question, whole: float, repetitions: int) -> None:
    """Ask one question in every way."""
    results = {way: question.ask(way) for way in ("read", "rerun", "auto")}
    seconds = {way: _median(lambda way=way: question.ask(way), repetitions) for way in results}
    report.add(
        f"{what} {question.technique}",
        group=group,
        technique=question.technique,
        **seconds,
        full=whole,
        chosen=results["auto"].plan.strategy,
        rerun_over_read=whole / seconds["read"],
        planned_rerun_over_read=seconds["rerun"] / seconds["read"],
        rerun_over_auto=whole / seconds["auto"],
        sentence=results["read"].sentence,
    )


def _median(action: Callable[[], object], repetitions: int) -> float:
    return statistics.median(cost(action).wall for _ in range(repetitions))


def summarize(report: Report) -> None:
    """Derive the ratios, by workload and technique."""
    for group in dict.fromkeys(row["group"] for row in report.rows):
        rows = [row for row in report.rows if row["group"] == group]
        for kind in ("rerun_over_read", "rerun_over_auto"):
            for technique in dict.fromkeys(row["technique"] for row in rows):
                of = [row[kind] for row in rows if row["technique"] == technique]
                report.ratios[f"{kind}_{group}_{technique}"] = statistics.median(of)
            report.ratios[f"{kind}_{group}_best"] = max(row[kind] for row in rows)
    best = sum(min(row["read"], row["rerun"]) for row in report.rows)
    report.ratios["auto_over_best"] = sum(row["auto"] for row in report.rows) / best


def plot(report: Report, path: Path) -> None:
    """Draw the seconds of each technique and way, log scale; a star marks what auto chose, as in Fig. 5-7."""
    groups = list(dict.fromkeys(row["group"] for row in report.rows))
    ways = {"read": ("read", "tab:blue"), "rerun": ("re-run, planned", "tab:orange"), "full": ("re-run of all", "0.6")}
    with picture(path, 13, 7) as axes:
        figure = axes.figure
        axes.remove()  # a panel for each group in its place
        panels = figure.subplots(2, -(-len(groups) // 2), sharey=True, squeeze=False).ravel()
        for panel, group in zip(panels, groups, strict=False):
            rows = [row for row in report.rows if row["group"] == group]
            places = np.arange(len(rows))
            for number, (field, (label, colour)) in enumerate(ways.items()):
                bars = [row[field] for row in rows]
                panel.bar(places + number * 0.27, bars, 0.27, label=label, color=colour)
            for place, row in zip(places, rows, strict=True):
                offset = 0.27 if row["chosen"] == "rerun" else 0.0
                panel.annotate("*", (place + offset, row[row["chosen"]] if row["chosen"] in row else row["auto"]))
            panel.set_xticks(places + 0.27, [row["what"] for row in rows], rotation=60, ha="right", fontsize=7)
            panel.set(yscale="log", title=group)
            panel.grid(axis="y", alpha=0.3)
        for panel in panels[len(groups) :]:
            panel.remove()
        panels[0].set_ylabel("seconds")
        panels[0].legend(fontsize=8)


if __name__ == "__main__":
    main()
