"""Exact TOPK and KNN over lossy layers of VGG16: how many rows are re-run, and how long that takes.

Run ``python -m benchmarks.exact_ranking [--quick] [--json PATH] [--rows N] [--queries N] [--k N] [--schemes S ...]
[--layers L ...]``. Layers are logged by several schemes; the rows with the largest values of units, and the nearest
rows of rows, are asked for exactly and compared with what the network computes. Beside it stand the ranking of what is
stored (read), and all rows re-run (in full). The bounds that codes give without margins are counted too, and the bytes
that margins take.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from benchmarks.dnn_workload import (
    BATCH_ROWS,
    PROJECT,
    capture,
    cost,
    images,
    layer_names,
    needed_files,
    network,
    new_store,
)
from benchmarks.harness import Budget, Report, arguments, finish
from mistique_core import Mistique
from mistique_core.catalogue.intermediates import columns_of, find_intermediate
from mistique_core.catalogue.tables import chunk, column_chunk, column_version
from mistique_core.engine.chunk_reader import ReadTally
from mistique_core.engine.unit_bounds import UnitBounds
from mistique_core.model import IntermediateKey
from mistique_core.quantizers.margins import MARGIN_PARTS
from mistique_core.store import Ranking

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (1, 6, 11, 16, 19)
QUICK_LAYERS = (16, 19)
QUICK_SCHEMES = ("kbit8", "bounded")
SCHEMES: dict[str, str | None] = {
    "kbit8": "kbit(8)",
    "bounded": "bounded(0.25)",
    "bounded05": "bounded(0.5)",
    "default": None,
}
POOLED = "pool(2, max)+kbit(8)"
POOLED_LAYERS = (1, 6, 11)
BUDGETS = (
    Budget("rerun_share_max", "rows re-run, layer and scheme with the most of them, < 0.05", at_most=0.05),
    Budget("equal_share", "answers equal to those of full precision, 1", at_least=1.0),
)


class Truth(NamedTuple):
    """What the network says of one layer.

    Attributes
    ----------
    rows, units
        The rows whose neighbours are asked for, and the units whose largest values are.
    distances
        (queries, n) from each of the rows, infinite to itself.
    largest
        (units, n): the largest value of each map.
    seconds
        What computing the layer of all rows took.
    """

    rows: list[int]
    units: list[int]
    distances: NDArray[np.float64]
    largest: NDArray[np.float64]
    seconds: float


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=2_000, quick_rows=200, extra=_own_options)
    queries, k = options.queries or (2 if options.quick else 5), options.k or (2 if options.quick else 10)
    layers = tuple(options.layers or (QUICK_LAYERS if options.quick else LAYERS))
    schemes = options.schemes or (QUICK_SCHEMES if options.quick else tuple(SCHEMES))
    folder = needed_files()
    report = Report("exact_ranking", {"rows": options.rows, "queries": queries, "k": k})
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="exact-ranking-") as name:
        inputs, model = images(folder, options.rows), network(folder)
        names = {layer: layer_names(model)[layer - 1] for layer in {*layers, *LAYERS}}
        truths = {layer: truth(model, names[layer], inputs, queries, k) for layer in layers}
        for label in schemes:
            scheme = SCHEMES[label]
            with new_store(Path(name) / "store") as store:
                capture(store, model, inputs, scheme=scheme, layers=[names[layer] for layer in layers])
                margins = margin_share(store)
                for layer in layers:
                    top(report, store, label, layer, names[layer], truths[layer], k)
                    near(report, store, label, layer, names[layer], truths[layer], k, margins)
        if not (options.quick or options.schemes or options.layers):
            with new_store(Path(name) / "store") as store:
                capture(store, model, inputs, scheme=POOLED, layers=[names[layer] for layer in POOLED_LAYERS])
                for layer in POOLED_LAYERS:
                    top(report, store, "maxpool2", layer, names[layer], truths[layer], k)
    summarize(report)
    finish(report, BUDGETS, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queries", type=int, metavar="N", help="rows and units to ask for (default 5, quick 2)")
    parser.add_argument("--schemes", nargs="+", choices=tuple(SCHEMES), help="some of the schemes (default all)")
    parser.add_argument("--layers", nargs="+", type=int, metavar="L", help="numbers of layers, from 1 to 21")
    parser.add_argument("--k", type=int, metavar="N", help="rows to find (default 10, quick 2)")


def truth(model: Any, name: str, inputs: NDArray[Any], queries: int, k: int) -> Truth:
    """Return distances and largest values of a layer, computed batch by batch."""
    import keras

    part = keras.Model(model.inputs, model.get_layer(name).output)
    n = len(inputs)
    rows = np.linspace(0, n - 1, queries).round().astype(int)
    points = np.asarray(part.predict_on_batch(inputs[rows]))
    distances, pieces, seconds = np.empty((queries, n)), [], 0.0
    for start in range(0, n, BATCH_ROWS):
        some = inputs[start : start + BATCH_ROWS]
        values: NDArray[Any] = np.empty(0)

        def forward(some: NDArray[Any] = some) -> None:
            nonlocal values
            values = np.asarray(part.predict_on_batch(some))

        seconds += cost(forward).wall
        pieces.append(values.reshape(len(values), -1, values.shape[-1]).max(axis=1))
        for query in range(queries):
            difference = values.reshape(len(values), -1) - points[query].reshape(-1)
            distances[query, start : start + len(some)] = np.sqrt(np.square(difference).sum(axis=1, dtype=np.float64))
    distances[np.arange(queries), rows] = np.inf
    largest = np.concatenate(pieces).T.astype(np.float64)
    # Of a unit that is zero for nearly all rows all of these tie.
    alive = np.flatnonzero(np.sort(largest, axis=1)[:, -k] > 0)
    units = alive[np.linspace(0, len(alive) - 1, min(queries, len(alive))).round().astype(int)]
    return Truth(rows.tolist(), units.tolist(), distances, largest[units], seconds)


def margin_share(store: Mistique) -> float:
    """Return the bytes of margins over those of everything else that is stored of lossy columns."""
    is_margin = column_chunk.c.part.in_(sorted(MARGIN_PARTS))
    query = (
        sa.select(is_margin, sa.func.sum(chunk.c.stored_bytes))
        .join(chunk, chunk.c.id == column_chunk.c.chunk_id)
        .join(column_version, column_version.c.id == column_chunk.c.column_version_id)
        .where(column_version.c.scheme.is_not(None))
    )
    with store.catalogue.read() as connection:
        sizes = {bool(margin): int(size) for margin, size in connection.execute(query.group_by(is_margin))}
    return sizes.get(True, 0) / sizes[False]


def top(report: Report, store: Mistique, scheme: str, layer: int, name: str, found: Truth, k: int) -> None:
    """Ask for the rows with the largest values of some units."""

    def ask(place: int, **options: Any) -> Ranking:
        return store.top_k(f"{PROJECT}.vgg16.{name}.{found.units[place]}", k, by=by, **options)

    by = "value" if layer > 18 else "max"
    costs = [-found.largest[place] for place in range(len(found.units))]
    _ask_all(report, "topk", scheme, layer, k, ask, costs, found.seconds, -1.0)


def near(
    report: Report, store: Mistique, scheme: str, layer: int, name: str, found: Truth, k: int, margins: float
) -> None:
    """Ask for the nearest rows of some."""
    key = f"{PROJECT}.vgg16.{name}"

    def ask(place: int, **options: Any) -> Ranking:
        return store.nearest(key, found.rows[place], k, **options)

    alone = _codes_alone(store, key, found, k)
    costs = list(found.distances)
    _ask_all(report, "knn", scheme, layer, k, ask, costs, found.seconds, 1.0, codes_alone_share=alone, margins=margins)


def _codes_alone(store: Mistique, key: str, found: Truth, k: int) -> float:
    """Return the share of rows that bounds from codes alone would leave, for one query."""
    limit = np.partition(found.distances[0], k - 1)[k - 1]
    with store.catalogue.read() as connection:
        record = find_intermediate(connection, IntermediateKey.parse(key))
        columns = columns_of(connection, record.ref.id)
        query = store.get_intermediates(key, row_id=[found.rows[0]], strategy="rerun").values[0]
        bounds = UnitBounds(store.frame_reader, connection, record.ref.rows, ReadTally(), margins=False)
        low, _ = bounds.of_distance(columns, query)
    return float(np.mean(low <= limit))


def _ask_all(
    report: Report,
    technique: str,
    scheme: str,
    layer: int,
    k: int,
    ask: Callable[..., Ranking],
    costs: Sequence[NDArray[np.float64]],
    network_seconds: float,
    sign: float,
    **further: float,
) -> None:
    shares, seconds, reads, equal = [], [], [], []
    ask(0, exact=True)
    for place, values in enumerate(costs):
        answers: list[Ranking] = []
        seconds.append(cost(lambda place=place, answers=answers: answers.append(ask(place, exact=True))).wall)
        reads.append(cost(lambda place=place: ask(place, strategy="read")).wall)
        (answer,) = answers
        shares.append(answer.rerun_share)
        equal.append(_is_equal(answer, values, k, sign))
    if scheme == "kbit8" and technique == "topk":
        further["in_full_seconds"] = cost(lambda: ask(0, exact=True, strategy="rerun")).wall
    report.add(
        f"layer {layer}, {scheme}, {technique}, k={k}",
        technique=technique,
        layer=layer,
        scheme=scheme,
        k=k,
        rerun_share=statistics.fmean(shares),
        rerun_share_worst=max(shares),
        equal_share=statistics.fmean(equal),
        exact_seconds=statistics.median(seconds),
        read_seconds=statistics.median(reads),
        network_seconds=network_seconds,
        **further,
    )


def _is_equal(answer: Ranking, costs: NDArray[np.float64], k: int, sign: float) -> bool:
    """Whether an answer is that of sorting; rows whose values are equal up to rounding may stand for one another."""
    expected = np.sort(costs)[:k]
    scale = np.abs(expected).max()
    close = np.allclose(sign * answer.values, expected, rtol=1e-4, atol=1e-5 * scale)
    return close and bool(np.allclose(costs[answer.row_id], expected, rtol=1e-4, atol=1e-5 * scale))


def summarize(report: Report) -> None:
    """Derive the ratios from the rows."""
    report.ratios["rerun_share_max"] = max(row["rerun_share"] for row in report.rows)
    report.ratios["rerun_share_mean"] = statistics.fmean(row["rerun_share"] for row in report.rows)
    report.ratios["rerun_share_worst_query"] = max(row["rerun_share_worst"] for row in report.rows)
    for scheme in {row["scheme"]: None for row in report.rows}:
        rows = [row for row in report.rows if row["scheme"] == scheme]
        report.ratios[f"rerun_share_max_{scheme}"] = max(row["rerun_share"] for row in rows)
        near = [row for row in rows if row["technique"] == "knn"]
        if near:
            report.ratios[f"codes_alone_share_max_{scheme}"] = max(row["codes_alone_share"] for row in near)
            report.ratios[f"margin_bytes_share_{scheme}"] = max(row["margins"] for row in near)
    report.ratios["equal_share"] = statistics.fmean(row["equal_share"] for row in report.rows)
    whole = [row for row in report.rows if "in_full_seconds" in row]
    if whole:
        report.ratios["in_full_over_exact"] = statistics.median(
            row["in_full_seconds"] / row["exact_seconds"] for row in whole
        )
    lossy = [row for row in report.rows if row["scheme"] != "default"]
    if lossy:
        report.ratios["exact_over_read"] = statistics.median(
            row["exact_seconds"] / row["read_seconds"] for row in lossy
        )


if __name__ == "__main__":
    main()
