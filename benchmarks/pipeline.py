"""Tables through a pipeline: hand-off, second run, POINTQ, catalogue, imports and the read estimate.

Run ``python -m benchmarks.pipeline [--quick] [--json PATH] [--rows N]``. Every number has its peer
in the same run; data is generated from fixed seeds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import property_stages
from benchmarks.harness import Budget, Report, arguments, finish, median_seconds, seconds
from benchmarks.property_table import CHANGED, COLUMNS, change_one_column, property_table
from mistique_core import Mistique, diagnostics
from mistique_core.model import Ref
from mistique_core.workflows import FunctionStage

ROOT = Path(__file__).resolve().parents[1]
BLOCK_ROWS = 65_536
HEAVY = ("pandas", "sklearn", "xgboost", "tensorflow")
BUDGETS = (
    Budget("one_column_bytes_over_its_own", "1 of 58 columns changed: bytes added / that column's", at_most=1.05),
    Budget("handoff_write_parquet_over_ours", "hand-off, one column changed: Parquet s / ours, >= 10", at_least=10),
    Budget("second_run_bytes_over_first", "second identical run: bytes added / first's, < 0.01", at_most=0.01),
    Budget("pointq_one_column_ms", "POINTQ, one column, longest table: ms, < 5", at_most=5),
    Budget("pointq_all_columns_ms", "POINTQ, 58 columns, longest table: ms, < 5", at_most=5),
    Budget("pointq_long_over_short", "POINTQ, one column: longest / shortest table", at_most=1.5),
    Budget("catalogue_kb_per_intermediate", "catalogue an intermediate beyond new columns: kB, < 2", at_most=2.0),
    Budget("heavy_imports", "heavy packages after importing operators and DAGs, 0", at_most=0),
    Budget(
        "read_predicted_over_measured", "cold read: seconds predicted / measured, 0.5 to 2", at_least=0.5, at_most=2
    ),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=200_000, quick_rows=10_000)
    lengths = (options.rows, options.rows * (2 if options.quick else 3))
    report = Report("pipeline", {"rows": options.rows, "columns": COLUMNS, "pointq_rows": lengths})
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="pipeline-") as folder:
        for number, part in enumerate(PARTS):
            scratch = Path(folder) / str(number)
            scratch.mkdir()
            part(report, scratch, lengths if part is point_queries else options.rows)
    finish(report, BUDGETS, options.json)


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write the peer's file: Parquet with zstd, row groups as long as our row blocks, no fsync."""
    pq.write_table(pa.Table.from_pandas(frame), path, compression="zstd", row_group_size=BLOCK_ROWS)


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all partition files below a store's folder."""
    return sum(path.stat().st_size for path in folder.glob("partitions/*/*.h5"))


def hand_off(report: Report, folder: Path, rows: int) -> None:
    """Measure what a stage that changes one column of 58 adds, and how long handing it over takes."""
    frame = property_table(rows)
    step = iter(range(1, 1000))
    current: dict[str, pd.DataFrame] = {}

    def change() -> None:
        current["frame"] = change_one_column(frame, next(step))

    with Mistique.open(folder / "store") as store:
        first = seconds(lambda: store.log_frame("homes", "handoff", "data", frame))
        peer_first = median_seconds(lambda: write_parquet(frame, folder / "peer.parquet"), 3)
        added, ours, peers = [], [], []
        for _ in range(5):
            change()
            before = folder_bytes(folder / "store")
            ours.append(seconds(lambda: store.log_frame("homes", "handoff", "data", current["frame"])))
            added.append(folder_bytes(folder / "store") - before)
            peers.append(seconds(lambda: write_parquet(current["frame"], folder / "peer.parquet")))
        back = store.get_intermediates("homes.handoff.data").to_pandas()
        pd.testing.assert_frame_equal(back, current["frame"])
    own_bytes = _encoded_bytes(current["frame"][CHANGED])
    ours_median, peer_median = statistics.median(ours), statistics.median(peers)
    report.add("one column changed: bytes added", added=added[-1], column_encoded=own_bytes, column_raw=rows * 8,
               parquet_file=(folder / "peer.parquet").stat().st_size)  # fmt: skip
    report.add("one column changed: seconds to hand over", ours=ours_median, parquet=peer_median)
    report.add("all 58 columns new: seconds to hand over", ours=first, parquet=peer_first)
    report.ratios["one_column_bytes_over_its_own"] = added[-1] / own_bytes
    report.ratios["handoff_write_parquet_over_ours"] = peer_median / ours_median
    report.ratios["first_write_parquet_over_ours"] = peer_first / first


