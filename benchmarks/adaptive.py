"""Bytes and query times of adaptive materialization over 25 random queries (thesis Fig. 5-12).

Run ``python -m benchmarks.adaptive [--quick] [--json PATH] [--rows N] [--images N] [--plot PATH]``.
Zillow pipelines, and the layers of a network, are logged and then asked: 25 queries drawn at random, with repetition,
from eight techniques of Table 5.1 on one of the pipelines (on the layers). STORE_ALL is every column of every
intermediate stored by itself (of layers: lossless); DEDUP is the store as it is; ADAPTIVE lets go what can be re-run
and keeps what pays, at our threshold (0.5 s per MB), and at one at which a column that TOPK asks for pays at its third
query; of the thesis's threshold (0.5 s per KB) is shown after how many queries it would pay. BUDGET is the store of
DEDUP after its queries, with a fifth of what it took for what can be re-run. Bytes are the encoded bytes of
intermediates; learned objects and the catalogue are the same under every strategy.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from benchmarks.adaptive_workloads import Asked, DnnWorkload, TradWorkload, Workload, strategies
from benchmarks.harness import Budget, Report, arguments, finish
from benchmarks.pictures import add_plot_option, picture
from benchmarks.trad_workload import TEMPLATES, competition_files
from mistique_core import Mistique
from mistique_core.catalogue.holdings import load_holdings, version_chunks
from mistique_core.catalogue.layouts import unpack_versions
from mistique_core.catalogue.tables import intermediate
from mistique_core.materialization.policy import DEFAULT_GAMMA_MIN

ROOT = Path(__file__).resolve().parents[1]
THESIS_GAMMA_MIN = 0.5 * 1e6
NEVER = 1e15
STORES = ("adaptive", "adaptive_third", "budget")
QUICK_TEMPLATES = ("p5",)
SEED = 12
HOT_REPETITIONS = 3
BUDGETS = (
    Budget("adaptive_over_store_all_bytes", "bytes, TRAD: adaptive / STORE_ALL, <= 0.1", at_most=0.1),
    Budget("adaptive_over_store_all_bytes_dnn", "bytes, DNN: adaptive / STORE_ALL, <= 0.1", at_most=0.1),
    Budget("hot_query_speedup", "TRAD: a hot query before / after it is kept", at_least=1.0),
    Budget("hot_over_read", "a hot query once kept / under DEDUP, <= 1.5", at_most=1.5),
    Budget("foreseen_misses", "queries that were kept sooner or later than foreseen", at_most=0),
    Budget("budget_most_used", "BUDGET: most bytes ever held / budget, <= 1", at_most=1.0),
)
THESIS = "adaptive far below STORE_ALL and DEDUP; after some queries VIS is answered as by reading, COL_DIST not yet"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=100_000, quick_rows=2_000, extra=_own_options)
    images = options.images or (40 if options.quick else 1_000)
    sizes = {"rows": options.rows, "images": images, "queries": options.queries, "thesis": THESIS}
    report = Report("adaptive", {**sizes, "gamma_min": DEFAULT_GAMMA_MIN, "thesis_gamma_min": THESIS_GAMMA_MIN})
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="adaptive-") as name:
        folder = Path(name)
        with competition_files(folder / "csv", options.rows):
            templates = options.templates or ",".join(QUICK_TEMPLATES if options.quick else TEMPLATES)
            trad = TradWorkload(templates.split(","), 3 if options.quick else 5)
            measure(report, trad, folder, options.queries, STORES[1:] if options.quick else STORES)
        layers = DnnWorkload(images, trained=not options.quick)
        measure(report, layers, folder, options.queries, STORES[1:2] if options.quick else STORES)
    summarize(report)
    if options.plot is not None:
        plot(report, options.plot)
    finish(report, BUDGETS, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--templates", metavar="P,P", help="templates (default: all ten)")
    parser.add_argument("--images", type=int, metavar="N", help="images (default 1000, quick 40)")
    parser.add_argument("--queries", type=int, default=25, metavar="N", help="queries drawn (default 25)")
    add_plot_option(parser)


def measure(report: Report, workload: Workload, folder: Path, count: int, stores: Sequence[str]) -> None:
    """Fill one store a strategy, and ask the same queries of each."""
    with Mistique.open(folder / f"{workload.name}-dedup", cache_bytes=0, approximate_dedup=False) as store:
        workload.fill(store)
        pool = workload.pool(store)
        store_all = _bytes(store, each_by_itself=True)
        drawn = np.random.default_rng(SEED).integers(0, len(pool), count).tolist()
        can_go = store.materialize_all(policy=_adaptive(NEVER), dry_run=True).freed_bytes
        _ask(report, workload, store, "dedup", pool, drawn)
        if "budget" in stores:
            limit = can_go // 5
            store.materialize_all(policy={"policy": "budget", "bytes": limit})
            store.gc(grace_seconds=0)
            most = _ask(report, workload, store, "budget", pool, drawn) / limit
            report.add(f"{workload.name} BUDGET", workload=workload.name, kind="budget", limit=limit, most_used=most)
    if isinstance(workload, DnnWorkload):
        with Mistique.open(folder / "lossless", cache_bytes=0) as store:
            workload.fill(store, "lossless")
            store_all = _bytes(store, each_by_itself=True)
    report.add(f"{workload.name} STORE_ALL", workload=workload.name, kind="store_all", megabytes=store_all / 1e6)
    if "adaptive" in stores:
        with _filled(report, workload, folder, "adaptive", _adaptive(DEFAULT_GAMMA_MIN)) as store:
            _ask(report, workload, store, "adaptive", pool, drawn)
    with _filled(report, workload, folder, "adaptive_third", _adaptive(THESIS_GAMMA_MIN)) as store:
        third = _third(report, workload, store, pool)
        store.materialize_all(policy=_adaptive(third))
        _ask(report, workload, store, "adaptive_third", pool, drawn)


def _adaptive(gamma_min: float) -> dict[str, Any]:
    return {"policy": "adaptive", "gamma_min": gamma_min}


@contextmanager
def _filled(
    report: Report, workload: Workload, folder: Path, strategy: str, policy: dict[str, Any]
) -> Iterator[Mistique]:
    """Yield a store that is filled and has let go what the policy does not keep."""
    with Mistique.open(folder / f"{workload.name}-{strategy}", cache_bytes=0) as store:
        workload.fill(store)
        start = time.perf_counter()
        done = store.materialize_all(policy=policy)
        seconds = time.perf_counter() - start
        store.gc(grace_seconds=0)
        report.add(
            f"{workload.name} {strategy}: let go",
            workload=workload.name,
            kind="let_go",
            intermediates=len(done.let_go),
            unequal=len(done.unequal),
            seconds=seconds,
            megabytes=_bytes(store) / 1e6,
        )
        yield store


def _third(report: Report, workload: Workload, store: Mistique, pool: Sequence[Asked]) -> float:
    """Report when each query would be kept at the thesis's threshold; return one at which TOPK is at the third."""
    found = {}
    for query in pool:
        after = found[query.technique] = strategies(query.plans(store))["kept_after"]
        report.add(
            f"{workload.name} {query.technique}, 0.5 s/KB",
            workload=workload.name,
            kind="thesis",
            technique=query.technique,
            kept_after=after,
        )
    return THESIS_GAMMA_MIN * 2.5 / (found["TOPK"] or 1)


