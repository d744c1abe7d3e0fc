"""Fidelity of stored activations: SVCCA, KNN and VIS, all schemes and peers (thesis Tables 5.5, 5.6, Fig. 5-11).

Run ``python -m benchmarks.dnn_fidelity [--quick] [--json PATH] [--rows N] [--byte-rows N] [--svcca-rows N]
[--table-rows N] [--plot PATH] [--heatmaps PATH]``. The trained VGG16 and its images are looked for in
``$MISTIQUE_BENCH_DATA``, else in ``../shared/data``. With TensorFlow (extra ``dnn``) the net runs four times as fast as
with NumPy.

Every number compares with full precision on the same rows. Bytes are of all 21 layers. SVCCA compares the logits with
layers 6, 11, 16 and 19, maps flattened, both as the scheme gives them back: over ``--svcca-rows`` images for all
schemes, over ``--table-rows`` for those of Table 5.5 (10,000 take about an hour on two busy cores).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data_folder import data_folder
from benchmarks.fidelity_pictures import Point, draw_heatmaps, draw_points, shades
from benchmarks.fidelity_schemes import (
    DEFAULT,
    GZIP,
    THESIS_DEFAULT,
    WIDTHS,
    Scheme,
    Way,
    default_texts,
    one_text,
    ways,
)
from benchmarks.harness import Budget, Report, arguments, finish
from benchmarks.layer_fidelity import kept_by_schemes
from benchmarks.neighbours import nearest, overlap
from benchmarks.our_activations import Default
from benchmarks.tensorflow_vgg16 import fastest_net
from benchmarks.vgg16 import LOGITS, SHAPES, VGG16
from mistique_core.diagnostics.values.average_activations import average_activations
from mistique_core.diagnostics.values.mean_cca import mean_cca

ROOT = Path(__file__).resolve().parents[1]
LAYERS = tuple(SHAPES)
KNN_LAYERS, CCA_LAYERS, VIS_LAYER = (11, 16, 19), (6, 11, 16, 19), 9
HELD = (6, VIS_LAYER, 11, 16, 19, LOGITS)
TABLE = ("KBIT(8)", THESIS_DEFAULT, DEFAULT)
"""Schemes of Table 5.5, and ours: SVCCA of more rows."""
K = 50
SHOWN = ("LP float16", "KBIT(8)", "POOL(S), float16", THESIS_DEFAULT, DEFAULT, "KBIT(3)", "THRESHOLD(99.5 %)")
THESIS = {
    "svcca": "layers 6, 11, 16, 19: full .8886 .9185 .7891 .8182; 8BIT .8868 .9176 .787 .8182; "
    "POOL(2) .6098 .7085 .7464 .8086",
    "knn": "layers 11, 16, 19: 8BIT .94 .96 1.0; POOL(2) .74 .84 1.0",
}
BUDGETS = (
    Budget("gzip_f32_over_default", "bytes: gzip'd float32 HDF5 / default, >= 7 (aim 10)", at_least=7),
    Budget("pool2_float16_over_default", "bytes: POOL(2), float16 / default, >= 1", at_least=1),
    Budget("knn_11", "default: neighbours kept in layer 11, >= 0.94", at_least=0.94),
    Budget("knn_16", "default: neighbours kept in layer 16, >= 0.96", at_least=0.96),
    Budget("knn_19", "default: neighbours kept in layer 19, = 1", at_least=1),
    Budget("svcca_worst_difference", "default: SVCCA, worst difference from full, <= 0.002", at_most=0.002),
    Budget("worst_knn_gain_over_pool2", "default: neighbours kept less those of POOL(2), worst layer", at_least=0),
    Budget("worst_svcca_gain_over_pool2", "POOL(2): SVCCA off less that of the default, worst layer", at_least=0),
)
Layers = dict[int, NDArray[np.float32]]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=10_000, quick_rows=200, extra=_own_options)
    folder = data_folder("cifar10_10k.npz", "vgg16_cifar10")
    quick = options.quick
    byte_rows = options.byte_rows or (30 if quick else 1_000)
    cca_rows = min(options.rows, options.svcca_rows or (200 if quick else 2_000))
    table_rows = min(options.rows, options.table_rows or (0 if quick else 5_000))
    wide_rows = min(options.rows, 1_000)
    queries, few_queries = min(options.rows, 100 if quick else 1_000), min(options.rows, 60 if quick else 200)
    with np.load(folder / "cifar10_10k.npz") as data:
        images, labels = data["images"][: options.rows], data["labels"][: options.rows]
    net = fastest_net(folder / "vgg16_cifar10")
    report = Report("dnn_fidelity", {
        "rows": options.rows, "byte_rows": byte_rows, "svcca_rows": cca_rows,
        "svcca_rows_table": table_rows, "svcca_rows_every_layer": wide_rows,
        "knn_queries": queries, "knn_queries_every_layer": few_queries, "k": K, "net": type(net).__name__,
        "thesis": THESIS,
    })  # fmt: skip
    chosen = ways(quick)
    smaller = measure_bytes(report, net, images[:byte_rows], chosen)
    held = net.collect(images, HELD)
    asked = np.sort(np.random.default_rng(0).choice(options.rows, queries, replace=False))
    points, heatmaps = measure_fidelity(report, held, labels, asked, chosen, smaller, cca_rows)
    if table_rows:
        first = {layer: held[layer][:table_rows] for layer in (*CCA_LAYERS, LOGITS)}
        measure_table(report, first, [way for way in chosen if way.label in TABLE])
    del held
    few = np.sort(np.random.default_rng(1).choice(options.rows, few_queries, replace=False))
    measure_every_layer(report, net, images, few, wide_rows)
    _summary(report)
    if options.plot is not None:
        draw_points(points, options.plot, f"{byte_rows:,} images for bytes, {options.rows:,} for neighbours")
    if options.heatmaps is not None:
        draw_heatmaps(heatmaps, options.heatmaps)
    finish(report, BUDGETS, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--byte-rows", type=int, metavar="N", help="images whose bytes are measured")
    parser.add_argument("--svcca-rows", type=int, metavar="N", help="images of SVCCA for all schemes")
    parser.add_argument("--table-rows", type=int, metavar="N", help="images of SVCCA for the schemes of Table 5.5")
    parser.add_argument("--plot", type=Path, metavar="PATH", help="draw bytes against fidelity (PNG)")
    parser.add_argument("--heatmaps", type=Path, metavar="PATH", help="draw the VIS heatmap of each scheme (PNG)")


def measure_bytes(report: Report, net: VGG16, images: NDArray[np.uint8], chosen: Sequence[Way]) -> dict[str, float]:
    """Return float32 over stored bytes of all layers in each way; measure the store's partitions with the default."""
    layers = net.collect(images, LAYERS)
    raw = sum(values.nbytes for values in layers.values())
    ratios: dict[str, float] = {}
    for way in chosen:
        rows = len(images) if way.label in (GZIP, THESIS_DEFAULT, DEFAULT) else max(len(images) // 4, 10)
        by_layer = {layer: way.trip(layer, values[:rows])[0] for layer, values in layers.items()}
        ratios[way.label] = sum(WIDTHS.values()) * 4 * rows / sum(by_layer.values())
        each = {f"layer_{layer}": WIDTHS[layer] * 4 * rows / found for layer, found in by_layer.items()}
        report.add(f"bytes: {way.label}", ratio_to_float32=ratios[way.label], rows=rows, **each)
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="fidelity-") as scratch:
        system = Default(Path(scratch) / "store")
        system.start()
        for layer, values in layers.items():
            system.write(layer, values)
        system.finish()
        partitions, everything = system.partition_bytes(), system.stored_bytes()
    report.add("bytes: the store with the default", ratio_to_float32=raw / partitions,
               ratio_with_catalogue=raw / everything, stored_bytes=partitions)  # fmt: skip
    report.ratios["gzip_f32_over_default"] = raw / partitions / ratios[GZIP]
    report.ratios["gzip_f32_over_default_with_catalogue"] = raw / everything / ratios[GZIP]
    report.ratios["pool2_float16_over_default"] = raw / partitions / ratios[THESIS_DEFAULT]
    report.ratios["f32_over_default"] = raw / partitions
    report.ratios["f32_over_gzip"] = ratios[GZIP]
    return ratios


