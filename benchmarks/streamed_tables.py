"""Tables larger than memory: how much memory, time and space a row-wise pipeline takes in parts and as a whole.

    python -m benchmarks.streamed_tables [--quick] [--json PATH] [--rows N]

A generated table of homes (58 columns) is read in parts, and two row-wise stages are computed from it: one adds two
columns, the other one keeps a third of the rows. It is done in a process of its own, in three ways: with MISTIQUE row
block by row block, for a table and for one four times as long; with MISTIQUE and all rows in memory; and with pandas
in parts and pyarrow's ParquetWriter (zstd), which stores each of the three frames as a file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.dnn_memory import memory_bytes
from benchmarks.harness import Budget, Report, arguments, finish
from benchmarks.property_table import property_table
from mistique_core import Mistique
from mistique_core.workflows import FunctionStage

ROOT = Path(__file__).resolve().parents[1]
ROWS, QUICK_ROWS = 4_000_000, 262_144
PART_ROWS = 65_536
GROWTH = 4
WAYS = ("streamed", "whole", "parquet")
BUDGETS = (
    Budget("peak_growth", "peak memory of a table four times as long, at most 1.5x", at_most=1.5),
    Budget("different_values", "columns that differ from pandas', 0", at_most=0),
)


def homes(rows: int) -> Iterator[pd.DataFrame]:
    """Yield the table in parts; its categories are the same in all of them."""
    for first in range(0, rows, PART_ROWS):
        count = min(PART_ROWS, rows - first)
        yield property_table(count, seed=first // PART_ROWS).reset_index(drop=True)


def all_homes(rows: int) -> pd.DataFrame:
    """Return the table."""
    return pd.concat(homes(rows), ignore_index=True)


def add_features(data: pd.DataFrame) -> pd.DataFrame:
    """Add two columns."""
    total = data["measure_0"].fillna(0) + data["measure_1"].fillna(0)
    return data.assign(total=total, log_tax=np.log1p(data["tax_amount"]))


def keep_flagged(data: pd.DataFrame) -> pd.DataFrame:
    """Keep a part of the rows and columns."""
    return data[(data["code_0"] < 1) | data["flag_0"]][["total", "log_tax", "text_3", "zone_1", "year_0"]]


def measure(way: str, rows: int, folder: Path) -> dict[str, Any]:
    """Do the work one way; return seconds, bytes of memory above what was there before, and bytes stored."""
    before = memory_bytes("VmRSS")
    start = time.perf_counter()
    work = parquet if way == "parquet" else mistique
    work(way, rows, folder)
    seconds = time.perf_counter() - start
    peak = memory_bytes("VmHWM") - before
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"seconds": seconds, "peak_bytes": peak, "stored_bytes": stored}


def mistique(way: str, rows: int, folder: Path) -> None:
    """Run the pipeline in a new store."""
    stream_bytes = 1 << 60 if way == "whole" else 64 << 20
    with Mistique.open(folder, stream_bytes=stream_bytes) as store, store.run("homes", "features") as run:
        source = FunctionStage(all_homes if way == "whole" else homes, {"rows": rows}, deterministic=True)
        given = run.stage("homes", source).outputs[""]
        more = run.stage("more", *FunctionStage.bind(add_features, [given], {}, row_wise=True)).outputs[""]
        run.stage("few", *FunctionStage.bind(keep_flagged, [more], {}, row_wise=True))


def parquet(way: str, rows: int, folder: Path) -> None:
    """Run the pipeline part by part, and write each frame as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writers: dict[str, Any] = {}
    try:
        for part in homes(rows):
            more = add_features(part)
            for name, frame in (("homes", part), ("more", more), ("few", keep_flagged(more))):
                table = pa.Table.from_pandas(frame)
                if name not in writers:
                    writers[name] = pq.ParquetWriter(folder / f"{name}.parquet", table.schema, compression="zstd")
                writers[name].write_table(table.cast(writers[name].schema))
    finally:
        for writer in writers.values():
            writer.close()


def different_values(rows: int, folder: Path) -> int:
    """Return how many columns of the last intermediate differ from what pandas computes."""
    with Mistique.open(folder) as store:
        found = store.get_intermediates("homes.features.few.*", strategy="read").to_pandas()
    expected = keep_flagged(add_features(all_homes(rows)))
    if not np.array_equal(found.index, expected.index):
        return len(expected.columns)
    return sum(not found[name].equals(expected[name].set_axis(found.index)) for name in expected.columns)


def in_new_process(way: str, rows: int, folder: Path) -> dict[str, Any]:
    """Return what :func:`measure` finds in a new process."""
    command = [sys.executable, "-m", "benchmarks.streamed_tables", "--child", way, str(rows), str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["--child"]:
        print(json.dumps(measure(given[1], int(given[2]), Path(given[3]))))
        return 0
    options = arguments(__doc__ or "", argv, rows=ROWS, quick_rows=QUICK_ROWS)
    small = max(options.rows // GROWTH, PART_ROWS)
    report = Report("streamed_tables", {"rows": options.rows, "small_rows": small, "part_rows": PART_ROWS})
    found: dict[tuple[str, int], dict[str, Any]] = {}
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    for way, rows in (("streamed", small), ("whole", small), ("parquet", small), ("streamed", options.rows)):
        with tempfile.TemporaryDirectory(dir=build, prefix="streamed-tables-") as name:
            found[way, rows] = in_new_process(way, rows, Path(name))
            report.add(f"{way}, {rows} rows", **found[way, rows])
            if (way, rows) == ("streamed", small):
                report.ratios["different_values"] = different_values(rows, Path(name))
    streamed, whole, peer = (found[way, small] for way in WAYS)
    report.ratios["peak_growth"] = found["streamed", options.rows]["peak_bytes"] / streamed["peak_bytes"]
    for name in ("peak_bytes", "seconds", "stored_bytes"):
        report.ratios[f"{name}_of_whole"] = streamed[name] / whole[name]
        report.ratios[f"{name}_of_parquet"] = streamed[name] / peer[name]
    finish(report, BUDGETS, options.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
