"""Compacting moves chunks into fewer, fuller files; nothing that was stored changes or is lost."""

import contextlib
import dataclasses
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.chunks import register_partition
from mistique_core.catalogue.tables import chunk, metadata, open_write, partition
from mistique_core.dedup import bytes_hash
from mistique_core.errors import CorruptPartitionError, InvalidInputError, NotFoundError, StorageError
from mistique_core.maintenance import compact
from mistique_core.maintenance.documents import described
from mistique_core.partition import read_columns, scan_partition
from mistique_core.testing.faults import FaultyBackend
from tests.store.killed_process import killed_at_every_step
from tests.sweeps import tried_points

GOLDEN = Path(__file__).parent.parent / "golden"


def frame(seed: int, rows: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    data = {"own": random.normal(size=rows), "shared": np.arange(float(rows)), "text": random.choice(["a", "b"], rows)}
    town = pd.Categorical.from_codes(random.integers(0, 2, rows), ["Ghent", f"Bruges {seed}"])
    return pd.DataFrame(data).assign(town=town).rename_axis("row_id")


def files(store: Mistique) -> dict[str, int]:
    return {file.name: file.bytes for file in store.backend.files()}


def rows(store: Mistique) -> dict[str, list[str]]:
    with store.catalogue.read() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(sa.select(table))))
            for table in metadata.sorted_tables
            if table.name not in ("cost_rate", "intermediate_use")
        }


def assert_frames(store: Mistique, seeds: Iterator[int] | range | list[int]) -> None:
    for seed in seeds:
        pd.testing.assert_frame_equal(store.get_intermediates(f"p.m{seed}.x").frame, frame(seed))


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)


def path_of(home: Path, name: str) -> Path:
    return home / "partitions" / name[:2] / name


def test_small_partitions_become_one(catalogue_url: str, tmp_path: Path) -> None:
    """Answers stay, a second run changes nothing, and the dry run said all of it before."""
    with Mistique.open(tmp_path / "store", catalogue_url, block_rows=100) as store:
        for seed in range(8):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
        store.log_array("p", "layers", "conv", np.random.default_rng(0).normal(size=(50, 20)), scheme="kbit(8)")
        layer = store.get_intermediates("p.layers.conv").values
        before, held = rows(store), files(store)
        assert len(held) > 8
        would = store.compact(dry_run=True)
        assert (rows(store), files(store)) == (before, held)
        did = store.compact()
        assert dataclasses.replace(would, dry_run=False) == did
        assert did.problems == ()
        assert set(did.removed) == set(held)
        assert did.removed_bytes == sum(held.values())
        assert len(did.written) == 1
        assert did.written_bytes == files(store)[did.written[0]] < did.removed_bytes
        assert did.moved_chunks == store.stats().chunks
        assert store.stats().partitions == 1
        assert_frames(store, range(8))
    with Mistique.open(tmp_path / "store", catalogue_url, block_rows=100) as store:
        assert_frames(store, range(8))
        assert np.array_equal(store.get_intermediates("p.layers.conv").values, layer)
        assert store.check(read_data=True).is_clean
        after = rows(store), files(store)
        again = store.compact()
        assert (again.removed, again.written, again.moved_chunks) == ((), (), 0)
        assert (rows(store), files(store)) == after
        assert set(store.gc(grace_seconds=0).deleted_files) == set(held)
        assert_frames(store, range(8))
        with store.catalogue.read() as connection:
            assert connection.execute(sa.select(open_write)).all() == []


