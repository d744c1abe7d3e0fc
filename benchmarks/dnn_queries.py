"""Layers of VGG16 by reading and by re-running, over layers, rows and schemes (thesis Fig. 5-7b-d, 5-9, 5-10).

Run ``python -m benchmarks.dnn_queries [--quick] [--json PATH] [--rows N] [--repetitions N] [--plot PATH]``.
All layers are logged with the default schemes; whole layers and single units of the first 1, 100, 1,000 and all rows
are read; re-run as this store plans it (from the nearest stored layers that are exact); and whole layers as the thesis
re-runs them (from the images, by the network itself, which is in memory). What the planner would choose stands beside
the measured seconds. Then some layers are logged with every scheme and read.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.dnn_workload import (
    BATCH_ROWS,
    PROJECT,
    SCHEMES,
    capture,
    cost,
    images,
    layer_names,
    needed_files,
    network,
    new_store,
)
from benchmarks.harness import Budget, Report, arguments, finish
from benchmarks.pictures import add_plot_option, picture
from mistique_core import Mistique
from mistique_core.workflows.cifar.feeds import INPUT

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (1, 3, 6, 11, 16, 19, 21)
DRAWN = (1, 11, 21)
QUICK_SCHEMES = ("kbit8", "pool2")
ROW_COUNTS = (1, 100, 1_000)
CLOSE = 1.25
BUDGETS = (
    Budget("network_over_read_layer21", "layer 21, all rows: network / read, >= 60 (thesis 60 to 210)", at_least=60),
    Budget("network_over_read_layer11", "layer 11, all rows: network / read, >= 2 (thesis 2 to 42)", at_least=2),
    Budget("auto_right_share", "auto takes the faster one, or within 1.25x of it, >= 0.9", at_least=0.9),
)
THESIS = "re-run / read: layer 21 60 to 210, layer 11 2 to 42, layer 1 0.4 over 10,000 rows; KBIT(8) is slowest to read"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=10_000, quick_rows=250, extra=_own_options)
    repetitions = options.repetitions or (1 if options.quick else 3)
    folder = needed_files()
    report = Report("dnn_queries", {"rows": options.rows, "repetitions": repetitions, "thesis": THESIS})
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="dnn-queries-") as name:
        place = Path(name) / "store"
        inputs, model = images(folder, options.rows), network(folder)
        names = layer_names(model)
        with new_store(place) as store:
            print(capture(store, model, inputs).summary(), flush=True)
        for layer in DRAWN if options.quick else LAYERS:
            measure_cold(report, place, layer, names[layer - 1])
        with Mistique.open(place, cache_bytes=0) as store:
            for layer in DRAWN if options.quick else LAYERS:
                measure(report, store, layer, names[layer - 1], model, options.rows, repetitions)
        summarize(report, options.rows)
        for scheme in QUICK_SCHEMES if options.quick else SCHEMES:
            with new_store(place) as store:
                capture(store, model, inputs, scheme=SCHEMES[scheme], layers=[names[layer - 1] for layer in DRAWN])
                for layer in DRAWN:
                    measure_scheme(report, store, scheme, layer, names[layer - 1], options.rows, repetitions)
    if options.plot is not None:
        plot(report, options.plot)
    finish(report, BUDGETS, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repetitions", type=int, metavar="N", help="times to ask each (default 3, quick 1)")
    add_plot_option(parser)


def measure_cold(report: Report, place: Path, layer: int, name: str) -> None:
    """Ask for one row in a store that was just opened: nothing is rebuilt or cached yet."""
    found = {}
    for strategy in ("read", "rerun"):
        with Mistique.open(place, cache_bytes=0) as store:
            found[f"{strategy}_seconds"] = cost(_query(store, _key(name), 1, strategy)).wall
    report.add(f"layer {layer}, cold", layer=layer, columns="all", n_ex=1, kind="cold", **found)


def measure(report: Report, store: Mistique, layer: int, name: str, model: Any, rows: int, repetitions: int) -> None:
    """Read and re-run a layer and one unit of it, for several numbers of rows, with all layers kept rebuilt."""
    forward = forward_of(store, model, name, _key(INPUT))
    keys = {"all": _key(name), "one unit": f"{_key(name)}.{_middle_unit(store, name)}"}
    for n_ex in (*(count for count in ROW_COUNTS if count < rows), rows):
        for columns, key in keys.items():
            _query(store, key, min(n_ex, 10), "rerun")()
            _query(store, key, min(n_ex, 10), "read")()
            plan = store.explain(key, n_ex=n_ex if n_ex < rows else None)
            read = _median(_query(store, key, n_ex if n_ex < rows else None, "read"), repetitions)
            rerun = _median(_query(store, key, n_ex if n_ex < rows else None, "rerun"), repetitions)
            others = {}
            if columns == "all":
                forward(n_ex)
                seconds = _median(lambda n_ex=n_ex: forward(n_ex), repetitions)
                others = {"network_seconds": seconds, "network_over_read": seconds / read}
            taken, other = (read, rerun) if plan.strategy == "read" else (rerun, read)
            report.add(
                f"layer {layer}, {columns}, {n_ex} rows",
                kind="warm",
                layer=layer,
                columns=columns,
                n_ex=n_ex,
                read_seconds=read,
                rerun_seconds=rerun,
                read_estimate_seconds=plan.read_seconds,
                rerun_estimate_seconds=plan.rerun_seconds,
                rerun_over_read=rerun / read,
                auto=plan.strategy,
                auto_right=taken <= other,
                auto_close=taken <= CLOSE * other,
                frontier=", ".join(label for target in plan.targets for label in target.frontier_labels),
                stages=sum(len(target.stages) for target in plan.targets),
                stored_bytes=sum(target.stored_bytes for target in plan.targets),
                **others,
            )


def forward_of(store: Mistique, model: Any, name: str, inputs_key: str) -> Callable[[int], object]:
    """Return what runs the network up to a layer, on the first rows of the stored images."""
    import keras

    part = keras.Model(model.inputs, model.get_layer(name).output)

    def run(rows: int) -> Any:
        inputs = store.get_intermediates(inputs_key, n_ex=rows, strategy="read").values
        if rows <= BATCH_ROWS:
            return part.predict_on_batch(inputs)
        return part.predict(inputs, batch_size=BATCH_ROWS, verbose=0)

    return run


def measure_scheme(
    report: Report, store: Mistique, scheme: str, layer: int, name: str, rows: int, repetitions: int
) -> None:
    """Read all rows of a layer that is stored with one scheme."""
    read = _median(_query(store, _key(name), None, "read"), repetitions)
    few = _median(_query(store, _key(name), min(100, rows), "read"), repetitions)
    listed = store.intermediates(PROJECT)
    stored = int(listed.loc[listed["intermediate"] == name, "stored_bytes"].iloc[0])
    report.add(
        f"layer {layer}, {scheme}",
        kind="scheme",
        layer=layer,
        scheme=scheme,
        n_ex=rows,
        read_seconds=read,
        read_100_seconds=few,
        stored_bytes=stored,
    )


def summarize(report: Report, rows: int) -> None:
    """Derive the ratios from the rows."""
    warm = [row for row in report.rows if row["kind"] == "warm"]
    for row in warm:
        if row["columns"] == "all" and row["n_ex"] == rows:
            for way in ("rerun", "network"):
                report.ratios[f"{way}_over_read_layer{row['layer']}"] = row[f"{way}_over_read"]
    report.ratios["auto_strictly_right_share"] = sum(row["auto_right"] for row in warm) / len(warm)
    report.ratios["auto_right_share"] = sum(row["auto_close"] for row in warm) / len(warm)
    for way in ("read", "rerun"):
        errors = [row[f"{way}_estimate_seconds"] / row[f"{way}_seconds"] for row in warm]
        report.ratios[f"{way}_estimate_over_measured"] = statistics.median(errors)


def _seconds_of(rows: Sequence[dict[str, Any]], field: str) -> list[float]:
    return [row[field] for row in rows]


def _key(name: str) -> str:
    return f"{PROJECT}.vgg16.{name}"


def _middle_unit(store: Mistique, name: str) -> str:
    """Return the name of the middle unit of a layer."""
    columns = list(store.get_intermediates(_key(name), n_ex=1, strategy="read").columns)
    return str(columns[len(columns) // 2])


def _query(store: Mistique, key: str, n_ex: int | None, strategy: Any) -> Callable[[], object]:
    return lambda: store.get_intermediates(key, n_ex=n_ex, strategy=strategy).values.shape


def _median(action: Callable[[], object], repetitions: int) -> float:
    return statistics.median(cost(action).wall for _ in range(repetitions))


def plot(report: Report, path: Path) -> None:
    """Draw seconds against rows for three layers, measured and estimated, as in Fig. 5-10."""
    warm = [row for row in report.rows if row["kind"] == "warm" and row["columns"] == "all"]
    with picture(path, 11, 4) as axes:
        figure = axes.figure
        axes.remove()  # three panels in its place
        for panel, layer in zip(figure.subplots(1, len(DRAWN), sharey=True), DRAWN, strict=True):
            rows = [row for row in warm if row["layer"] == layer]
            counts = [row["n_ex"] for row in rows]
            for way, label, colour in (("read", "read", "tab:blue"), ("rerun", "re-run, planned", "tab:orange")):
                estimates = _seconds_of(rows, f"{way}_estimate_seconds")
                panel.plot(counts, _seconds_of(rows, f"{way}_seconds"), "o-", color=colour, label=label)
                panel.plot(counts, estimates, "x:", color=colour, alpha=0.7, label=f"{label}, estimate")
            panel.plot(counts, _seconds_of(rows, "network_seconds"), "s--", color="tab:grey", label="whole network")
            panel.set(xscale="log", yscale="log", xlabel="rows", title=f"Layer {layer}")
            panel.grid(alpha=0.3)
        figure.axes[0].set_ylabel("seconds")
        figure.axes[-1].legend(fontsize=7)


if __name__ == "__main__":
    main()
