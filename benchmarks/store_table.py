"""Fifteen stages of a table of homes: what writing, keeping and reading them costs, beside four peers.

Run ``python -m benchmarks.store_table [--quick] [--json PATH] [--rows N] [--repetitions N] [--profile]``.
The table (``zillow.py``) passes through 15 stages (``zillow_stages.py``); every system stores the frame
of every stage. All systems take turns within each repetition, each in a fresh folder; the data is
generated from fixed seeds. The frames take 2.1 GB of memory at 300,000 rows.
"""

from __future__ import annotations

import argparse
import gc
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks import table_profile
from benchmarks.block_dedup import BlockStore
from benchmarks.harness import Budget, Report, arguments, finish, seconds
from benchmarks.table_systems import (
    CHUNK_ROWS,
    Hdf5,
    Lance,
    Ours,
    OursApart,
    OursCached,
    OursSession,
    OursUnprepared,
    Parquet,
    ParquetCdc,
    ParquetLevel3,
    Reader,
    System,
    Zarr,
    is_text,
    sync_tree,
)
from benchmarks.zillow_stages import run_stages
from mistique_core.workflows.zillow import properties

ROOT = Path(__file__).resolve().parents[1]
Frames = Mapping[str, pd.DataFrame]
WRITERS: tuple[type[System], ...] = (
    Ours,
    OursSession,
    OursApart,
    Parquet,
    ParquetLevel3,
    ParquetCdc,
    Lance,
    Hdf5,
    Zarr,
)
SLOW = (Hdf5, Zarr, Lance)
READERS: tuple[type[System], ...] = (Ours, OursCached, OursUnprepared, Parquet, Lance, Hdf5, Zarr)
WRITTEN_BY: Mapping[type[System], type[System]] = {OursCached: Ours, OursUnprepared: Ours}
PEERS = (Parquet, Lance, Hdf5, Zarr)
OTHER_WAYS: Mapping[type[System], str] = {OursCached: "cache_on", OursUnprepared: "unprefetched"}
TEN = 10
BUDGETS = (
    Budget("write_parquet_over_ours", "15 stages in a session: seconds of Parquet zstd / ours, >= 10", at_least=10),
    Budget("bytes_parquet_over_ours", "15 stages: bytes of Parquet zstd / ours, >= 8", at_least=8),
    Budget("bytes_ours_over_cdc", "bytes of ours / of CDC Parquet in 64 KiB blocks, <= 0.75", at_most=0.75),
    Budget("read_column_best_peer_over_ours", "one column: seconds of the fastest peer / ours, >= 1", at_least=1),
    Budget("read_rows_best_peer_over_ours", "ten rows: seconds of the fastest peer / ours, >= 1", at_least=1),
)
METHOD = {
    "write": "the frames are as pandas leaves them when one process runs all stages: a column that a stage does not "
    "touch is the same memory; for 'frames apart' no two share memory, strings included, as if each stage had a "
    "process of its own (write_parquet_over_ours_apart). write_parquet_over_ours and its *_fsynced and *_processor are "
    "those of a session, which is what one process that logs many stages uses: all stages are durable and visible when "
    "it ends, which is part of the measured time. With write_parquet_over_ours_stage_by_stage each stage is durable "
    "and visible before the next begins; first and later stages, and frames apart, are measured that way too. "
    "'seconds' is without fsync for peers and with it for mistique; 'seconds_fsynced' adds an fsync of every file "
    "and folder of a peer. mistique's seconds include opening and ending the run and closing the store, not opening "
    "the store. 'processor_seconds' counts all threads and depends less on what else the machine does",
    "read": "every read takes another stage, column or rows, the same for all systems; what was read is compared "
    "with the frame that was stored (not timed). Peers return text as pandas' str or as objects, whichever they "
    "do by themselves; mistique returns the dtype that was stored. 'opened': all files were opened before (ours: "
    "prefetched, where it does not say otherwise), and one read of each kind was done; 'cold': each read opens what "
    "it needs, reads and closes it. Files stay in the system's page cache in both",
    "ratios": "of medians. write_* and bytes_* take the better of the two Parquet levels without fsync; read_* "
    "take the fastest of parquet, lance, hdf5 and zarr",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=300_000, quick_rows=25_000, extra=_own_options)
    stages = run_stages(properties(options.rows, strings=options.strings))
    frames = dict(stages)
    apart = {stage: separate(frame) for stage, frame in frames.items()}
    gc.freeze()  # what exists now is not looked at again by the collections between measurements
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="store-table-") as folder:
        if options.profile:
            table_profile.show(frames, Path(folder) / "profiled")
            return
        report = Report("store_table", _sizes(frames, options))
        slow = list(frames)[:: len(frames) // 3] if options.quick else list(frames)
        written = write_all(report, frames, apart, slow, Path(folder), options.repetitions)
        read_all(report, {stage: frames[stage] for stage in slow}, written, options.quick)
        table_profile.stored_columns(report, frames, written[Ours].folder)
    finish(report, BUDGETS, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repetitions", type=int, default=3, metavar="N", help="times to write everything (default 3)")
    parser.add_argument("--strings", choices=("object", "str"), default="object", help="dtype of the text columns")
    parser.add_argument("--profile", action="store_true", help="print where our time goes, and nothing else")


def separate(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy that shares no memory with any other frame, not even the strings of its text columns."""
    copies = {}
    for name, column in frame.items():
        copies[name] = column.copy()
        if column.dtype == object:
            codes, words = pd.factorize(column)
            own = np.array([*(word.encode().decode() for word in words), np.nan], dtype=object)
            copies[name] = pd.Series(own[codes], index=frame.index, dtype=object)
    return pd.DataFrame(copies)


def _sizes(frames: Frames, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "rows": options.rows,
        "stages": len(frames),
        "columns": {stage: frame.shape[1] for stage, frame in frames.items()},
        "strings": options.strings,
        "repetitions": options.repetitions,
        "frame_bytes": int(next(iter(frames.values())).memory_usage(index=False).sum()),
        "chunk_rows_of_peers": CHUNK_ROWS,
        "method": METHOD,
        "systems": {kind.label: kind.how for kind in (*WRITERS, OursCached, OursUnprepared)},
    }


@dataclass
class Written:
    """What writing with one system took: one item a repetition.

    Attributes
    ----------
    folder
        Where the last repetition lies.
    first, total, processor, fsynced
        Seconds of the first stage, of all stages, of all threads for all stages, and of all stages with fsync.
    stored_bytes
        Bytes of all files.
    """

    folder: Path
    first: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    fsynced: list[float] = field(default_factory=list)
    stored_bytes: int = 0


def write_all(
    report: Report, frames: Frames, apart: Frames, slow: Sequence[str], folder: Path, repetitions: int
) -> dict[type[System], Written]:
    """Store every stage with every system, `repetitions` times in turn, and report medians."""
    results = {kind: Written(folder) for kind in WRITERS}
    for repetition in range(repetitions):
        turn = repetition % len(WRITERS)
        for kind in WRITERS[turn:] + WRITERS[:turn]:
            result = results[kind]
            if repetition:
                shutil.rmtree(result.folder)
            system = kind(folder / f"{kind.__name__}-{repetition}")
            result.folder = system.folder
            given = apart if kind is OursApart else frames
            _write_once(system, result, given, slow if kind in SLOW else list(frames))
    for kind, result in results.items():
        numbers = {
            "first_stage_seconds": statistics.median(result.first),
            "processor_seconds": statistics.median(result.processor),
        }
        if not kind.is_durable:
            numbers["seconds_fsynced"] = statistics.median(result.fsynced)
        stages = len(slow) if kind in SLOW else len(frames)
        report.add(f"write {len(frames)} stages: {kind.label}", seconds=statistics.median(result.total), **numbers,
                   megabytes=result.stored_bytes / 1e6, stages_timed=stages)  # fmt: skip
    _write_ratios(report, results, frames)
    return results


def _write_once(system: System, result: Written, frames: Frames, stages: Sequence[str]) -> None:
    """Store `stages` once; what was measured counts for all stages."""
    system.start()
    each, share = [], len(frames) / len(stages)
    with _quiet():
        before = time.process_time()
        ends = seconds(system.begin)
        for stage in stages:
            each.append(seconds(lambda stage=stage: system.write(stage, frames[stage])))
        total = ends + sum(each) * share + seconds(system.finish)
        result.processor.append((time.process_time() - before) * share)
    result.first.append(each[0])
    result.total.append(total)
    result.fsynced.append(total + share * seconds(lambda: sync_tree(system.folder)))
    result.stored_bytes = int(system.stored_bytes() * share)


def _write_ratios(report: Report, results: Mapping[type[System], Written], frames: Frames) -> None:
    ours = results[Ours]
    parquets = [results[Parquet], results[ParquetLevel3]]

    def best(what: str) -> float:
        return min(statistics.median(getattr(parquet, what)) for parquet in parquets)

    blocks = BlockStore()
    for stage in frames:
        blocks.add((results[ParquetCdc].folder / f"{stage}.parquet").read_bytes())
    report.add("parquet with content-defined chunking in 64 KiB blocks", megabytes=blocks.unique_bytes / 1e6,
               megabytes_of_files=blocks.total_bytes / 1e6)  # fmt: skip
    session = results[OursSession]
    together = statistics.median(session.total)
    total, first = statistics.median(ours.total), statistics.median(ours.first)
    report.ratios |= {
        "write_parquet_over_ours": best("total") / together,
        "write_parquet_over_ours_stage_by_stage": best("total") / total,
        "write_parquet_over_ours_apart": best("total") / statistics.median(results[OursApart].total),
        "write_parquet_fsynced_over_ours": best("fsynced") / together,
        "write_parquet_over_ours_processor": best("processor") / statistics.median(session.processor),
        "write_first_stage_parquet_over_ours": best("first") / first,
        "write_later_stages_parquet_over_ours": (best("total") - best("first")) / (total - first),
        "bytes_parquet_over_ours": min(parquet.stored_bytes for parquet in parquets) / ours.stored_bytes,
        "bytes_ours_over_cdc": ours.stored_bytes / blocks.unique_bytes,
    }


@dataclass(frozen=True)
class Question:
    """One thing to read: a column, ten rows of all columns, or a frame; `ask` reads it."""

    stage: str
    expected: pd.DataFrame
    ask: Callable[[Reader], Any]

    def check(self, answer: Any, kind: type[System]) -> None:
        """Raise AssertionError unless the answer holds the values that were stored."""
        found = answer if isinstance(answer, pd.DataFrame) else pd.Series(answer).to_frame(self.expected.columns[0])
        expected = self.expected
        if issubclass(kind, Ours):
            pd.testing.assert_index_equal(found.index, expected.index, exact=False)
            pd.testing.assert_series_equal(found.dtypes, expected.dtypes)
        texts = [name for name, column in expected.items() if is_text(column)]
        for name in texts:
            assert _text(found[name]).equals(_text(expected[name])), f"{kind.label}: {name} of {self.stage} differs"
        numbers = [name for name in expected.columns if name not in texts]
        pd.testing.assert_frame_equal(
            found[numbers].reset_index(drop=True), expected[numbers].reset_index(drop=True), check_exact=True
        )


def _text(column: pd.Series[Any]) -> Any:
    return pa.array(column.to_numpy(dtype=object), pa.large_string(), from_pandas=True)


def questions(frames: Frames, counts: Mapping[str, int], seed: int) -> dict[str, list[Question]]:
    """Return what to read, by kind (column, rows, frame): `counts` of each after one to warm up."""
    random = np.random.default_rng(seed)
    stages = list(frames)
    made: dict[str, list[Question]] = {what: [] for what in counts}
    for what, count in counts.items():
        for number in range(count + 1):
            stage = stages[(number * 7 + int(random.integers(2))) % len(stages)]
            frame = frames[stage]
            if what == "column":
                name = str(random.choice(frame.columns))
                question = Question(stage, frame[[name]], lambda reader, s=stage, n=name: reader.column(s, n))
            elif what == "rows":
                rows = random.choice(len(frame), TEN, replace=False)
                question = Question(stage, frame.iloc[rows], lambda reader, s=stage, r=rows: reader.rows(s, r))
            else:
                question = Question(stage, frame, lambda reader, s=stage: reader.frame(s))
            made[what].append(question)
    return made


def read_all(report: Report, frames: Frames, written: Mapping[type[System], Written], quick: bool) -> None:
    """Ask every system the same questions, opened and cold, and report medians."""
    counts = {"column": 11, "rows": 7, "frame": 3} if quick else {"column": 41, "rows": 21, "frame": 5}
    medians = _ask_all(frames, written, questions(frames, counts, 11), is_cold=False)
    few = {"column": 5, "rows": 5} if quick else {"column": 15, "rows": 9}
    medians |= _ask_all(frames, written, questions(frames, few, 12), is_cold=True)
    for (what, how), by_system in medians.items():
        label = {"column": "one column", "rows": "ten rows of all columns", "frame": "a whole frame"}[what]
        for kind, times in by_system.items():
            report.add(f"read {label}, {how}: {kind.label}", median_ms=statistics.median(times) * 1e3,
                       quartiles_ms=[round(float(q) * 1e3, 3) for q in np.quantile(times, (0.25, 0.75))],
                       reads=len(times))  # fmt: skip
        best = min(statistics.median(by_system[peer]) for peer in PEERS)
        end = "" if how == "opened" else "_cold"
        report.ratios[f"read_{what}_best_peer_over_ours{end}"] = best / statistics.median(by_system[Ours])
        for other, name in OTHER_WAYS.items():
            if other in by_system:
                report.ratios[f"read_{what}_best_peer_over_ours_{name}"] = best / statistics.median(by_system[other])


def _ask_all(
    frames: Frames, written: Mapping[type[System], Written], asked: Mapping[str, Sequence[Question]], is_cold: bool
) -> dict[tuple[str, str], dict[type[System], list[float]]]:
    kinds = [kind for kind in READERS if not (is_cold and kind in OTHER_WAYS)]
    systems = {kind: kind(written[WRITTEN_BY.get(kind, kind)].folder) for kind in kinds}
    readers = {} if is_cold else {kind: system.reader(list(frames)) for kind, system in systems.items()}
    times: dict[tuple[str, str], dict[type[System], list[float]]] = {}
    try:
        for what, several in asked.items():
            by_system = times.setdefault((what, "cold" if is_cold else "opened"), {kind: [] for kind in kinds})
            for number, question in enumerate(several):
                turn = number % len(kinds)
                with _quiet():
                    for kind in kinds[turn:] + kinds[:turn]:
                        took = _ask(question, kind, systems[kind], readers.get(kind))
                        if number:
                            by_system[kind].append(took)
    finally:
        for reader in readers.values():
            reader.close()
    return times


def _ask(question: Question, kind: type[System], system: System, reader: Reader | None) -> float:
    answers: list[Any] = []

    def warm() -> None:
        assert reader is not None
        answers.append(question.ask(reader))

    def cold() -> None:
        opened = system.reader([question.stage])
        try:
            answers.append(question.ask(opened))
        finally:
            opened.close()

    took = seconds(cold if reader is None else warm)
    question.check(answers[0], kind)
    return took


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the garbage collector out."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


if __name__ == "__main__":
    main()
