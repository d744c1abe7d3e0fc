"""Activations of a trained VGG16: bytes, rates and neighbours kept, beside stores and lossy compressors.

Run ``python -m benchmarks.store_activations [--quick] [--json PATH] [--rows N] [--neighbour-rows N] [--plot PATH]``.
The weights and images are looked for in ``$MISTIQUE_BENCH_DATA``, else in ``../shared/data``.
"""

from __future__ import annotations

import argparse
import gc
import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.activation_schemes import SchemeCodec, encode_layers, text_of
from benchmarks.activation_systems import PEERS, Hdf5Gzip, Hdf5GzipUnitsFirst, Reader, System
from benchmarks.data_folder import data_folder
from benchmarks.harness import Budget, Report, arguments, finish, median_seconds, seconds
from benchmarks.layer_fidelity import kept_by_layer
from benchmarks.lossy_peers import Blosc2Half, Blosc2Truncated, LossyCodec, Sz3, Zfp, step_of
from benchmarks.neighbours import nearest, overlap
from benchmarks.our_activations import Bounded, Lossless
from benchmarks.rate_distortion_plot import Point, plot
from benchmarks.vgg16 import SHAPES, VGG16
from mistique_core.quantizers import parse_scheme

ROOT = Path(__file__).resolve().parents[1]
LAYERS = tuple(SHAPES)
NEIGHBOUR_LAYERS = (11, 16, 19)
READ_LAYERS = (2, 9, 16)
RATE_LAYER = 5
THREADS = 2
K = 50
Layers = dict[int, NDArray[np.float32]]
BUDGETS = (
    Budget("gzip_f32_over_bounded", "bytes: gzip'd float32 HDF5 / BOUNDED, >= 6 (aim 10)", at_least=6),
    Budget("bounded_knn_overlap", "BOUNDED: neighbours kept, mean of layers 11, 16, 19, >= 0.97", at_least=0.97),
    Budget("bounded_encode_mb_s", "BOUNDED: MB/s of float32 encoded, >= 400", at_least=400),
    Budget("kbit_decode_gb_s", "KBIT(8): GB/s of float32 decoded on one core, >= 2", at_least=2),
    Budget("worst_error_over_bound", "our schemes: largest error / stated bound, <= 1", at_most=1),
)
BOUNDED = 1.0
"""The step as a multiple of the layer's default."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=1000, quick_rows=30, extra=_options)
    folder = data_folder("cifar10_10k.npz", "vgg16_cifar10")
    neighbour_rows = options.neighbour_rows or (300 if options.quick else 10_000)
    with np.load(folder / "cifar10_10k.npz") as data:
        images = data["images"]
    gc.freeze()  # what the imports left behind is not walked again before each measurement
    net = VGG16(folder / "vgg16_cifar10")
    layers = net.collect(images[: options.rows], LAYERS)
    distortion_rows = min(options.rows, max(30, options.rows // 4))
    report = Report("store_activations", {
        "rows": options.rows, "neighbour_rows": neighbour_rows, "distortion_rows": distortion_rows,
        "layers": len(LAYERS), "float32_bytes": sum(values.nbytes for values in layers.values()),
    })  # fmt: skip
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="activations-") as scratch:
        measure_systems(report, Path(scratch), layers)
    measure_encoding(report, layers)
    measure_schemes(report, layers[RATE_LAYER][:distortion_rows])
    small = {layer: np.ascontiguousarray(np.moveaxis(layers.pop(layer)[:distortion_rows], -1, 0)) for layer in LAYERS}
    exact = net.collect(images[:neighbour_rows], NEIGHBOUR_LAYERS)
    points = measure_distortion(report, small, exact, options.quick)
    if options.every_layer:
        del exact, small
        measure_every_layer(report, net, images[:neighbour_rows])
    if options.plot is not None:
        plot(points, options.plot, f"{distortion_rows:,} images for bytes, {neighbour_rows:,} for neighbours")
    finish(report, BUDGETS, options.json)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--neighbour-rows", type=int, metavar="N", help="images among which neighbours are searched")
    parser.add_argument("--every-layer", action="store_true", help="also the neighbours BOUNDED keeps in each layer")
    parser.add_argument("--plot", type=Path, metavar="PATH", help="draw bytes against neighbours kept (PNG or SVG)")


def measure_systems(report: Report, folder: Path, layers: Layers) -> None:
    """Write all layers to each system, and read examples, units and layers back."""
    raw_bytes = sum(values.nbytes for values in layers.values())
    sizes: dict[str, int] = {}
    rates: dict[str, float] = {}
    reads: dict[tuple[str, str, int], float] = {}
    for kind in (*PEERS, Lossless, Bounded):
        times = []
        for number in range(1 if kind is Hdf5GzipUnitsFirst else 3):
            system = kind(folder / f"{kind.__name__}-{number}")
            system.start()
            times.append(seconds(lambda system=system: _write(system, layers)))
            if number:
                shutil.rmtree(folder / f"{kind.__name__}-{number - 1}")
        sizes[kind.label] = system.stored_bytes()
        rates[kind.label] = raw_bytes / statistics.median(times) / 1e6
        report.add(f"write all layers: {kind.label}", ratio_to_float32=raw_bytes / sizes[kind.label],
                   mb_s=rates[kind.label], stored_bytes=sizes[kind.label], how=kind.how)  # fmt: skip
        if isinstance(system, Bounded):
            partitions = system.partition_bytes()
        if kind is not Hdf5GzipUnitsFirst:
            reader = system.reader(READ_LAYERS)
            reads.update(_read(report, kind.label, reader, layers, kind is not Bounded))
            reader.close()
    gzip = sizes[Hdf5Gzip.label]
    report.ratios["gzip_f32_over_bounded"] = gzip / partitions
    report.ratios["gzip_f32_over_bounded_with_catalogue"] = gzip / sizes[Bounded.label]
    report.ratios["gzip_units_first_over_bounded"] = sizes[Hdf5GzipUnitsFirst.label] / partitions
    report.ratios["gzip_f32_over_lossless"] = gzip / sizes[Lossless.label]
    report.ratios["bounded_log_mb_s"] = rates[Bounded.label]
    report.ratios["log_bounded_over_best_peer"] = rates[Bounded.label] / max(rates[kind.label] for kind in PEERS)
    peers = [kind.label for kind in PEERS if kind is not Hdf5GzipUnitsFirst]
    for what in ("example", "unit", "layer"):
        for layer in READ_LAYERS:
            best = min(reads[label, what, layer] for label in peers)
            name = f"read_{what}_of_layer_{layer}_best_peer_over_bounded"
            report.ratios[name] = best / reads[Bounded.label, what, layer]


def _write(system: System, layers: Layers) -> None:
    for layer, values in layers.items():
        system.write(layer, values)
    system.finish()


def _read(report: Report, label: str, reader: Reader, layers: Layers, exact: bool) -> dict[tuple[str, str, int], float]:
    """Time reading one example, one unit and all of a layer, of values that are checked if they are exact."""
    found = {}
    for layer in READ_LAYERS:
        values = layers[layer]
        rows = iter(np.random.default_rng(layer).integers(0, len(values), 100).tolist())
        units = iter(np.random.default_rng(layer).integers(0, values.shape[-1], 100).tolist())
        if exact and not np.array_equal(reader.example(layer, 7), values[7]):
            raise RuntimeError(f"{label} returned another example of layer {layer} than was written")
        times = {
            "example": median_seconds(lambda layer=layer, rows=rows: reader.example(layer, next(rows)), 15),
            "unit": median_seconds(lambda layer=layer, units=units: reader.unit(layer, next(units)), 3),
            "layer": median_seconds(lambda layer=layer: reader.layer(layer), 3),
        }
        report.add(f"read layer {layer}: {label}", **{f"{what}_ms": taken * 1e3 for what, taken in times.items()})
        found.update({(label, what, layer): taken for what, taken in times.items()})
    return found


def measure_encoding(report: Report, layers: Layers) -> None:
    """Encode all layers in memory with BOUNDED and the default step of each: quantize, pack and compress."""
    raw_bytes = sum(values.nbytes for values in layers.values())
    units_first = [np.moveaxis(values, -1, 0) for values in layers.values()]

    def encode() -> int:
        encoded = encode_layers(units_first, BOUNDED, THREADS)
        return sum(item.stored_bytes for slices in encoded for item in slices)

    ours = encode()
    rate = raw_bytes / median_seconds(encode, 5) / 1e6
    start = time.process_time()
    encode()
    core_rate = raw_bytes / (time.process_time() - start) / 1e6
    report.add("encode all layers in memory: bounded", ratio_to_float32=raw_bytes / ours, mb_s=rate,
               mb_s_of_a_core=core_rate, stored_bytes=ours, threads=THREADS)  # fmt: skip
    report.ratios["bounded_encode_mb_s"] = rate
    report.ratios["bounded_encode_mb_s_of_a_core"] = core_rate


def measure_schemes(report: Report, values: NDArray[np.float32]) -> None:
    """Measure each quantizer alone, on one core and without compression."""
    block = np.moveaxis(values, -1, 0)
    for text in ("float16", "kbit(8)", "kbit(4)", "threshold(99.5%)", "pool(2)+float16",
                 text_of(BOUNDED, block.shape)):  # fmt: skip
        fitted = parse_scheme(text).fit(block)
        encoded = fitted.encode(block)
        encode_seconds = median_seconds(lambda fitted=fitted: fitted.encode(block), 5)
        decode_seconds = median_seconds(
            lambda fitted=fitted, encoded=encoded: fitted.decode(encoded.parts, len(values)), 5
        )
        produced = fitted.decode(encoded.parts, len(values)).nbytes
        report.add(f"quantizer on layer {RATE_LAYER}: {text}", encode_gb_s=values.nbytes / encode_seconds / 1e9,
                   decode_gb_s=produced / decode_seconds / 1e9)  # fmt: skip
        if text == "kbit(8)":
            report.ratios["kbit_decode_gb_s"] = produced / decode_seconds / 1e9


def codecs(quick: bool) -> Iterable[LossyCodec]:
    """Return the points of the plot, coarse to fine within a family."""
    for scale in (4, 0.1) if quick else (8, 4, 2, 1, 0.1):
        yield Zfp(scale)
    for scale in (1,) if quick else (2, 1, 0.5):
        yield Sz3(scale)
    for bits in (2, 7) if quick else (1, 2, 4, 7):
        yield Blosc2Truncated(bits)
    yield Blosc2Half()
    for scale in (2, 1) if quick else (4, 2, 1.5, 1, 0.5, 0.25, 0.1):
        yield SchemeCodec("BOUNDED", f"x{scale:g}", scale)
    for text in ("0.25",) if quick else ("0.5", "0.25", "0.1"):
        yield SchemeCodec("BOUNDED, one step for all", f"{text} sd", f"bounded({text})")
    for bits in (8,) if quick else (4, 5, 6, 8):
        yield SchemeCodec("KBIT", f"{bits} bits", f"kbit({bits})")
    yield SchemeCodec("LP float16", "", "float16")
    yield SchemeCodec("POOL, float16", "2", "pool(2)+float16")
    yield SchemeCodec("POOL, float16", "whole map", "pool(s)+float16")
    for percent in (80,) if quick else (99.5, 80):
        yield SchemeCodec("THRESHOLD", f"{percent} %", f"threshold({percent}%)")


def measure_distortion(report: Report, layers: Layers, exact: Layers, quick: bool) -> list[Point]:
    """Measure bytes over all layers and neighbours kept in three, for every codec and setting.

    Parameters
    ----------
    layers
        ``(units, rows, ...)``, all layers of a few images: for bytes and rates.
    exact
        ``(rows, ..., units)``, the layers of many images: for neighbours.
    quick
        Fewer settings.
    """
    rows = len(next(iter(exact.values())))
    queries = np.sort(np.random.default_rng(0).choice(rows, min(1000, rows), replace=False))
    deviations = {layer: _deviations(np.moveaxis(values, -1, 0)) for layer, values in exact.items()}
    known = {layer: nearest(values, queries, K) for layer, values in exact.items()}
    scaled = {layer: _scaled(values, _deviations(values)) for layer, values in layers.items()}
    raw_bytes = sum(values.nbytes for values in scaled.values())
    points, worst = [], 0.0
    for codec in codecs(quick):
        trips = [codec.round_trip(values) for values in scaled.values()]
        errors = [trip.error_over_bound for trip in trips]
        kept = {}
        for layer, values in exact.items():
            trip = codec.round_trip(_scaled(np.moveaxis(values, -1, 0), deviations[layer]))
            errors.append(trip.error_over_bound)
            decoded = _unscaled(trip.values, deviations[layer])
            kept[layer] = overlap(known[layer], nearest(np.moveaxis(decoded, 1, 0), queries, K))
        finite = [error for error in errors if not math.isnan(error)]
        mean = float(np.mean(list(kept.values())))
        ratio = raw_bytes / sum(trip.stored_bytes for trip in trips)
        point = Point(codec.family, codec.setting, ratio, mean)
        points.append(point)
        report.add(
            f"{codec.family} {codec.setting}".strip(), ratio_to_float32=ratio, knn_overlap=mean,
            **{f"layer_{layer}": value for layer, value in kept.items()},
            encode_mb_s=raw_bytes / sum(trip.encode_seconds for trip in trips) / 1e6,
            decode_mb_s=raw_bytes / sum(trip.decode_seconds for trip in trips) / 1e6,
            error_over_bound=max(finite) if finite else "none stated",
        )  # fmt: skip
        if isinstance(codec, SchemeCodec):
            worst = max(worst, *finite, 0.0)
            if (codec.family, codec.setting) == ("BOUNDED", "x1"):
                report.ratios["bounded_knn_overlap"] = mean
                report.ratios["bounded_knn_overlap_worst_layer"] = min(kept.values())
    report.ratios["worst_error_over_bound"] = worst
    return points


def measure_every_layer(report: Report, net: VGG16, images: NDArray[np.uint8]) -> None:
    """Measure the neighbours that BOUNDED keeps in each layer, with the default step of each."""
    queries = np.sort(np.random.default_rng(1).choice(len(images), min(300, len(images)), replace=False))
    kept = kept_by_layer(net, images, BOUNDED, queries, K)
    for layer, share in kept.items():
        row_values = math.prod(SHAPES[layer])
        report.add(f"neighbours kept in layer {layer}", knn_overlap=share, row_values=row_values,
                   step=step_of(row_values) * BOUNDED)  # fmt: skip
    report.ratios["bounded_knn_overlap_every_layer_mean"] = float(np.mean(list(kept.values())))
    report.ratios["bounded_knn_overlap_every_layer_least"] = min(kept.values())


def _deviations(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the standard deviation of each unit of ``(units, ...)``, 1 where it is 0."""
    found = values.reshape(len(values), -1).std(axis=1, dtype=np.float64)
    return np.where(found > 0, found, 1.0).astype(np.float32)


def _scaled(values: NDArray[np.float32], deviations: NDArray[np.float32]) -> NDArray[np.float32]:
    shape = (-1,) + (1,) * (values.ndim - 1)
    return np.ascontiguousarray(values / deviations.reshape(shape))


def _unscaled(values: NDArray[Any], deviations: NDArray[np.float32]) -> NDArray[np.float32]:
    shape = (-1,) + (1,) * (values.ndim - 1)
    return np.asarray(values * deviations.reshape(shape), np.float32)


if __name__ == "__main__":
    main()
