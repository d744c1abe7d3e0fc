"""Hours of mixed work on a cluster whose processes die and whose network fails, with a ledger of what was promised.

    python -m benchmarks.soak [--quick] [--json PATH] [--minutes N] [--ledger PATH] [--seed N]

Runs log intermediates on two Celery workers, questions are answered by reading and by ranking, versions are deleted,
garbage is collected and partitions are compacted, all at once, while something is killed or the network to S3 is broken
every minute or so. Each run that Airflow says has succeeded is a promise: until its version is deleted, each of its
intermediates must come back to the bit. The ledger has a line of JSON for each operation, fault and promise. At the end
every promise is looked at, all bytes are verified, and catalogue and files must agree.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pandas as pd

from benchmarks.harness import Budget, Report, arguments, finish
from mistique_core.catalogue.open_writes import open_writes
from mistique_core.errors import InvalidInputError, MistiqueError, NotFoundError
from mistique_core.maintenance import collect_garbage
from operators.demo.client import DagRunError
from tests.cluster_faults.mending import (
    DAG_ID,
    LATER_SECONDS,
    PROJECT,
    MendedCluster,
    check_values,
    expected,
    mended_cluster,
)

MINUTES, QUICK_MINUTES = 120, 5
MODELS, SEEDS, ROWS = 12, 60, (500, 2_000, 20_000)
RUNS_AT_ONCE = 2
FAULT_SECONDS = (20, 70)
MAINTENANCE_SECONDS = 45
GRACE_SECONDS = 900.0
END_SECONDS = 900
"""How long runs may take to end after the last fault."""
KILLED = ("worker-1", "worker-2", "scheduler", "api-server", "postgres", "s3", "redis")
NETWORKS: tuple[dict[str, float], ...] = (
    {"latency": 0.3},
    {"refused": 0.3},
    {"lost": 0.3},
    {"cut": 0.3},
    {"refused": 1.0},
)
BUDGETS = (
    Budget("lost", "promised intermediates that are lost, 0", at_most=0),
    Budget("wrong", "answers with a wrong value, 0", at_most=0),
    Budget("problems", "problems that check finds at the end, 0", at_most=0),
    Budget("unaccounted_bytes", "bytes of files that the catalogue does not account for, 0", at_most=0),
    Budget("left_running", "runs that did not end, 0", at_most=0),
)


@dataclass(frozen=True, order=True)
class Promise:
    """A version whose run has succeeded, and what it was made of."""

    model: str
    version: int
    seed: int
    rows: int


@dataclass
class Ledger:
    """What was done and promised; each line is written at once."""

    file: Path
    began: float = field(default_factory=time.monotonic)
    counts: Counter[str] = field(default_factory=Counter)
    promises: set[Promise] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def note(self, what: str, **facts: Any) -> None:
        with self.lock, self.file.open("a") as stream:
            self.counts[what] += 1
            stream.write(json.dumps({"at": round(time.monotonic() - self.began, 1), "what": what, **facts}) + "\n")

    def promise(self, made: Promise) -> None:
        with self.lock:
            self.promises.add(made)
            self.note("promised", **vars(made))

    def withdraw(self, old: Promise) -> None:
        with self.lock:
            self.promises.discard(old)
            self.note("withdrawn", **vars(old))

    def some(self, chance: random.Random) -> Promise | None:
        with self.lock:
            return chance.choice(sorted(self.promises)) if self.promises else None


class Soak:
    """The threads that work, and those that break things."""

    def __init__(self, mended: MendedCluster, ledger: Ledger, seed: int) -> None:
        self.mended = mended
        self.ledger = ledger
        self.seed = seed
        self.stop = threading.Event()
        self.no_more_faults = threading.Event()
        self.no_more_runs = threading.Event()
        self.under_way: dict[str, tuple[str, int, int]] = {}
        self.number = 0

    def repeat(
        self,
        name: str,
        until: threading.Event,
        action: Callable[[random.Random], None],
        pause: Callable[[random.Random], float],
    ) -> None:
        """Do something again and again; a failure of the cluster is noted, and a wrong value ends nothing either."""
        chance = random.Random(f"{self.seed} {name}")
        while not until.wait(pause(chance)):
            try:
                action(chance)
            except AssertionError as error:
                self.ledger.wrong.append(f"{name}: {error}")
                self.ledger.note("wrong value", by=name, text=str(error)[:500])
            except (MistiqueError, httpx.HTTPError, DagRunError, ValueError, KeyError) as error:
                self.ledger.note(f"{name} refused", error=f"{type(error).__name__}: {error}"[:300])

    def run(self, chance: random.Random) -> None:
        """Start runs up to the most at once, and look which have ended."""
        for run_id, (model, seed, rows) in list(self.under_way.items()):
            state = self._state(run_id)
            if state == "failed":
                self.ledger.note("run failed", model=model, run_id=run_id)
                del self.under_way[run_id]
            if state == "success" and (version := self._recorded_version(run_id, model)) is not None:
                self.ledger.promise(Promise(model, version, seed, rows))
                del self.under_way[run_id]
        if len(self.under_way) < RUNS_AT_ONCE and not self.no_more_runs.is_set():
            self._start(f"m{chance.randrange(MODELS)}", chance.randrange(SEEDS), chance.choice(ROWS))

    def _start(self, model: str, seed: int, rows: int) -> None:
        self.number += 1
        run_id = f"soak__{self.number}"
        marks = self.mended.marks / run_id
        marks.mkdir()
        conf = {"model": model, "seed": seed, "rows": rows, "marks": str(marks), "pause": 0.0}
        self.under_way[run_id] = (model, seed, rows)  # also where the answer is lost, and it was started
        try:
            self.mended.client.post(
                f"/dags/{DAG_ID}/dagRuns", {"conf": conf, "logical_date": None, "dag_run_id": run_id}
            )
            self.ledger.note("run started", model=model, seed=seed, rows=rows, run_id=run_id)
        except httpx.HTTPError as error:
            self.ledger.note("run perhaps started", run_id=run_id, error=str(error)[:200])

    def _state(self, run_id: str) -> str:
        try:
            return str(self.mended.client.get(f"/dags/{DAG_ID}/dagRuns/{quote(run_id, safe='')}")["state"])
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:  # it was not started after all
                self.ledger.note("run not started", run_id=run_id)
                self.under_way.pop(run_id, None)
            return "unknown"

    def _recorded_version(self, run_id: str, model: str) -> int | None:
        from mistique_core.modeldb.runs import find_run

        with self.mended.store() as store, store.catalogue.read() as connection:
            found = find_run(connection, DAG_ID, run_id)
        if found is None or found.run.state != "success":
            return None  # the scheduler writes it a little later
        (label,) = [str(label) for label in found.run.versions if str(label).startswith(f"{PROJECT}.{model}@")]
        return int(label.rpartition("@")[2])

    def ask(self, chance: random.Random) -> None:
        """Compare one answer with NumPy's."""
        promise = self.ledger.some(chance)
        if promise is None:
            return
        frames = expected(promise.seed, promise.rows)
        name = chance.choice(sorted(frames))
        frame, key = frames[name], f"{PROJECT}.{promise.model}@{promise.version}.{name}"
        with self.mended.store() as store:
            try:
                kind = chance.choice(("whole", "column", "rows", "top"))
                if kind == "whole":
                    got = store.get_intermediates(key).to_pandas()
                    pd.testing.assert_frame_equal(got, frame, check_exact=True, check_names=False)
                elif kind == "column":
                    column = chance.choice(list(frame.columns))
                    got = store.get_intermediates(f"{key}.{column}").to_pandas()
                    pd.testing.assert_frame_equal(got, frame[[column]], check_exact=True, check_names=False)
                elif kind == "rows":
                    rows = sorted(chance.sample(range(promise.rows), 20))
                    got = store.get_intermediates(key, row_id=rows).to_pandas()
                    pd.testing.assert_frame_equal(got, frame.loc[rows], check_exact=True, check_names=False)
                else:
                    column = chance.choice(list(frame.columns))
                    best = store.top_k(f"{key}.{column}", 10)
                    wanted = frame[column].nlargest(10)
                    assert best.row_id.tolist() == wanted.index.tolist(), f"{key}.{column}"
                    assert best.values.tolist() == wanted.tolist(), f"{key}.{column}"
            except NotFoundError:
                with self.ledger.lock:
                    assert promise not in self.ledger.promises, f"{key} is lost"
                return
        self.ledger.note(f"asked: {kind}", key=key)

    def maintain(self, chance: random.Random) -> None:
        """Delete a version, collect garbage, or compact."""
        kind = chance.choice(("delete", "delete", "gc", "compact"))
        with self.mended.store() as store:
            if kind == "gc":
                report = store.gc(grace_seconds=GRACE_SECONDS)
                self.ledger.note("gc", deleted=len(report.deleted_files), orphans=len(report.orphans))
            elif kind == "compact":
                self.ledger.note("compact", report=str(store.compact())[:300])
            elif (old := self.ledger.some(chance)) is not None and len(self.ledger.promises) > MODELS:
                with self.ledger.lock:  # from the moment on that it may be gone, nobody is promised anything
                    self.ledger.promises.discard(old)
                try:
                    store.delete(PROJECT, old.model, version=old.version)
                    self.ledger.withdraw(old)
                except InvalidInputError:  # others take something of it
                    self.ledger.promises.add(old)
                    raise

    def break_something(self, chance: random.Random) -> None:
        """Kill a process, or spoil the network for a while."""
        if chance.random() < 0.6:
            name = chance.choice(KILLED)
            self.ledger.note(f"fault: {name} killed")
            self.mended.kill(name)
            return
        faults = chance.choice(NETWORKS)
        text = ", ".join(f"{name} {share:g}" for name, share in faults.items())
        self.ledger.note(f"fault: network, {text}")
        for name, share in faults.items():
            setattr(self.mended.network, name, share)
        self.no_more_faults.wait(chance.uniform(5, 20))
        self.mended.network.mend()

    def threads(self) -> tuple[list[threading.Thread], threading.Thread]:
        """Return the threads that work, and the one that breaks things."""
        working = {
            "run": (self.run, lambda chance: 1.0),
            "ask": (self.ask, lambda chance: chance.uniform(0.5, 3.0)),
            "ask too": (self.ask, lambda chance: chance.uniform(0.5, 3.0)),
            "maintain": (self.maintain, lambda chance: MAINTENANCE_SECONDS * chance.uniform(0.5, 1.5)),
        }
        made = [
            threading.Thread(target=self.repeat, args=(name, self.stop, *what), name=name)
            for name, what in working.items()
        ]
        breaking = ("break", self.no_more_faults, self.break_something, lambda chance: chance.uniform(*FAULT_SECONDS))
        return made, threading.Thread(target=self.repeat, args=breaking, name="break")