def measure_fidelity(
    report: Report,
    held: Layers,
    labels: NDArray[np.uint8],
    queries: NDArray[np.int64],
    chosen: Sequence[Way],
    smaller: dict[str, float],
    cca_rows: int,
) -> tuple[list[Point], dict[str, NDArray[np.float64]]]:
    """Measure KNN, SVCCA and VIS in each way that is not exact."""
    known = {layer: nearest(held[layer], queries, K) for layer in KNN_LAYERS}
    full = {layer: mean_cca(held[layer][:cca_rows], held[LOGITS][:cca_rows]) for layer in CCA_LAYERS}
    exact = average_activations(held[VIS_LAYER], labels)
    report.add("full precision", **{f"svcca_{layer}": value for layer, value in full.items()})
    points, heatmaps = [], {"full precision": exact}
    for way in chosen:
        kept, cca, off = dict.fromkeys(KNN_LAYERS, 1.0), dict(full), np.zeros(1)
        if not way.exact:
            logits = way.trip(LOGITS, held[LOGITS][:cca_rows])[1]
            drawn = (VIS_LAYER,) if way.label in SHOWN else ()
            for layer in (*CCA_LAYERS, *drawn):
                rows = None if layer in (*KNN_LAYERS, VIS_LAYER) else cca_rows
                decoded = way.trip(layer, held[layer][:rows])[1]
                if layer in KNN_LAYERS:
                    kept[layer] = overlap(known[layer], nearest(decoded, queries, K))
                if layer in CCA_LAYERS:
                    cca[layer] = mean_cca(decoded[:cca_rows], logits)
                if layer == VIS_LAYER:
                    heatmaps[way.label] = average_activations(decoded, labels)
                    off = np.abs(shades(heatmaps[way.label]) - shades(exact))
                del decoded
        worst = max(abs(cca[layer] - full[layer]) for layer in CCA_LAYERS)
        mean = float(np.mean(list(kept.values())))
        ratio = smaller[way.label]
        points.append(Point(way.label, way.family, ratio, mean, worst))
        report.add(
            way.label, ratio_to_float32=ratio, knn_mean=mean,
            **{f"knn_{layer}": value for layer, value in kept.items()},
            **{f"svcca_{layer}": value for layer, value in cca.items()}, svcca_worst_difference=worst,
            **({"vis_largest_shades_off": float(off.max()), "vis_mean_shades_off": float(off.mean())}
               if way.label in heatmaps else {}),
        )  # fmt: skip
    return points, {label: heatmaps[label] for label in ("full precision", *SHOWN)}