def _encoded_bytes(column: pd.Series) -> int:
    """Return the encoded bytes of one column's chunks."""
    from mistique_core.config import StoreConfig
    from mistique_core.dedup import chunk_hash
    from mistique_core.frames import encode_column
    from mistique_core.partition import encode_chunk

    level = StoreConfig.zstd_level
    parts = (part for block in encode_column("c", column).blocks(BLOCK_ROWS) for part in block.values())
    return sum(encode_chunk(chunk_hash(part), part, level).stored_bytes for part in parts)


def second_run(report: Report, folder: Path, rows: int) -> None:
    """Measure the second identical run of a pipeline of five stages, with and without reuse."""

    def run_all(store: Mistique, reuse: bool) -> None:
        with store.run("homes", "pipeline") as run:
            last: Ref | None = None
            for name in ("homes", "filled", "scaled", "joined", "recent"):
                arguments = {"rows": rows, "seed": 7} if last is None else {"data": {"$input": "data"}}
                stage = FunctionStage(getattr(property_stages, name), arguments)
                last = run.stage(name, stage, {} if last is None else {"data": last}, reuse=reuse).outputs[""]

    def total(store: Mistique) -> tuple[int, int]:
        return folder_bytes(folder), store.stats().catalogue_bytes

    with Mistique.open(folder) as store:
        empty = total(store)
        first_seconds = seconds(lambda: run_all(store, True))
        first = total(store)
        again = median_seconds(lambda: run_all(store, True), 3)
        second = total(store)
        unreused = median_seconds(lambda: run_all(store, False), 3)
        third = total(store)
    first_bytes = sum(first) - sum(empty)
    second_bytes = (sum(second) - sum(first)) / 3
    report.add("first run: bytes", partitions=first[0] - empty[0], catalogue=first[1] - empty[1])
    report.add(
        "second run: bytes (mean of 3)", partitions=(second[0] - first[0]) / 3, catalogue=(second[1] - first[1]) / 3
    )
    report.add("second run without reuse: bytes (mean of 3)", partitions=(third[0] - second[0]) / 3,
               catalogue=(third[1] - second[1]) / 3)  # fmt: skip
    report.add("seconds of a run", first=first_seconds, second=again, second_without_reuse=unreused)
    report.ratios["second_run_bytes_over_first"] = second_bytes / first_bytes
    report.ratios["second_run_seconds_over_first"] = again / first_seconds
    report.ratios["second_run_without_reuse_bytes_over_first"] = (sum(third) - sum(second)) / 3 / first_bytes
    report.ratios["second_run_without_reuse_seconds_over_first"] = unreused / first_seconds


def point_queries(report: Report, folder: Path, lengths: Sequence[int]) -> None:
    """Measure POINTQ against one row group of Parquet, and the read estimate on the longest table."""
    medians: dict[tuple[int, str, str], float] = {}
    for rows in lengths:
        frame = property_table(rows)
        write_parquet(frame, folder / f"{rows}.parquet")
        place = folder / str(rows)
        with Mistique.open(place) as store:
            store.log_frame("homes", "points", "data", frame)
        del frame
        with Mistique.open(place) as store, pq.ParquetFile(folder / f"{rows}.parquet") as peer:
            for label, column in (("one column", CHANGED), ("one text column", "text_4"), ("all columns", None)):
                for where in ("one block", "any block"):
                    ours, theirs = _points(store, peer, rows, column, where)
                    medians[rows, label, where] = ours
                    report.add(f"POINTQ {label}, rows of {where}", table_rows=rows, pointq_ms=ours * 1e3,
                               parquet_ms=theirs * 1e3, parquet_over_ours=theirs / ours)  # fmt: skip
    longest, shortest = max(lengths), min(lengths)
    report.ratios["pointq_one_column_ms"] = medians[longest, "one column", "one block"] * 1e3
    report.ratios["pointq_one_column_any_block_ms"] = medians[longest, "one column", "any block"] * 1e3
    report.ratios["pointq_all_columns_ms"] = medians[longest, "all columns", "one block"] * 1e3
    report.ratios["pointq_all_columns_any_block_ms"] = medians[longest, "all columns", "any block"] * 1e3
    report.ratios["pointq_long_over_short"] = (
        medians[longest, "one column", "one block"] / medians[shortest, "one column", "one block"]
    )
    _read_estimate(report, folder / str(longest), longest)