def settle(soak: Soak) -> int:
    """Wait without further faults until all runs have ended; return how many have not."""
    soak.mended.network.mend()
    soak.no_more_runs.set()
    until = time.monotonic() + END_SECONDS
    while soak.under_way and time.monotonic() < until:
        time.sleep(1)
    return len(soak.under_way)


def audit(mended: MendedCluster, ledger: Ledger, report: Report) -> None:
    """Look at every promise and at every byte."""
    lost = 0
    with mended.store() as store:
        for promise in sorted(ledger.promises):
            try:
                check_values(store, promise.model, promise.seed, promise.rows, promise.version)
            except (AssertionError, MistiqueError) as error:
                lost += 1
                ledger.note("lost", **vars(promise), error=str(error)[:500])
        checked = store.check(read_data=True)
        removed = collect_garbage(store.catalogue, store.backend, now=time.time() + LATER_SECONDS, grace_seconds=0)
        again = store.check(read_data=True)
        with store.catalogue.read() as connection:
            still_open = len(open_writes(connection))
        files = {file.name: file.bytes for file in store.backend.files()}
        unaccounted = abs(sum(files.values()) - again.partition_bytes)
    kept = [file for file in mended.cluster.layout.objects.iterdir() if file.name.endswith(".h5")]
    report.ratios |= {
        "lost": lost,
        "wrong": len(ledger.wrong),
        "problems": len(checked.problems) + len(again.problems) + still_open,
        "unaccounted_bytes": unaccounted + abs(len(kept) - len(files)),
    }
    report.add(
        "at the end",
        promises=len(ledger.promises),
        intermediates=len(ledger.promises) * len(expected(0, 1)),
        files=len(files),
        bytes=sum(files.values()),
        catalogue_bytes=again.partition_bytes,
        chunks=again.chunks,
        orphans_removed=len(removed.orphans),
        stale_writes_removed=len(removed.stale_writes),
    )