def measure_table(report: Report, held: Layers, chosen: Sequence[Way]) -> None:
    """Measure SVCCA over more rows for the schemes of Table 5.5 and ours."""
    full = {layer: mean_cca(held[layer], held[LOGITS]) for layer in CCA_LAYERS}
    rows = len(held[LOGITS])
    report.add("Table 5.5: full precision", rows=rows, **{f"svcca_{layer}": full[layer] for layer in full})
    for way in chosen:
        logits = way.trip(LOGITS, held[LOGITS])[1]
        found = {layer: mean_cca(way.trip(layer, held[layer])[1], logits) for layer in CCA_LAYERS}
        worst = max(abs(found[layer] - full[layer]) for layer in CCA_LAYERS)
        report.add(f"Table 5.5: {way.label}", rows=rows, svcca_worst_difference=worst,
                   **{f"svcca_{layer}": value for layer, value in found.items()})  # fmt: skip


def measure_every_layer(
    report: Report, net: VGG16, images: NDArray[np.uint8], queries: NDArray[np.int64], cca_rows: int
) -> None:
    """Compare the default with POOL(2), float16 in each layer: neighbours of all rows, SVCCA of some."""
    mixes = {DEFAULT: default_texts(), THESIS_DEFAULT: one_text("pool(2)+float16")}
    kept = kept_by_schemes(net, images, mixes, queries, K)
    logits = net.collect(images[:cca_rows], (LOGITS,))[LOGITS]
    for layer in LAYERS:
        values = net.collect(images[:cca_rows], (layer,))[layer]
        full = mean_cca(values, logits)
        off = {}
        for label, texts in mixes.items():
            way = Scheme(label, label, texts)
            off[label] = abs(mean_cca(way.trip(layer, values)[1], way.trip(LOGITS, logits)[1]) - full)
        report.add(
            f"layer {layer}: {default_texts()[layer]}", values_per_row=WIDTHS[layer], knn=kept[DEFAULT][layer],
            knn_pool2=kept[THESIS_DEFAULT][layer], svcca_full=full, svcca_off=off[DEFAULT],
            svcca_off_pool2=off[THESIS_DEFAULT],
        )  # fmt: skip


def _summary(report: Report) -> None:
    """Set the ratios that the budgets are about."""
    rows = {row["what"]: row for row in report.rows}
    for layer in KNN_LAYERS:
        report.ratios[f"knn_{layer}"] = rows[DEFAULT][f"knn_{layer}"]
    of_table = rows.get(f"Table 5.5: {DEFAULT}", rows[DEFAULT])
    report.ratios["svcca_worst_difference"] = of_table["svcca_worst_difference"]
    every = [row for row in report.rows if "knn_pool2" in row]
    report.ratios["knn_every_layer_mean"] = float(np.mean([row["knn"] for row in every]))
    report.ratios["knn_every_layer_least"] = min(row["knn"] for row in every)
    report.ratios["worst_knn_gain_over_pool2"] = min(row["knn"] - row["knn_pool2"] for row in every)
    report.ratios["worst_svcca_gain_over_pool2"] = min(row["svcca_off_pool2"] - row["svcca_off"] for row in every)


if __name__ == "__main__":
    main()