def _points(store: Mistique, peer: pq.ParquetFile, rows: int, column: str | None, where: str) -> tuple[float, float]:
    """Return median seconds of POINTQ and of reading the row's row group."""
    key = f"homes.points.data.{column or '*'}"
    random = np.random.default_rng(3)
    last = min(BLOCK_ROWS, rows) if where == "one block" else rows

    def ours() -> object:
        return diagnostics.pointq(store, key, int(random.integers(last)))

    def theirs() -> object:
        row = int(random.integers(last))
        group = peer.read_row_group(row // BLOCK_ROWS, columns=None if column is None else [column])
        return group.slice(row % BLOCK_ROWS, 1).to_pandas()

    for _ in range(5):
        ours()
    theirs()
    return median_seconds(ours, 60 if where == "one block" else 30), median_seconds(theirs, 7)


def _read_estimate(report: Report, place: Path, rows: int) -> None:
    """Compare the estimate of a READ with its time, nothing of it in this process's or the system's memory."""
    errors = []
    for label, key in (("one column", f"homes.points.data.{CHANGED}"), ("all columns", "homes.points.data")):
        predicted, measured = [], []
        for _ in range(3):
            for path in place.glob("partitions/*/*.h5"):
                _forget(path)
            with Mistique.open(place) as store:
                plan = store.get_intermediates(key, strategy="read").plan
            predicted.append(plan.read_seconds or 0.0)
            measured.append(plan.measured_seconds or 0.0)
        ratio = statistics.median(p / m for p, m in zip(predicted, measured, strict=True))
        errors.append(ratio)
        report.add(f"cold read of {label}: seconds", table_rows=rows, predicted=statistics.median(predicted),
                   measured=statistics.median(measured), predicted_over_measured=ratio)  # fmt: skip
    report.ratios["read_predicted_over_measured"] = errors[-1]
    report.ratios["read_predicted_over_measured_one_column"] = errors[0]


def _forget(path: Path) -> None:
    """Ask the system to drop a file from its page cache."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def catalogue_growth(report: Report, folder: Path, rows: int) -> None:
    """Measure what one more intermediate of known columns costs in the catalogue (SQLite)."""
    count = 60
    frame = property_table(min(rows, 2 * BLOCK_ROWS))
    with Mistique.open(folder) as store, store.run("homes", "growth") as run:
        run.log_frame("first", frame)
        before = store.stats().catalogue_bytes
        each = [seconds(lambda n=number: run.log_frame(f"copy_{n}", frame)) for number in range(count)]
        grown = (store.stats().catalogue_bytes - before) / count
    report.add("catalogue growth an intermediate, 58 known columns", bytes=grown, seconds=statistics.median(each))
    report.ratios["catalogue_kb_per_intermediate"] = grown / 1e3


_IMPORT = """
import importlib.util, json, pathlib, sys, time
start = time.perf_counter()
try:
    import airflow.sdk
    airflow = True
except ModuleNotFoundError:
    airflow = False
base = time.perf_counter() - start
before = set(sys.modules)
start = time.perf_counter()
import operators
for path in sorted(pathlib.Path("dags").glob("*.py")) if airflow else []:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
ours = time.perf_counter() - start
heavy = [name for name in sys.argv[1:] if name in sys.modules]
print(json.dumps({"airflow": airflow, "base": base, "ours": ours, "heavy": heavy,
                  "by_airflow": [name for name in heavy if name in before]}))
"""


def imports(report: Report, folder: Path, rows: int) -> None:
    """Measure what a DAG processor pays for `operators` and the DAG files, over Airflow's own import."""
    environment = {**os.environ, "AIRFLOW_HOME": str(folder), "PYTHONPATH": str(ROOT), "MISTIQUE_HOME": str(folder)}
    samples: list[dict[str, Any]] = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", _IMPORT, *HEAVY], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"the import failed: {done.stderr.strip().splitlines()[-1]}")
        samples.append(json.loads(done.stdout.splitlines()[-1]))
    ours = statistics.median(sample["ours"] for sample in samples)
    base = statistics.median(sample["base"] for sample in samples)
    report.add("import of operators and every DAG file: seconds", ours=ours, airflow_sdk=base,
               heavy=",".join(samples[-1]["heavy"]) or "none", airflow=samples[-1]["airflow"])  # fmt: skip
    report.ratios["heavy_imports"] = float(len(samples[-1]["heavy"]))
    report.ratios["import_ours_over_airflow_sdk"] = ours / base


PARTS: tuple[Callable[..., None], ...] = (hand_off, second_run, point_queries, catalogue_growth, imports)

if __name__ == "__main__":
    main()
