"""All layers of VGG16 for 50,000 images, captured by one worker of a cluster and by two: seconds, bytes, equal stores.

    python -m benchmarks.scale_out [--quick] [--json PATH] [--rows N] [--workers N ...] [--scheme TEXT] [--tasks N]
                                   [--batch-rows N] [--repeats N] [--folder-only]

A cluster (PostgreSQL, Redis, Celery workers with one task slot each) runs a DAG whose tasks share the row blocks of
one capture, for 2,000, 10,000 and 50,000 images of CIFAR-10, each in an empty store. So that a worker stands for a
host, each is kept on a core of its own: there TensorFlow computes with one thread. One worker with all cores is
measured, too. The rest of Airflow is kept nowhere: beside one pinned worker it finds a free core, beside two on two
cores it does not.

The store's bytes are in a folder that the workers share, since the cluster's S3 server, made for trying things, holds
all objects in memory; the fewest rows are captured into that, too. Images beyond those of the file are augmented
copies (``benchmarks/augmented_images.py``). Two stores are the same where each intermediate has the same content
address, and where they hold chunks of the same addresses; every byte of each is verified. How chunks lie in partitions
depends on who came first, so their number and bytes may differ a little.

Before each run its length is estimated by those of fewer rows. Even ``--quick`` takes some minutes: a cluster is
started, and each task imports TensorFlow. Ctrl-C stops the cluster and deletes what it stored.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.dnn_workload import IMAGES, needed_files, network
from benchmarks.harness import Budget, Report, arguments, finish, format_number
from benchmarks.scale_out_cluster import Capture, ScaleOutCluster, scale_out_cluster
from operators.demo.interrupts import Interrupts

ROWS, QUICK_ROWS = 50_000, 400
SMALLER_ROWS = (2_000, 10_000)
BATCH_ROWS, QUICK_BATCH_ROWS = 1_000, 100
FOLDER, S3 = "folder", "S3"
BUDGETS = (
    Budget("different_layers", "layers that another number of pinned workers stored otherwise, 0", at_most=0),
    Budget("different_chunks", "chunks that only one of these stores holds, 0", at_most=0),
    Budget("problems", "problems that a check of every byte finds, 0", at_most=0),
)


class Way(NamedTuple):
    """Who captures.

    Attributes
    ----------
    workers
        How many.
    pinned
        Whether each has one core, else all.
    """

    workers: int
    pinned: bool

    def __str__(self) -> str:
        cores = "one core each" if self.pinned else "all cores"
        return f"{self.workers} worker{'s' if self.workers > 1 else ''}, {cores}"


@dataclass
class Results:
    """What was measured: (storage, rows, way) -> one capture a repeat."""

    report: Report
    captures: dict[tuple[str, int, Way], list[Capture]] = field(default_factory=dict)

    def add(self, storage: str, way: Way, capture: Capture) -> None:
        """Add a capture, compared with the first one of as many rows."""
        self.captures.setdefault((storage, capture.rows, way), []).append(capture)
        first = self.first(capture.rows)
        took, stored = capture.seconds, capture.stored
        self.report.add(
            f"{capture.rows:,} rows, {way}, {storage}",
            rows=capture.rows,
            workers=way.workers,
            cores_each=capture.cores,
            storage=storage,
            run_seconds=took.run,
            capture_seconds=took.capture,
            queued_seconds=took.queued,
            work_seconds=list(took.work),
            beside_work_seconds=[task - work for task, work in zip(took.tasks, took.work, strict=True)],
            workers_cpu_seconds=took.cpu,
            partitions=stored.partitions,
            partition_bytes=stored.partition_bytes,
            chunks=len(stored.chunks),
            chunk_bytes=stored.chunk_bytes,
            catalogue_bytes=stored.catalogue_bytes,
            logical_bytes=stored.logical_bytes,
            intermediates=len(stored.layers),
            different_layers=different_layers(first, capture),
            different_chunks=different_chunks(first, capture),
            problems=stored.problems,
            check_seconds=stored.check_seconds,
            largest_process_bytes=capture.most_bytes,
        )

    def first(self, rows: int) -> Capture:
        """Return the capture that others of as many rows are compared with."""
        return next(found[0] for (_, size, _), found in self.captures.items() if size == rows)

    def seconds(self, storage: str, rows: int, way: Way, of: Callable[[Capture], float]) -> float:
        """Return a median over repeats."""
        return statistics.median(of(capture) for capture in self.captures[storage, rows, way])

    def expected(self, storage: str, rows: int, way: Way) -> str:
        """Return how long a run should take by those of fewer rows on as many workers."""
        known = {
            size: self.seconds(storage, size, other, run_seconds)
            for place, size, other in self.captures
            if (place, other) == (storage, way) and size < rows
        }
        if not known:
            return "no estimate yet"
        *before, size = sorted(known)
        if not before:
            return f"at most {known[size] * rows / size / 60:.1f} min, as many times as long as for {size:,} rows"
        slope = (known[size] - known[before[-1]]) / (size - before[-1])
        estimate = known[size] + slope * (rows - size)
        return f"about {estimate / 60:.1f} min, on the line through {before[-1]:,} and {size:,} rows"

    def conclude(self, sizes: Sequence[int], ways: Sequence[Way], storages: Sequence[str]) -> None:
        """Add the ratios, and print them as a table."""
        ratios = self.report.ratios
        pinned = [
            (self.first(rows), capture)
            for (_, rows, way), found in self.captures.items()
            for capture in found
            if way.pinned
        ]
        others = [
            (self.first(rows), capture)
            for (_, rows, way), found in self.captures.items()
            for capture in found
            if not way.pinned
        ]
        ratios["different_layers"] = max(different_layers(*pair) for pair in pinned)
        ratios["different_chunks"] = max(different_chunks(*pair) for pair in pinned)
        ratios["problems"] = sum(capture.stored.problems for found in self.captures.values() for capture in found)
        if others:
            ratios["all_cores_different_layers"] = max(different_layers(*pair) for pair in others)
        print(
            f"\n{'':54s} {'run':>8s} {'capture':>8s} {'CPU':>8s} {'images/s':>9s} {'faster':>7s} {'MB':>8s} "
            f"{'bytes':>6s}"
        )
        for storage in storages:
            for rows in sizes:
                for way in ways:
                    if (storage, rows, way) in self.captures:
                        self._compare(storage, rows, way, ways[0])
        self._marginal(sizes, ways)

    def _compare(self, storage: str, rows: int, way: Way, base: Way) -> None:
        took = {name: self.seconds(storage, rows, way, of) for name, of in MEASURES.items()}
        base_took = {name: self.seconds(storage, rows, base, of) for name, of in MEASURES.items()}
        faster = base_took["capture"] / took["capture"]
        more_bytes = took["bytes"] / base_took["bytes"]
        print(
            f"{f'{rows:,} images, {way}, {storage}':54s} {took['run']:6.1f} s {took['capture']:6.1f} s "
            f"{took['cpu']:6.1f} s {rows / took['capture']:9.1f} {faster:6.2f}x {took['bytes'] / 1e6:8.1f} "
            f"{more_bytes:6.3f}"
        )
        if way != base:
            name = f"{_key(way)}_{rows}" + ("_s3" if storage == S3 else "")
            self.report.ratios |= {
                f"speed_up_{name}": faster,
                f"run_speed_up_{name}": base_took["run"] / took["run"],
                f"cpu_{name}": took["cpu"] / base_took["cpu"],
                f"bytes_{name}": more_bytes,
            }

    def _marginal(self, sizes: Sequence[int], ways: Sequence[Way]) -> None:
        """Compare what further images take: without what a run takes however few they are."""
        if len(sizes) < 2:
            return
        fewer, more = sizes[-2:]
        slopes = {}
        for way in ways:
            taken = [self.seconds(FOLDER, rows, way, MEASURES["capture"]) for rows in (fewer, more)]
            slopes[way] = (taken[1] - taken[0]) / (more - fewer)
            print(f"from {fewer:,} to {more:,} images, {way}: {format_number(1000 * slopes[way])} ms an image")
        for way in ways[1:]:
            self.report.ratios[f"marginal_speed_up_{_key(way)}"] = slopes[ways[0]] / slopes[way]


def run_seconds(capture: Capture) -> float:
    """Return the wall seconds of the whole DAG run."""
    return capture.seconds.run


MEASURES: dict[str, Callable[[Capture], float]] = {
    "run": run_seconds,
    "capture": lambda capture: capture.seconds.capture,
    "cpu": lambda capture: capture.seconds.cpu,
    "bytes": lambda capture: capture.stored.partition_bytes,
}


def different_layers(first: Capture, other: Capture) -> int:
    """Return how many intermediates have another content address, or are in one of both stores only."""
    names = first.stored.layers.keys() | other.stored.layers.keys()
    return sum(first.stored.layers.get(name) != other.stored.layers.get(name) for name in names)


def different_chunks(first: Capture, other: Capture) -> int:
    """Return how many chunks are in one of both stores only."""
    return len(first.stored.chunks ^ other.stored.chunks)


def _key(way: Way) -> str:
    return f"{way.workers}_workers" if way.pinned else "all_cores"


def measure(
    cluster: ScaleOutCluster,
    results: Results,
    storage: str,
    sizes: Sequence[int],
    ways: Sequence[Way],
    conf: dict[str, Any],
    repeats: int,
) -> None:
    """Capture each size in each way, each time in an empty store."""
    print(f"    a first run, not counted: the first one of a cluster also reads the programs from the disk ({storage})")
    cluster.capture({**conf, "rows": 2 * conf["batch_rows"]}, ways[0].workers, pinned=ways[0].pinned)
    cluster.clear()
    for rows in sizes:
        for _ in range(repeats):
            for way in ways:
                print(f"    next: {rows:,} rows, {way}: {results.expected(storage, rows, way)}", flush=True)
                results.add(storage, way, cluster.capture({**conf, "rows": rows}, way.workers, pinned=way.pinned))
                cluster.clear()


def save_network(folder: Path, file: Path) -> None:
    """Save the trained network; in a process of its own, which takes TensorFlow's memory along when it ends."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    network(folder).save(file)


