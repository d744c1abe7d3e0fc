"""Garbage collection removes what nothing refers to, never more, whenever it is interrupted."""

import contextlib
import dataclasses
import os
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.open_writes import begin_write, open_writes
from mistique_core.catalogue.tables import chunk, column_version, deleted_partition, layout, metadata, partition
from mistique_core.dedup import bytes_hash
from mistique_core.errors import InvalidInputError, MistiqueError, StorageError
from mistique_core.maintenance import collect_garbage
from mistique_core.partition import build_partition
from mistique_core.testing.faults import FaultyBackend
from tests.store.killed_process import killed_at_every_step
from tests.sweeps import tried_points

HOUR = 3600.0


def frame(seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    data = {"own": random.normal(size=300), "shared": np.arange(300.0), "text": random.choice(["a", "b"], 300)}
    town = pd.Categorical.from_codes(random.integers(0, 2, 300), ["Ghent", f"Bruges {seed}"])
    return pd.DataFrame(data).assign(town=town).rename_axis("row_id")


def files(store: Mistique) -> dict[str, int]:
    return {file.name: file.bytes for file in store.backend.files()}


def rows(store: Mistique) -> dict[str, list[tuple[object, ...]]]:
    """Return everything that the catalogue holds, but for measured rates."""
    with store.catalogue.read() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(sa.select(table))))
            for table in metadata.sorted_tables
            if table.name != "cost_rate"
        }


def put_orphan(store: Mistique, seed: int) -> str:
    """Store a partition as a writer does that is killed before its transaction."""
    data, _ = build_partition([], [{"note": seed}])
    name = f"{bytes_hash(data).hex()}.h5"
    assert store.backend.put_if_absent(name, data)
    return name