def _bytes(store: Mistique, *, each_by_itself: bool = False) -> int:
    """Return the encoded bytes of what intermediates refer to, each chunk once, or each column by itself."""
    with store.catalogue.read() as connection:
        query = sa.select(intermediate.c.columns, intermediate.c.row_id_version)
        lists = [
            [*unpack_versions(bytes(row.columns)).tolist(), row.row_id_version] for row in connection.execute(query)
        ]
        every = [version for versions in lists for version in versions]
        stored = version_chunks(connection, set(every))
    return sum(stored.total([version]) for version in every) if each_by_itself else stored.total(every)


def _held(store: Mistique) -> int:
    with store.catalogue.read() as connection:
        return load_holdings(connection, None).total()


def _ask(
    report: Report,
    workload: Workload,
    store: Mistique,
    strategy: str,
    pool: Sequence[Asked],
    drawn: Sequence[int],
) -> int:
    """Ask the drawn queries, then each hot one a few times more; return the most bytes that what can be re-run took."""
    most = _held(store)
    for query in pool:
        query.plans(store)  # what is loaded once is not part of the first query
    hot: set[int] = set()
    for number, place in enumerate(drawn):
        row = _ask_once(store, pool[place])
        if row["kept"]:
            hot.add(place)
        most = max(most, _held(store))
        report.add(
            f"{workload.name} {strategy} {number + 1}",
            workload=workload.name,
            kind="query",
            store=strategy,
            number=number + 1,
            query=place,
            technique=pool[place].technique,
            megabytes=_bytes(store) / 1e6,
            **row,
        )
    for place in range(len(pool)):
        for _ in range(HOT_REPETITIONS):
            again = _ask_once(store, pool[place]) if strategy == "dedup" or place in hot else None
            if again is not None and again["strategy"] == "read":
                report.rows.append(
                    {"what": f"{workload.name} {strategy} again", "workload": workload.name, "kind": "again",
                     "store": strategy, "query": place, "technique": pool[place].technique, **again}
                )  # fmt: skip
    return most


