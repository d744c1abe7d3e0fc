"""Where our time and our bytes go: profiles of writing and reading, and the stored bytes of each column."""

from __future__ import annotations

import cProfile
import pstats
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness import Report
from benchmarks.table_systems import MODEL, PROJECT, Ours
from mistique_core import IntermediateKey, Mistique
from mistique_core.catalogue.chunks import column_chunks
from mistique_core.catalogue.intermediates import columns_of, find_intermediate

LINES = 25
MOST_COLUMNS = 20


def show(frames: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Print the top of the profiles of our writes and of reads of ten rows.

    The profiler sees the calling thread only: what other threads do appears as waiting for a lock.
    """
    first, *later = frames
    ours = Ours(folder)
    ours.start()
    ours.begin()
    _profiled(f"write the first stage, {first}", lambda: ours.write(first, frames[first]))
    _profiled(f"write {len(later)} more stages", lambda: [ours.write(stage, frames[stage]) for stage in later])
    _profiled("end of the run and close", ours.finish)
    reader = ours.reader(later)
    random = np.random.default_rng(5)
    rows = [random.choice(len(frames[first]), 10, replace=False) for _ in range(10)]
    reader.rows(first, rows[0])
    _profiled("read ten rows of all columns, ten times, cache off", lambda: [reader.rows(later[-1], r) for r in rows])
    reader.close()


def _profiled(what: str, action: Callable[[], object]) -> None:
    profile = cProfile.Profile()
    profile.enable()
    try:
        action()
    finally:
        profile.disable()
    for order in ("tottime", "cumulative"):
        print(f"\n==== {what}, by {order}")
        pstats.Stats(profile).strip_dirs().sort_stats(order).print_stats(LINES)


def stored_columns(report: Report, frames: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Report what the stored bytes of our chunks consist of: by dtype, by stage, and the largest columns.

    A chunk counts once, for the first stage and column that refers to it.
    """
    seen: set[bytes] = set()
    by_dtype, by_stage, by_column = Counter[str](), Counter[str](), Counter[str]()
    raw_by_dtype, columns_by_dtype = Counter[str](), Counter[str]()
    with Mistique.open(folder) as store, store.catalogue.read() as connection:
        for stage, frame in frames.items():
            record = find_intermediate(connection, IntermediateKey.parse(f"{PROJECT}.{MODEL}.{stage}.*"))
            columns = {column.version.id: column for column in reversed(columns_of(connection, record.ref.id))}
            sizes: Counter[int] = Counter()
            for version, _, _, chunk in column_chunks(connection, list(columns)):
                if chunk.address not in seen:
                    seen.add(chunk.address)
                    sizes[version] += chunk.location.size
            for version, size in sizes.items():
                name, dtype = columns[version].name, str(frame[columns[version].name].dtype)
                by_dtype[dtype] += size
                columns_by_dtype[dtype] += 1
                raw_by_dtype[dtype] += columns[version].logical_bytes
                by_stage[stage] += size
                by_column[f"{name} ({dtype}) of {stage}"] += size
        sizes_of_store = store.stats()
    report.add("stored bytes of ours", chunks=sizes_of_store.chunk_bytes, partitions=sizes_of_store.partition_bytes,
               catalogue=sizes_of_store.catalogue_bytes, number_of_chunks=sizes_of_store.chunks)  # fmt: skip
    for dtype, size in by_dtype.most_common():
        report.add(f"stored bytes of new columns: {dtype}", chunks=size, raw=raw_by_dtype[dtype],
                   columns=columns_by_dtype[dtype])  # fmt: skip
    for stage, size in by_stage.items():
        report.add(f"stored bytes that stage {stage} adds", chunks=size)
    for name, size in by_column.most_common(MOST_COLUMNS):
        report.add(f"stored bytes of {name}", chunks=size)