def test_dead_bytes_leave_the_disk(catalogue_url: str, tmp_path: Path) -> None:
    """The files then hold the live chunks and nothing else."""
    with Mistique.open(tmp_path / "store", catalogue_url, block_rows=100) as store:
        with store.session() as session:
            for seed in range(6):
                with store.run("p", f"m{seed}") as run:
                    session.log_frame(run, "x", frame(seed))
        for seed in (0, 2, 3, 5):
            store.delete("p", f"m{seed}")
        store.gc(grace_seconds=0)
        (wasteful,) = files(store)
        assert store.compact(max_dead=0.9, small_bytes=0).removed == ()
        report = store.compact(small_bytes=0)
        assert report.removed == (wasteful,)
        store.gc(grace_seconds=0)
        held = [
            location
            for name, size in files(store).items()
            for location in scan_partition(store.backend.get_range(name, 0, size))
        ]
        assert sum(location.size for location in held) == store.stats().chunk_bytes
        with store.catalogue.read() as connection:
            live = {bytes(address) for address in connection.scalars(sa.select(chunk.c.address))}
        assert {location.address for location in held} == live
        assert_frames(store, [1, 4])
        assert store.compact().removed == ()


def test_full_partitions_and_a_rest(tmp_path: Path) -> None:
    """New files are about as large as wanted, at most one is small, and a second run finds nothing to do."""
    with Mistique.open(tmp_path, partition_bytes=100_000) as store:
        for seed in range(12):
            store.log_frame("p", f"m{seed}", "x", frame(seed, 4000))
        report = store.compact()
        assert len(report.written) > 3
        sizes = sorted(files(store)[name] for name in report.written)
        assert sum(size < 50_000 for size in sizes) <= 1
        with store.catalogue.read() as connection:
            query = sa.select(sa.func.sum(chunk.c.stored_bytes)).group_by(chunk.c.partition_id)
            assert max(connection.scalars(query)) <= 100_000
        assert store.compact().removed == ()
        for seed in range(12):
            pd.testing.assert_frame_equal(store.get_intermediates(f"p.m{seed}.x").frame, frame(seed, 4000))


def test_descriptions_move_along(tmp_path: Path) -> None:
    """Those of columns that are gone are left out; rebuild needs the others."""
    with Mistique.open(tmp_path) as store:
        for seed in range(4):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
        store.delete("p", "m1")
        store.gc(grace_seconds=0)
        (name,) = store.compact().written
        data = store.backend.get_range(name, 0, files(store)[name])
        with store.catalogue.read() as connection:
            table = metadata.tables["column_version"]
            known = sorted(bytes(address) for address in connection.scalars(sa.select(table.c.address)))
        assert described(read_columns(data)) == known


def test_a_damaged_chunk_stays_where_it_is(tmp_path: Path) -> None:
    """It is named, never copied and never lost; everything else of its file moves."""
    with Mistique.open(tmp_path, approximate_dedup=False) as store:
        for seed in range(3):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
        with store.catalogue.read() as connection:
            query = sa.select(chunk.c.address, chunk.c.byte_offset, partition.c.name).join(partition)
            address, offset, name = connection.execute(query.order_by(chunk.c.stored_bytes.desc())).first()
        good = path_of(tmp_path, name).read_bytes()
        flip(path_of(tmp_path, name), offset + 20)
        would = store.compact(dry_run=True)
        report = store.compact()
        assert dataclasses.replace(would, dry_run=False) == report
        (problem,) = report.problems
        assert problem.kind == "damaged chunk"
        assert bytes(address).hex() in problem.what
        assert name not in report.removed
        assert len(report.removed) == 2
        with store.catalogue.read() as connection:
            left = connection.execute(sa.select(chunk.c.address).join(partition).where(partition.c.name == name)).all()
            assert [bytes(row.address) for row in left] == [bytes(address)]
        before = rows(store), files(store)
        again = store.compact()
        assert (again.removed, again.written, len(again.problems)) == ((), (), 1)
        assert (rows(store), files(store)) == before
        store.gc(grace_seconds=0)
    path_of(tmp_path, name).write_bytes(good)  # as from a backup
    with Mistique.open(tmp_path) as store:
        assert store.check(read_data=True).is_clean
        assert_frames(store, range(3))
        assert len(store.compact().removed) == 2