def _ask_once(store: Mistique, query: Asked) -> dict[str, Any]:
    foreseen = strategies(query.plans(store))
    gc.collect()
    start = time.perf_counter()
    _, plans = query.answer(store)
    seconds = time.perf_counter() - start
    found = strategies(plans)
    return {
        "seconds": seconds,
        "strategy": found["strategy"],
        "kept": found["kept"],
        "kept_after": foreseen["kept_after"],
        "as_foreseen": foreseen["due"] == found["kept"],
    }


def summarize(report: Report) -> None:
    """Derive the ratios from the rows."""
    speedups: dict[str, list[float]] = {"TRAD": [], "DNN": []}
    over_read = []
    for workload, found in speedups.items():
        rows = [row for row in report.rows if row.get("workload") == workload]
        suffix = "" if workload == "TRAD" else "_dnn"
        store_all = next(row["megabytes"] for row in rows if row["kind"] == "store_all")
        for store in ("dedup", *STORES[:2]):
            asked = [row for row in rows if row["kind"] == "query" and row["store"] == store]
            if not asked:
                continue
            most = max(row["megabytes"] for row in asked)
            report.ratios[f"{store}_over_store_all_bytes{suffix}"] = most / store_all
        for query in {row["query"] for row in rows if row["kind"] == "query" and row["kept"]}:
            ours = [row for row in rows if row.get("query") == query and row["store"] == "adaptive_third"]
            before = [row["seconds"] for row in ours if row["strategy"] == "rerun"]
            after = [row["seconds"] for row in ours if row["strategy"] == "read"]
            read = [row["seconds"] for row in rows if row.get("query") == query and row["store"] == "dedup"]
            if before and after:
                found.append(statistics.median(before) / statistics.median(after))
                over_read.append(statistics.median(after) / statistics.median(read))
        adaptive = report.ratios[f"adaptive_third_over_store_all_bytes{suffix}"]
        report.ratios.setdefault(f"adaptive_over_store_all_bytes{suffix}", adaptive)
        report.ratios[f"hot_query_speedup{suffix}"] = statistics.median(found) if found else float("nan")
        report.ratios[f"hot_queries{suffix}"] = len(found)
    report.ratios["hot_over_read"] = statistics.median(over_read) if over_read else float("nan")
    queries = [row for row in report.rows if row["kind"] == "query"]
    report.ratios["foreseen_misses"] = sum(not row["as_foreseen"] for row in queries)
    report.ratios["queries_until_kept"] = statistics.median(_until_kept(queries))
    report.ratios["budget_most_used"] = max(row["most_used"] for row in report.rows if row["kind"] == "budget")


def _until_kept(queries: Sequence[dict[str, Any]]) -> list[int]:
    """Return, for each query of the pool that was kept, as which of its kind it was."""
    found = []
    for workload in ("TRAD", "DNN"):
        asked = [row for row in queries if (row["workload"], row["store"]) == (workload, "adaptive_third")]
        for query in {row["query"] for row in asked}:
            own = [row["kept"] for row in asked if row["query"] == query]
            if any(own):
                found.append(own.index(True) + 1)
    return found or [0]


def plot(report: Report, path: Path) -> None:
    """Draw bytes over queries, and the seconds of three techniques over queries, as in Fig. 5-12."""
    labels = {
        "dedup": "DEDUP",
        "adaptive": "ADAPTIVE, 0.5 s/MB",
        "adaptive_third": "ADAPTIVE, TOPK pays at its third query",
        "budget": "BUDGET, a fifth",
    }
    with picture(path, 11, 8) as axes:
        figure = axes.figure
        axes.remove()  # four panels in its place
        for line, workload in zip(figure.subplots(2, 2), ("TRAD", "DNN"), strict=True):
            rows = [row for row in report.rows if row.get("workload") == workload]
            store_all = next(row["megabytes"] for row in rows if row["kind"] == "store_all")
            line[0].axhline(store_all, color="black", linestyle=":", label="STORE_ALL")
            for store, label in labels.items():
                asked = [row for row in rows if row["kind"] == "query" and row["store"] == store]
                numbers = [row["number"] for row in asked]
                line[0].plot(numbers, [row["megabytes"] for row in asked], label=label)
            line[0].set(yscale="log", xlabel="query", ylabel="MB", title=f"{workload}: bytes")
            asked = [row for row in rows if row["kind"] == "query" and row["store"] == "adaptive_third"]
            techniques = dict.fromkeys(row["technique"] for row in asked if row["kept"])
            techniques.update(dict.fromkeys(row["technique"] for row in asked))
            for technique in list(techniques)[:3]:
                own = [row for row in asked if row["technique"] == technique]
                line[1].plot([row["number"] for row in own], [row["seconds"] for row in own], "o-", label=technique)
            line[1].set(
                yscale="log", xlabel="query", ylabel="seconds", title=f"{workload}: ADAPTIVE, TOPK at its third"
            )
            for panel in line:
                panel.grid(alpha=0.3)
                panel.legend(fontsize=7)


if __name__ == "__main__":
    main()