def main(argv: Sequence[str] | None = None) -> None:
    def extra(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--minutes", type=float, metavar="N", help=f"how long (default {MINUTES})")
        parser.add_argument("--ledger", type=Path, metavar="PATH", help="write a line for each operation there")
        parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is drawn (default 1)")

    options = arguments(__doc__ or "", argv, rows=max(ROWS), quick_rows=max(ROWS), extra=extra)
    minutes = options.minutes or (QUICK_MINUTES if options.quick else MINUTES)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(options.ledger or Path(folder) / "ledger.jsonl")
        with mended_cluster(Path(folder)) as mended:
            soak = Soak(mended, ledger, options.seed)
            working, breaking = soak.threads()
            for thread in (*working, breaking):
                thread.start()
            until = time.monotonic() + 60 * minutes
            while time.monotonic() < until:
                time.sleep(min(60.0, max(0.0, until - time.monotonic())))
                done = ledger.counts
                asked = sum(count for name, count in done.items() if name.startswith("asked"))
                faults = sum(count for name, count in done.items() if name.startswith("fault"))
                left = (until - time.monotonic()) / 60
                print(
                    f"{left:6.1f} min left: {done['promised']} runs, {asked} answers, {faults} faults, "
                    f"{done['withdrawn']} deleted, {len(ledger.wrong)} wrong",
                    flush=True,
                )
            report = Report("soak", {"minutes": minutes, "models": MODELS, "rows": list(ROWS), "seed": options.seed})
            soak.no_more_faults.set()
            breaking.join()
            report.ratios["left_running"] = settle(soak)
            soak.stop.set()
            for thread in working:
                thread.join(120)
            audit(mended, ledger, report)
            for name, count in sorted(ledger.counts.items()):
                report.add(name, count=count)
    finish(report, BUDGETS, options.json)


if __name__ == "__main__":
    main()