def main(argv: Sequence[str] | None = None) -> None:
    def extra(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--workers", type=int, nargs="+", default=[1, 2], metavar="N", help="numbers of workers (default 1 2)"
        )
        parser.add_argument("--scheme", metavar="TEXT", help="of all layers (default: the size of each decides)")
        parser.add_argument("--tasks", type=int, metavar="N", help="that share the rows (default: the most workers)")
        parser.add_argument("--batch-rows", type=int, metavar="N", help=f"rows of a row block (default {BATCH_ROWS})")
        parser.add_argument("--repeats", type=int, default=1, metavar="N", help="of each run (default 1)")
        parser.add_argument("--folder-only", action="store_true", help="leave S3 out, as --quick does")

    options = arguments(__doc__ or "", argv, rows=ROWS, quick_rows=QUICK_ROWS, extra=extra)
    most = max(options.workers)
    cores = len(os.sched_getaffinity(0))
    if min(options.workers) < 1 or most > cores:
        print(f"--workers: give numbers from 1 to {cores}, since each worker gets a core of its own", file=sys.stderr)
        raise SystemExit(2)
    batch_rows = options.batch_rows or (QUICK_BATCH_ROWS if options.quick else BATCH_ROWS)
    sizes = [*(rows for rows in SMALLER_ROWS if rows < options.rows), options.rows]
    ways = [*(Way(workers, pinned=True) for workers in sorted(set(options.workers))), Way(1, pinned=False)]
    storages = [FOLDER] if options.quick or options.folder_only else [FOLDER, S3]
    data = needed_files()
    report = Report(
        "scale_out",
        {
            "rows": sizes,
            "workers": options.workers,
            "scheme": options.scheme or "default",
            "tasks": options.tasks or most,
            "batch_rows": batch_rows,
            "repeats": options.repeats,
        },
    )
    results = Results(report)
    interrupts = Interrupts()
    interrupts.listen()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            file = folder / "vgg16.keras"
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                pool.submit(save_network, data, file).result()
            conf = {
                "network": str(file),
                "images": str((data / IMAGES).resolve()),
                "batch_rows": batch_rows,
                "tasks": options.tasks or most,
                "scheme": options.scheme,
            }
            for storage in storages:
                (folder / storage).mkdir()
                with scale_out_cluster(
                    folder / storage, most, s3=storage == S3, tell=tell, interrupts=interrupts
                ) as cluster:
                    some = (sizes[:1], ways[:-1]) if storage == S3 else (sizes, ways)
                    measure(cluster, results, storage, *some, conf, options.repeats)
    except KeyboardInterrupt:
        print("stopped; nothing that was started is left running")
        raise SystemExit(130) from None
    results.conclude(sizes, ways, storages)
    finish(report, BUDGETS, options.json)


def tell(text: str) -> None:
    """Print progress."""
    print(f"    {text}", flush=True)


if __name__ == "__main__":
    main()