def test_damage_outside_of_chunks_is_repaired_by_rewriting(tmp_path: Path) -> None:
    """Also of the list of columns, which is then made from the catalogue; the new file has another name."""
    with Mistique.open(tmp_path, block_rows=100) as store:
        store.log_frame("p", "m0", "x", frame(0))
        (name,) = files(store)
        path = path_of(tmp_path, name)
        good = path.read_bytes()
        covered = {
            position
            for location in scan_partition(good)
            for start, size in location.extents
            for position in range(start, start + size)
        }
        expected = {item.pop("address"): item for item in read_columns(good)}
        outside = [position for position in range(len(good)) if position not in covered]
    for number, position in enumerate(np.random.default_rng(0).choice(outside, 25, replace=False).tolist()):
        copy = tmp_path.parent / f"copy {number}"
        shutil.copytree(tmp_path, copy)
        flip(path_of(copy, name), position)
        with Mistique.open(copy) as store:
            (problem,) = store.check(read_data=True).problems
            assert f"--rewrite {name}" in problem.remedy
            report = store.compact(rewrite=[name])
            assert report.removed == (name,)
            assert store.check(read_data=True).is_clean
            store.gc(grace_seconds=0)
            (written,) = files(store)
            assert written == report.written[0] != name
            data = store.backend.get_range(written, 0, files(store)[written])
            found = {item.pop("address"): item for item in read_columns(data) if "address" in item}
            assert all(item.pop("id", 1) for item in found.values())
            assert found == expected
            assert_frames(store, [0])
        shutil.rmtree(copy)


