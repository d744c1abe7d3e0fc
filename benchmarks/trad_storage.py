"""Every intermediate of 50 pipelines: the bytes of seven ways to keep them (thesis Fig. 5-8a).

Run ``python -m benchmarks.trad_storage [--quick] [--json PATH] [--rows N] [--templates p1,p5] [--plot PATH]``.
The pipelines are the ten templates of Table 5.3 in five variations each, over generated tables in the shape of the
Zillow Prize's. All of them run into one store; then every intermediate is read back, bit for bit, and given to the
other ways.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness import Budget, Report, arguments, finish
from benchmarks.pictures import add_plot_option, picture
from benchmarks.trad_peers import PeerBytes
from benchmarks.trad_workload import TEMPLATES, Pipeline, competition_files, pipelines, stored_bytes
from mistique_core import Mistique
from mistique_core.catalogue.intermediates import IntermediateRecord, columns_of, intermediate_by_id

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "zillow"
QUICK_TEMPLATES = ("p1", "p5", "p9")
BUDGETS = (
    Budget("distinct_columns_over_dedup", "bytes: distinct columns (zstd) / dedup, >= 1/1.05", at_least=1 / 1.05),
    Budget("distinct_columns_over_recipes", "bytes: distinct columns / with differences, >= 1/0.85", at_least=1 / 0.85),
    Budget("store_all_over_dedup", "bytes: STORE_ALL gzip / dedup", at_least=1),
    Budget("store_all_over_adaptive", "bytes: STORE_ALL gzip / adaptive, >= 110 (thesis)", at_least=110),
    Budget("cdc_over_dedup", "bytes: CDC Parquet in 64 KiB blocks / dedup", at_least=1),
)
THESIS = {"input gzip": 168e6, "store_all": 67e9, "dedup": 611e6, "store_all_over_dedup": 110.0}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=100_000, quick_rows=6_000, extra=_own_options)
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="trad-storage-") as name:
        folder = Path(name)
        with competition_files(folder / "csv", options.rows) as csv_bytes:
            templates = options.templates or ",".join(QUICK_TEMPLATES if options.quick else TEMPLATES)
            chosen = pipelines(templates.split(","), 2 if options.quick else 5)
            sizes = {"rows": options.rows, "pipelines": len(chosen), "input_csv_bytes": csv_bytes, "thesis": THESIS}
            report = Report("trad_storage", sizes)
            report.add("input", gzip_megabytes=_gzipped(folder / "csv") / 1e6, csv_megabytes=csv_bytes / 1e6)
            measure(report, chosen, folder)
    if options.plot is not None:
        plot(report, options.plot)
    finish(report, BUDGETS, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--templates", metavar="P,P", help="templates (default: all ten)")
    add_plot_option(parser)


def measure(report: Report, chosen: Sequence[Pipeline], folder: Path) -> None:
    """Run the pipelines into stores, and give what they logged to the other ways."""
    peers = PeerBytes()
    ours: dict[str, int] = {}
    with Mistique.open(folder / "dedup", approximate_dedup=False) as store:
        seen: set[int] = set()
        for pipeline in chosen:
            seconds = pipeline.run(store)
            seen |= _give(store, peers, seen)
            report.add(
                f"after {pipeline.model}",
                seconds=seconds,
                store_all_mb=peers.store_all / 1e6,
                parquet_mb=peers.parquet / 1e6,
                whole_files_mb=peers.whole_files / 1e6,
                cdc_mb=peers.cut.unique_bytes / 1e6,
                distinct_columns_mb=peers.distinct_columns / 1e6,
                dedup_mb=stored_bytes(store) / 1e6,
            )
        report.add("intermediates", count=len(seen))
    ours["dedup"] = _at_rest(report, folder / "dedup")
    shutil.rmtree(folder / "dedup")
    with Mistique.open(folder / "recipes") as store:
        for pipeline in chosen:
            pipeline.run(store)
    ours["recipes"] = _at_rest(report, folder / "recipes")
    with Mistique.open(folder / "recipes") as store:
        expected = _sample(store, chosen)
        for pipeline in chosen:
            store.materialize(PROJECT, pipeline.model, policy="adaptive")
    ours["adaptive"] = _at_rest(report, folder / "recipes")
    with Mistique.open(folder / "recipes") as store:
        _check_answers(report, store, expected)
    report.add("bytes", **{f"{name}_mb": size / 1e6 for name, size in ours.items()})
    report.ratios.update(
        distinct_columns_over_dedup=peers.distinct_columns / ours["dedup"],
        distinct_columns_over_recipes=peers.distinct_columns / ours["recipes"],
        store_all_over_dedup=peers.store_all / ours["dedup"],
        store_all_over_adaptive=peers.store_all / ours["adaptive"],
        cdc_over_dedup=peers.cut.unique_bytes / ours["dedup"],
    )


def _give(store: Mistique, peers: PeerBytes, seen: set[int]) -> set[int]:
    """Give the other ways what was logged since; return the ids of all intermediates."""
    with store.catalogue.read() as connection:
        listed = store.intermediates(PROJECT)
        ids = set(_ids(store)) - seen
        for item in sorted(ids):
            record = intermediate_by_id(connection, item)
            if peers.knows(record.address):
                peers.add_again(record.address)
                continue
            columns = {column.name: column.version.address for column in columns_of(connection, item)}
            columns["row_id"] = record.row_id_version.address
            peers.add(record.address, _read(store, record), columns)
    assert len(listed) >= len(ids)
    return seen | ids


def _ids(store: Mistique) -> list[int]:
    import sqlalchemy as sa

    from mistique_core.catalogue.tables import intermediate

    with store.catalogue.read() as connection:
        return [int(item) for item in connection.scalars(sa.select(intermediate.c.id))]


def _read(store: Mistique, record: IntermediateRecord) -> pd.DataFrame:
    key = f"{record.ref.project}.{record.ref.model}@{record.ref.version}.{record.ref.intermediate}"
    return store.get_intermediates(key, strategy="read").to_pandas()


def _at_rest(report: Report, folder: Path) -> int:
    """Return the bytes of a store that is closed, after its dead bytes are gone."""
    with Mistique.open(folder) as store:
        store.gc(grace_seconds=0)
        store.compact()
        store.gc(grace_seconds=0)
        partitions = store.stats().partition_bytes
    total = stored_bytes(store)
    report.add(f"closed store: {folder.name}", partitions_mb=partitions / 1e6, catalogue_mb=(total - partitions) / 1e6)
    return total


def _sample(store: Mistique, chosen: Sequence[Pipeline]) -> dict[tuple[str, Any], pd.DataFrame]:
    """Return what a few queries answer while everything is stored: ten rows of every third pipeline, some columns."""
    random = np.random.default_rng(11)
    found: dict[tuple[str, Any], pd.DataFrame] = {}
    for pipeline in chosen[::3]:
        for name in store.intermediates(PROJECT, pipeline.model)["intermediate"].drop_duplicates():
            key = f"{PROJECT}.{pipeline.model}.{name}"
            ids = store.get_intermediates(key, n_ex=5_000, strategy="read").row_id
            wanted = tuple(random.choice(ids, min(10, len(ids)), replace=False).tolist())
            found[key, wanted] = store.get_intermediates(key, row_id=list(wanted), strategy="read").to_pandas()
    for pipeline in chosen[::10]:
        key = f"{PROJECT}.{pipeline.model}.predictions_test.prediction"
        found[key, None] = store.get_intermediates(key, strategy="read").to_pandas()
    return found


def _check_answers(report: Report, store: Mistique, expected: dict[tuple[str, Any], pd.DataFrame]) -> None:
    """Ask the same again when only what cannot be re-run is stored; every bit must be the same."""
    few, whole = [], []
    for (key, wanted), frame in expected.items():
        start = time.perf_counter()
        got = store.get_intermediates(key, row_id=None if wanted is None else list(wanted)).to_pandas()
        (whole if wanted is None else few).append(time.perf_counter() - start)
        pd.testing.assert_frame_equal(got, frame, check_exact=True)
    report.add(
        "adaptive: queries equal to those of the full store",
        few_row_queries=len(few),
        median_seconds=statistics.median(few),
        slowest_seconds=max(few),
        whole_column_queries=len(whole),
        slowest_whole_seconds=max(whole),
    )


def _gzipped(folder: Path) -> int:
    return sum(len(gzip.compress(path.read_bytes(), 6)) for path in sorted(folder.iterdir()))


def plot(report: Report, path: Path) -> None:
    """Draw cumulative bytes over pipelines, log scale, as in Fig. 5-8a."""
    rows = [row for row in report.rows if row["what"].startswith("after ")]
    names = {
        "store_all_mb": "STORE_ALL: gzip'd CSV",
        "parquet_mb": "Parquet zstd",
        "whole_files_mb": "Parquet, equal files once",
        "cdc_mb": "CDC Parquet, 64 KiB blocks once",
        "distinct_columns_mb": "distinct columns, zstd",
        "dedup_mb": "MISTIQUE dedup",
    }
    with picture(path, 8, 5) as axes:
        for field, label in names.items():
            axes.plot(range(1, len(rows) + 1), [row[field] for row in rows], label=label)
        last = next(row for row in report.rows if row["what"] == "bytes")
        for name, style in (("recipes_mb", "--"), ("adaptive_mb", ":")):
            label = {"recipes_mb": "with differences", "adaptive_mb": "adaptive"}[name]
            axes.axhline(last[name], linestyle=style, color="black", label=f"MISTIQUE {label}, at the end")
        axes.set(
            yscale="log", xlabel="pipelines", ylabel="MB, cumulative", title="50 pipelines, every intermediate kept"
        )
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend(fontsize=8)


if __name__ == "__main__":
    main()