def dead_pid() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def test_nothing_of_a_store_in_use_is_garbage(catalogue_url: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        for seed in range(3):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
        before, held = rows(store), files(store)
        report = store.gc(grace_seconds=0)
        assert (report.chunks, report.column_versions, report.layouts, report.partitions) == (0, 0, 0, 0)
        assert (report.deleted_files, report.waiting_files) == ((), 0)
        assert (rows(store), files(store)) == (before, held)


@pytest.mark.usefixtures("exact_dedup")
def test_a_dry_run_says_what_the_real_run_does(catalogue_url: str, tmp_path: Path) -> None:
    """On one state with every kind of garbage, at one moment; the dry run changes nothing."""
    location = tmp_path / "store"
    with Mistique.open(location, catalogue_url) as store:
        for seed in range(5):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
        now = time.time()
        store.delete("p", "m1")
        collect_garbage(store.catalogue, store.backend, now=now - HOUR, grace_seconds=10 * HOUR)
        lost = store.delete("p", "m2") and set(files(store))
        store.delete("p", "m3")
        collect_garbage(store.catalogue, store.backend, now=now - 20 * HOUR, grace_seconds=100 * HOUR)
        store.delete("p", "m4")
        put_orphan(store, 1)
        old = put_orphan(store, 2)
        os.utime(next(location.rglob(old)), (now - 30 * HOUR, now - 30 * HOUR))
        unfinished = location / "partitions" / old[:2] / f"{old}.{uuid.uuid4().hex}.tmp"
        unfinished.write_bytes(b"half")
        os.utime(unfinished, (now - 30 * HOUR, now - 30 * HOUR))
        with store.catalogue.write() as connection:
            begin_write(connection, "dead", os.uname().nodename, dead_pid(), now)
            begin_write(connection, "silent", "elsewhere", 1, now - HOUR)
            begin_write(connection, "live", "elsewhere", 1, now - 60)
            doomed = connection.scalars(sa.select(deleted_partition.c.name)).all()
        assert lost
        next(location.rglob(doomed[0])).unlink()
        before, held = rows(store), files(store)
        would = collect_garbage(store.catalogue, store.backend, now=now, grace_seconds=2 * HOUR, dry_run=True)
        assert (rows(store), files(store), unfinished.exists()) == (before, held, True)
        did = collect_garbage(store.catalogue, store.backend, now=now, grace_seconds=2 * HOUR)
        assert dataclasses.replace(would, dry_run=False) == did
        assert old in did.orphans
        assert set(did.deleted_files) == set(held) - set(files(store))
        assert did.deleted_bytes == sum(held[name] for name in did.deleted_files)
        assert did.chunks > 0
        assert did.partitions > 0
        assert did.waiting_files > 0
        assert did.missing_files == (doomed[0],)
        assert sorted(did.stale_writes) == ["dead", "silent"]
        assert len(did.leftovers) == 1
        assert not unfinished.exists()
        with store.catalogue.read() as connection:
            assert [write.id for write in open_writes(connection)] == ["live"]
        pd.testing.assert_frame_equal(store.get_intermediates("p.m0.x").frame, frame(0))


def test_files_stay_for_the_grace_period(catalogue_url: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        store.log_frame("p", "m", "x", frame(0))
        (name,) = files(store)
        size = files(store)[name]
        now = time.time()
        store.delete("p", "m")

        def gc(hours: float) -> tuple[tuple[str, ...], int]:
            report = collect_garbage(store.catalogue, store.backend, now=now + hours * HOUR, grace_seconds=10 * HOUR)
            return report.deleted_files, report.waiting_bytes

        assert gc(0) == ((), size)
        with store.catalogue.read() as connection:
            for table in (partition, chunk, column_version, layout):
                assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0
        assert gc(9.9) == ((), size)
        assert gc(10) == ((name,), 0)
        assert gc(11) == ((), 0)


def test_the_same_bytes_logged_again_are_kept(catalogue_url: str, tmp_path: Path) -> None:
    """A file that waits to be deleted gets a new row instead of a second copy."""
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        store.log_frame("p", "m", "x", frame(0))
        held = files(store)
        store.delete("p", "m")
        assert store.gc().waiting_files == 1
        store.log_frame("p", "n", "x", frame(0))
        assert files(store) == held
        report = collect_garbage(store.catalogue, store.backend, now=time.time() + 100 * HOUR, grace_seconds=0)
        assert (report.deleted_files, report.partitions) == ((), 0)
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        pd.testing.assert_frame_equal(store.get_intermediates("p.n.x").frame, frame(0))


def test_a_grace_period_shorter_than_a_write_is_refused(catalogue_url: str, tmp_path: Path) -> None:
    """Only a live write counts: one of a dead process is forgotten."""
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        now = time.time()
        with store.catalogue.write() as connection:
            begin_write(connection, "mine", os.uname().nodename, os.getpid(), now - 100)
        for dry_run in (True, False):
            with pytest.raises(InvalidInputError, match=r"shorter than the write .* 100 s ago") as caught:
                collect_garbage(store.catalogue, store.backend, now=now, grace_seconds=99, dry_run=dry_run)
            assert "\n" not in str(caught.value)
        assert collect_garbage(store.catalogue, store.backend, now=now, grace_seconds=100).stale_writes == ()
        with pytest.raises(InvalidInputError, match="not a number"):
            store.gc(grace_seconds=-1)
        report = collect_garbage(store.catalogue, store.backend, now=now + 1800, grace_seconds=0)
        assert report.stale_writes == ("mine",)


@pytest.mark.usefixtures("exact_dedup")
def test_a_description_that_is_still_needed_keeps_its_file(tmp_path: Path) -> None:
    """A column may be described in a file whose chunks are all gone; rebuild would miss it."""
    with Mistique.open(tmp_path, partition_bytes=1000, block_rows=100) as store:
        random = np.random.default_rng(1)
        first, second = random.normal(size=100), random.normal(size=100)
        with store.run("p", "m") as run:
            run.log_frame("x", pd.DataFrame({"a": first}))
            run.log_frame("y", pd.DataFrame({"a": second}))
            # Of known blocks only: its description is all that is new.
            run.log_frame("z", pd.DataFrame({"a": np.concatenate([first, second])}))
        described = set(files(store))
        for name in ("x", "y"):
            store.delete("p", "m", intermediate=name)
        report = store.gc(grace_seconds=0)
        assert report.column_versions > 0
        assert report.deleted_files == ()
        assert set(files(store)) == described
        store.delete("p")
        assert set(store.gc(grace_seconds=0).deleted_files) == described


@pytest.mark.parametrize("when", ["before", "after"])
def test_every_call_of_the_storage_may_fail(memory_path: Path, when: str) -> None:
    """Whichever call fails, the store holds what it held, and the next collection finishes."""
    start = memory_path / "start"
    with Mistique.open(start, approximate_dedup=False) as store:
        for seed in range(4):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
        for seed in range(3):
            store.delete("p", f"m{seed}")
    for k in tried_points():
        with Mistique.open(shutil.copytree(start, memory_path / str(k)), approximate_dedup=False) as store:
            faulty = FaultyBackend(store.backend, fail_at=k, when="before" if when == "before" else "after")
            try:
                collect_garbage(store.catalogue, faulty, grace_seconds=0)
            except StorageError:
                assert faulty.failed
            pd.testing.assert_frame_equal(store.get_intermediates("p.m3.x").frame, frame(3))
            store.gc(grace_seconds=0)
            with store.catalogue.read() as connection:
                assert set(connection.scalars(sa.select(partition.c.name))) == set(files(store))
                assert connection.scalar(sa.select(sa.func.count()).select_from(deleted_partition)) == 0
            if not faulty.failed:
                break
    assert k > 4


def test_a_collection_killed_at_any_point_is_finished_by_the_next(memory_path: Path) -> None:
    """Killed before every statement, commit and deletion in turn, until one run ends by itself."""
    home, start = memory_path / "home", memory_path / "start"
    with Mistique.open(start) as store:
        store.log_frame("p", "kept", "x", frame(0))
        for seed in (1, 2):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
            store.delete("p", f"m{seed}")
    shutil.copytree(start, home)
    with killed_at_every_step(home, "store.gc(grace_seconds=0)") as runs:
        for _ in runs:
            with Mistique.open(home) as store:
                assert store.check(read_data=True).is_clean
                pd.testing.assert_frame_equal(store.get_intermediates("p.kept.x").frame, frame(0))
                store.gc(grace_seconds=0)
                with store.catalogue.read() as connection:
                    assert set(connection.scalars(sa.select(partition.c.name))) == set(files(store))
                    assert connection.scalar(sa.select(sa.func.count()).select_from(column_version)) == 6
            shutil.rmtree(home)
            shutil.copytree(start, home)


def test_a_collection_between_looking_up_and_registering(catalogue_url: str, tmp_path: Path) -> None:
    """What a writer found stored is deleted before it registers the rest: it writes again."""
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        store.log_frame("p", "old", "x", frame(0))
        store.delete("p", "old")
        put, collected = store.backend.put_if_absent, []

        def put_after_gc(name: str, data: bytes) -> bool:
            if not collected:
                collected.append(store.gc(grace_seconds=60))
            return put(name, data)

        store.backend.put_if_absent = put_after_gc  # type: ignore[method-assign]
        store.log_frame("p", "new", "x", frame(0).assign(more=-np.arange(300.0)))
        assert collected[0].chunks > 0
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        expected = frame(0).assign(more=-np.arange(300.0))
        pd.testing.assert_frame_equal(store.get_intermediates("p.new.x").frame, expected)


def test_writers_readers_and_collections_at_once(catalogue_url: str, tmp_path: Path) -> None:
    """Models come and go with content that they share; what is there is always read whole."""
    location = tmp_path / "store"
    with Mistique.open(location, catalogue_url, busy_seconds=120) as store:
        store.log_frame("p", "kept", "x", frame(0))
    stop = threading.Event()
    problems: list[BaseException] = []

    def work(task: Callable[[Mistique, int], None], rounds: int | None) -> Callable[[], None]:
        def run() -> None:
            try:
                with Mistique.open(location, catalogue_url, busy_seconds=120, cache_bytes=0) as store:
                    number = 0
                    while number < rounds if rounds is not None else not stop.is_set():
                        task(store, number)
                        number += 1
            except BaseException as error:
                problems.append(error)

        return run

    def write(own: int) -> Callable[[Mistique, int], None]:
        def task(store: Mistique, number: int) -> None:
            model = f"w{own}"
            store.log_frame("p", model, "x", frame(number % 2))
            pd.testing.assert_frame_equal(store.get_intermediates(f"p.{model}.x").frame, frame(number % 2))
            store.delete("p", model)

        return task

    def read(store: Mistique, _number: int) -> None:
        pd.testing.assert_frame_equal(store.get_intermediates("p.kept.x").frame, frame(0))

    def collect(store: Mistique, _number: int) -> None:
        with contextlib.suppress(InvalidInputError):  # a write of more than two seconds is in progress
            store.gc(grace_seconds=2)

    writers = [threading.Thread(target=work(write(own), 6)) for own in range(3)]
    others = [threading.Thread(target=work(task, None)) for task in (read, read, collect)]
    for thread in writers + others:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in others:
        thread.join()
    assert problems == []
    with Mistique.open(location, catalogue_url) as store:
        assert store.intermediates()["model"].tolist() == ["kept"]
        store.gc(grace_seconds=0)
        with store.catalogue.read() as connection:
            assert set(connection.scalars(sa.select(partition.c.name))) == set(files(store))
        pd.testing.assert_frame_equal(store.get_intermediates("p.kept.x").frame, frame(0))


def test_errors_are_one_line(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        for wrong in (float("nan"), -5.0):
            with pytest.raises(MistiqueError) as caught:
                store.gc(grace_seconds=wrong)
            assert "\n" not in str(caught.value)