def test_rewriting_a_sound_partition_changes_nothing(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m0", "x", frame(0))
        (name,) = files(store)
        report = store.compact(rewrite=[name[:10]])
        assert (report.removed, report.written) == ((), ())
        with pytest.raises(NotFoundError, match="no partition is named 'zz'"):
            store.compact(rewrite=["zz"])
        for wrong in ({"max_dead": 2}, {"max_dead": -0.1}, {"small_bytes": -1}):
            with pytest.raises(InvalidInputError):
                store.compact(**wrong)


def test_chunks_of_the_first_format_are_encoded_anew(tmp_path: Path) -> None:
    data = (GOLDEN / "partition_v1.h5").read_bytes()
    name = f"{bytes_hash(data).hex()}.h5"
    from mistique_core.catalogue.chunks import NewChunk

    with Mistique.open(tmp_path) as store:
        store.backend.put_if_absent(name, data)
        with store.catalogue.write() as connection:
            register_partition(connection, name, len(data), [NewChunk(item) for item in scan_partition(data)])
        report = store.compact(rewrite=[name])
        assert report.upgraded_chunks == report.moved_chunks == 7
        assert report.removed == (name,)
        assert store.check(read_data=True).problems == ()
        (written,) = report.written
        new = store.backend.get_range(written, 0, files(store)[written])
        assert {item.address for item in scan_partition(new)} == {item.address for item in scan_partition(data)}
        assert {item.encoding for item in scan_partition(new)} == {"pages"}


def test_differences_stay_with_their_base(tmp_path: Path) -> None:
    pytest.importorskip("datasketch")
    random = np.random.default_rng(0)
    base = random.normal(size=20_000).cumsum()
    with Mistique.open(tmp_path, approximate_dedup=True) as store:
        frames = {}
        for seed in range(5):
            changed = base.copy()
            changed[random.choice(20_000, 30, replace=False)] += 1.0
            frames[f"m{seed}"] = pd.DataFrame({"a": changed}).rename_axis("row_id")
            store.log_frame("p", f"m{seed}", "x", frames[f"m{seed}"])
        other = chunk.alias("other")
        pairs = sa.select(chunk.c.partition_id, other.c.partition_id).join(other, other.c.id == chunk.c.base_id)
        with store.catalogue.read() as connection:
            assert len(connection.execute(pairs).all()) >= 3
        store.compact()
        store.delete("p", "m0")
        store.gc(grace_seconds=0)
        store.compact()
        assert store.check(read_data=True).problems == ()
        with store.catalogue.read() as connection:
            found = connection.execute(pairs).all()
        assert len(found) >= 3
        assert all(first == second for first, second in found)
        for model in ("m1", "m2", "m3", "m4"):
            pd.testing.assert_frame_equal(store.get_intermediates(f"p.{model}.x").frame, frames[model])


def test_readers_do_not_notice(catalogue_url: str, tmp_path: Path) -> None:
    """Readers that remember where chunks lie go on while partitions are merged and their files deleted."""
    location = tmp_path / "store"
    problems: list[BaseException] = []
    stop = threading.Event()
    with Mistique.open(location, catalogue_url, block_rows=100, busy_seconds=120) as store:
        for seed in range(4):
            store.log_frame("p", f"m{seed}", "x", frame(seed))

        def read() -> None:
            try:
                with Mistique.open(location, catalogue_url, cache_bytes=0, busy_seconds=120) as reader:
                    while not stop.is_set():
                        assert_frames(reader, range(4))
            except BaseException as error:
                problems.append(error)

        def write() -> None:
            try:
                with Mistique.open(location, catalogue_url, busy_seconds=120) as writer:
                    for seed in range(100, 106):
                        writer.log_frame("p", f"m{seed}", "x", frame(seed))
            except BaseException as error:
                problems.append(error)

        readers = [threading.Thread(target=read) for _ in range(2)]
        writer = threading.Thread(target=write)
        for thread in (*readers, writer):
            thread.start()
        while writer.is_alive():
            store.compact()
            with contextlib.suppress(InvalidInputError):  # a write of more than a second is in progress
                store.gc(grace_seconds=1)
            time.sleep(0.05)
        stop.set()
        for thread in (*readers, writer):
            thread.join()
        assert problems == []
        store.compact()
        store.gc(grace_seconds=0)
        assert store.check(read_data=True).problems == ()
        assert store.stats().partitions == 1
        assert_frames(store, [0, 1, 2, 3, *range(100, 106)])


@pytest.mark.parametrize("when", ["before", "after"])
def test_every_call_of_the_storage_may_fail(memory_path: Path, when: str) -> None:
    start = memory_path / "start"
    with Mistique.open(start) as store:
        for seed in range(3):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
    for k in tried_points():
        with Mistique.open(shutil.copytree(start, memory_path / str(k))) as store:
            faulty = FaultyBackend(store.backend, fail_at=k, when="before" if when == "before" else "after")
            with contextlib.suppress(StorageError):
                compact(store.catalogue, faulty, store.config)
            assert store.check(read_data=True).is_clean
            assert_frames(store, range(3))
            store.compact()
            store.gc(grace_seconds=0)
            assert len(files(store)) == store.stats().partitions == 1
            assert_frames(store, range(3))
            if not faulty.failed:
                break
    assert k > 4


def test_killed_at_any_point(memory_path: Path) -> None:
    """The store is sound after each kill, and the next run finishes the work."""
    home, start = memory_path / "home", memory_path / "start"
    with Mistique.open(start) as store:
        for seed in range(2):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
    shutil.copytree(start, home)
    with killed_at_every_step(home, "store.compact()") as runs:
        for _ in runs:
            with Mistique.open(home) as store:
                assert store.check(read_data=True).is_clean
                assert_frames(store, range(2))
                store.compact()
                store.gc(grace_seconds=0)
                assert len(files(store)) == store.stats().partitions == 1
                assert_frames(store, range(2))
            shutil.rmtree(home)
            shutil.copytree(start, home)


def test_object_storage(s3_location: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    with Mistique.open(s3_location, url) as store:
        for seed in range(3):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
        report = store.compact()
        assert (len(report.removed), len(report.written)) == (3, 1)
        assert set(store.gc(grace_seconds=0).deleted_files) == set(report.removed)
        assert set(files(store)) == set(report.written)
        assert store.check(read_data=True).is_clean
        assert_frames(store, range(3))


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        for seed in range(3):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
        with store.catalogue.read() as connection:
            query = sa.select(partition.c.name).order_by(partition.c.id.desc())
            name = connection.scalars(query).first()
        path_of(tmp_path, name).unlink()
        report = store.compact()
        assert [problem.kind for problem in report.problems] == ["missing file"]
        assert name not in report.removed
        assert_frames(store, range(2))
        with pytest.raises(CorruptPartitionError):
            store.get_intermediates("p.m2.x.own")
