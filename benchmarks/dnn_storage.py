"""Every layer of the thesis's two networks, ten checkpoints each: bytes by scheme, beside peers (thesis Fig. 5-8b).

Run ``python -m benchmarks.dnn_storage [--quick] [--json PATH] [--rows N] [--plot PATH]``.
The weights and images are looked for in ``$MISTIQUE_BENCH_DATA``, else in ``../shared/data``.

All bytes are those of the layers: the input, the weights and the catalogue are counted apart. Small data sets stand
for the thesis's 50,000 images: compare ratios. With ``--quick`` two checkpoints stand for ten.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data_folder import data_folder
from benchmarks.dnn_checkpoints import (
    PROJECT,
    Captured,
    Subject,
    capture,
    cnn,
    group_of,
    head_alone,
    separately,
    vgg16,
)
from benchmarks.dnn_peers import hdf5_gzip, hdf5_gzip_units_first, step_of_scheme, sz3, zarr_blosc, zfp
from benchmarks.dnn_plot import plot
from benchmarks.harness import Budget, Report, arguments, finish
from benchmarks.pictures import add_plot_option
from mistique_core import Mistique

ROOT = Path(__file__).resolve().parents[1]
SCHEMES: dict[str, str | None] = {
    "default": None,
    "lossless": "lossless",
    "float16": "float16",
    "kbit8": "kbit(8)",
    "pool2": "pool(2)+float16",
    "poolS": "pool(S)",
    "bounded025": "bounded(0.25)",
    "poolS_float16": "pool(S)+float16",
    "poolS_bounded": "pool(S)+bounded(0.25)",
    "poolS_bounded01": "pool(S)+bounded(0.1)",
}
WITHOUT_DEDUP = frozenset(SCHEMES) - {"poolS_float16", "poolS_bounded"}
QUICK_WITHOUT_DEDUP = frozenset({"default", "pool2"})
"""Schemes by which the network that is trained here is also logged without dedup."""
QUICK_SCHEMES = ("default", "lossless", "pool2", "poolS")
THESIS = {
    "gzip_over_float16": {"cnn_": 242 / 128},
    "gzip_over_kbit8": {"cnn_": 3.3},
    "gzip_over_pool2": {"cnn_": 6.2, "": 6.0},
    "gzip_over_poolS": {"cnn_": 95.0, "": 83.0},
    "gzip_over_pool2_dedup": {"": 60.0},
}
"""What the thesis reports, by ratio and network."""
BUDGETS = (
    Budget("gzip_over_pool2", "VGG16: gzip / POOL(2)+float16, >= 6 (thesis 6)", at_least=6),
    Budget("gzip_over_poolS_bounded01", "VGG16: gzip / POOL(S)+bounded(0.1), >= 95 (thesis 83)", at_least=95),
    Budget("gzip_over_poolS_dedup", "VGG16, ten: gzip / POOL(S), dedup, >= 95", at_least=95),
    Budget("gzip_over_pool2_dedup", "VGG16, ten: gzip / POOL(2)+float16, dedup, >= 60", at_least=60),
    Budget("gzip_over_default", "VGG16: gzip / default, >= 6", at_least=6),
    Budget("cnn_gzip_over_pool2", "CNN, ten: gzip / POOL(2)+float16, >= 6.2 (thesis 6.2)", at_least=6.2),
    Budget("cnn_gzip_over_poolS", "CNN, ten: gzip / POOL(S), >= 95 (thesis 95)", at_least=95),
    Budget("cnn_gzip_over_poolS_bounded01", "CNN, ten: gzip / POOL(S)+bounded(0.1), >= 95", at_least=95),
    Budget("cnn_gzip_over_default", "CNN, ten: gzip / default, >= 6", at_least=6),
    Budget("ten_over_one", "VGG16: ten / (one + the nine others' dense layers), <= 1.02", at_most=1.02),
)
TEN_NEEDED = ("gzip_over_pool2_dedup", "gzip_over_poolS_dedup")
"""Budgets that mean nothing for fewer than ten checkpoints."""
Layers = dict[str, int]
Read = Callable[[str, int], NDArray[np.float32]]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=2_000, quick_rows=40, extra=add_plot_option)
    folder = data_folder("cifar10_10k.npz", "vgg16_cifar10")
    schemes = {name: SCHEMES[name] for name in (QUICK_SCHEMES if options.quick else SCHEMES)}
    sizes = {
        "vgg16_rows": options.rows,
        "cnn_rows": max(20, options.rows // 10),
        "cnn_training_rows": 256 if options.quick else 1_500,
        "checkpoints": 2 if options.quick else 10,
        "peer_rows": max(10, options.rows // 20),
    }
    report = Report("dnn_storage", {**sizes, "thesis": THESIS})
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="dnn-storage-") as name:
        subject = vgg16(folder, options.rows, sizes["checkpoints"])
        measure(report, subject, schemes, Path(name), peer_rows=sizes["peer_rows"])
        start = time.perf_counter()
        without = QUICK_WITHOUT_DEDUP if options.quick else WITHOUT_DEDUP
        subject = cnn(folder, sizes["cnn_rows"], sizes["cnn_training_rows"], sizes["checkpoints"])
        report.add("CIFAR10_CNN trained", seconds=time.perf_counter() - start)
        measure(report, subject, schemes, Path(name), peer_rows=sizes["peer_rows"], without_dedup=without)
    print_table(report)
    if options.plot is not None:
        plot(report.rows, options.plot)
    shown = [budget for budget in BUDGETS if not (options.quick and budget.ratio in TEN_NEEDED)]
    finish(report, shown, options.json)


def measure(
    report: Report,
    subject: Subject,
    schemes: Mapping[str, str | None],
    folder: Path,
    *,
    peer_rows: int,
    without_dedup: frozenset[str] | None = None,
) -> None:
    """Log all checkpoints of a network by every scheme, and give what the lossless store answers to the peers.

    Parameters
    ----------
    schemes
        Name -> scheme, ``default`` first.
    peer_rows
        Rows that peers other than gzip get; their bytes are scaled to all rows.
    without_dedup
        Schemes by which the checkpoints are also logged without dedup. ``None`` where all but the dense layers are
        the same in each checkpoint: ten without dedup are then one of them times ten.
    """
    frozen = without_dedup is None
    found: dict[str, tuple[Captured, Captured]] = {}
    gzip: tuple[int, int] = (0, 0)
    for name, scheme in schemes.items():
        place = folder / "store"
        start = time.perf_counter()
        one = capture(subject, scheme, [0], place, Captured())
        ten = capture(subject, scheme, range(1, len(subject.weights)), place, deepcopy(one))
        seconds = time.perf_counter() - start
        found[name] = (one, ten)
        if name == "default" and frozen:
            measure_changed(report, subject, one, ten, place, folder / "head")
        if name == "lossless":
            gzip = measure_peers(report, subject, place, found["default"][0].schemes, peer_rows, only_one=frozen)
        shutil.rmtree(place)
        without: dict[str, Any] = {}
        if without_dedup is None:
            # Within one capture of such a network the store finds nothing twice.
            without["ten_without_dedup_mb"] = one.activation_bytes * len(subject.weights) / 1e6
            without["ten_without_dedup"] = "one times ten"
        elif without_dedup is not None and name in without_dedup:
            apart = separately(subject, scheme, range(len(subject.weights)), place)
            without["ten_without_dedup_mb"] = apart.activation_bytes / 1e6
            without["ten_without_dedup"] = "measured, a store each"
        report.add(
            f"{subject.name}: {name}",
            scheme=SCHEMES[name] or "by layer",
            one_mb=one.activation_bytes / 1e6,
            ten_mb=ten.activation_bytes / 1e6,
            **without,
            one_kb_a_row=one.activation_bytes / 1e3 / len(subject.images),
            input_mb=ten.input_bytes / 1e6,
            one_weights_mb=one.weight_bytes / 1e6,
            ten_weights_mb=ten.weight_bytes / 1e6,
            one_catalogue_mb=one.catalogue_bytes / 1e6,
            ten_catalogue_mb=ten.catalogue_bytes / 1e6,
            seconds_with_dedup=seconds,
            one_group_mb=_megabytes(one.groups()),
            ten_group_mb=_megabytes(ten.groups()),
            layer_schemes=one.schemes if name == "default" else {},
        )
        report.ratios[f"{subject.prefix}ten_over_one_checkpoint_{name}"] = ten.activation_bytes / one.activation_bytes
    report.ratios[f"{subject.prefix}ten_over_one_checkpoint"] = report.ratios[
        f"{subject.prefix}ten_over_one_checkpoint_default"
    ]
    logical = found["default"][0].logical_bytes
    report.add(f"{subject.name}: values", float32_mb=logical / 1e6)
    report.ratios[f"{subject.prefix}float32_over_gzip"] = logical / gzip[0]
    for name, (one, ten) in found.items():
        # Ten of a frozen network are compared in ..._dedup.
        mine, theirs = (one.activation_bytes, gzip[0]) if frozen else (ten.activation_bytes, gzip[1])
        report.ratios[f"{subject.prefix}gzip_over_{name}"] = theirs / mine
        report.ratios[f"{subject.prefix}float32_over_{name}"] = logical / one.activation_bytes
        if frozen:
            report.ratios[f"{subject.prefix}gzip_over_{name}_dedup"] = gzip[1] / ten.activation_bytes


def measure_changed(report: Report, subject: Subject, one: Captured, ten: Captured, place: Path, scratch: Path) -> None:
    """Compare ten checkpoints with one, and the dense layers of the nine others, each in a store of its own."""
    with Mistique.open(place) as store:
        flat = np.asarray(store.get_intermediates(f"{PROJECT}.{subject.model}@1.flatten", strategy="read").values)
    alone = [head_alone(subject, number, flat, one.schemes, scratch) for number in range(1, len(subject.weights))]
    least = one.activation_bytes + sum(head.activation_bytes for head in alone)
    report.add(
        f"{subject.name}: default, ten checkpoints",
        ten_mb=ten.activation_bytes / 1e6,
        one_and_changed_layers_mb=least / 1e6,
        changed_layers_mb=(least - one.activation_bytes) / 1e6,
    )
    report.ratios["ten_over_one"] = ten.activation_bytes / least
    encoded = sum(one.layers.values()) + sum(sum(head.layers.values()) for head in alone)
    report.ratios["ten_over_one_encoded"] = sum(ten.layers.values()) / encoded


def measure_peers(
    report: Report, subject: Subject, place: Path, schemes: Mapping[str, str], rows: int, *, only_one: bool
) -> tuple[int, int]:
    """Give the layers to the peers; return the bytes of gzip'd HDF5 for one checkpoint and for ten.

    ZFP and SZ3 get half of a layer's default step as their error bound, in standard deviations of each unit, and what
    the default keeps exactly as gzip'd HDF5. The tenfold is computed where `only_one`, otherwise measured.
    """
    total = len(subject.images)
    with Mistique.open(place) as store:

        def read(layer: str, number: int) -> NDArray[np.float32]:
            key = f"{PROJECT}.{subject.model}@{number + 1}.{layer}"
            return np.asarray(store.get_intermediates(key, strategy="read").values)

        first = _gzip(schemes, read, 0)
        ten = sum(first.values()) * len(subject.weights)
        if not only_one:
            others = range(1, len(subject.weights))
            ten = sum(first.values()) + sum(sum(_gzip(schemes, read, number).values()) for number in others)
        few = {layer: read(layer, 0)[:rows] for layer in schemes}
    _add_peer(
        report, subject, "gzip'd HDF5", first, total, total, ten_without_dedup_mb=ten / 1e6,
        ten_without_dedup="one times ten" if only_one else "measured",
        how=f"float32, a file a layer, gzip 4, chunks of whole examples (1 MiB), {total} rows",
    )  # fmt: skip
    steps = {layer: step_of_scheme(scheme) for layer, scheme in schemes.items()}
    peers: dict[str, tuple[str, Layers]] = {
        "gzip'd HDF5, the same rows": ("as above", {k: hdf5_gzip(v) for k, v in few.items()}),
        "gzip'd HDF5, h5py's chunks": ("chunks=True", {k: hdf5_gzip(v, chunks=True) for k, v in few.items()}),
        "gzip'd HDF5, units first": ("chunks of whole units", {k: hdf5_gzip_units_first(v) for k, v in few.items()}),
        "Zarr v3 blosc": ("chunks of whole examples (1 MiB), zstd 5", {k: zarr_blosc(v) for k, v in few.items()}),
        "ZFP": ("hdf5plugin, accuracy: the default's bound", {k: zfp(v, steps[k]) for k, v in few.items()}),
        "SZ3": ("hdf5plugin, absolute: the default's bound", {k: sz3(v, steps[k]) for k, v in few.items()}),
    }
    for name, (how, layers) in peers.items():
        scaled = {layer: round(size * total / rows) for layer, size in layers.items()}
        _add_peer(report, subject, name, scaled, rows, total, how=f"{how}; {rows} rows, bytes scaled to {total}")
    return sum(first.values()), ten


def _gzip(layers: Iterable[str], read: Read, number: int) -> Layers:
    return {layer: hdf5_gzip(read(layer, number)) for layer in layers}


def _add_peer(report: Report, subject: Subject, name: str, layers: Layers, rows: int, total: int, **more: Any) -> None:
    groups: Layers = {}
    for layer, size in layers.items():
        groups[group_of(layer)] = groups.get(group_of(layer), 0) + size
    one = sum(layers.values())
    report.add(f"{subject.name}: peer {name}", one_mb=one / 1e6, one_kb_a_row=one / 1e3 / total, rows=rows,
               one_group_mb=_megabytes(groups), **more)  # fmt: skip


def _megabytes(groups: Layers) -> dict[str, float]:
    return {group: round(size / 1e6, 3) for group, size in groups.items()}


def print_table(report: Report) -> None:
    """Print bytes and ratios beside the thesis's."""
    print(
        f"\n{'':44s} {'one MB':>9s} {'ten MB':>9s} {'no dedup':>9s} {'gzip / ours':>11s} {'dedup':>7s} {'thesis':>13s}"
    )
    for row in report.rows:
        network, _, name = row["what"].partition(": ")
        if "one_mb" not in row:
            continue
        prefix = "cnn_" if network.endswith("CNN") else ""
        plain, dedup = f"gzip_over_{name}", f"gzip_over_{name}_dedup"
        told = [THESIS.get(key, {}).get(prefix) for key in (plain, dedup)]
        cells = [row["one_mb"], row.get("ten_mb"), row.get("ten_without_dedup_mb")]
        cells += [report.ratios.get(prefix + plain), report.ratios.get(prefix + dedup)]
        texts = ["" if cell is None else f"{cell:,.1f}" for cell in cells]
        widths = (9, 9, 9, 11, 7)
        shown = " ".join(f"{text:>{width}s}" for text, width in zip(texts, widths, strict=True))
        print(f"{row['what']:44s} {shown} {' / '.join(f'{item:.3g}x' for item in told if item):>13s}")


if __name__ == "__main__":
    main()
