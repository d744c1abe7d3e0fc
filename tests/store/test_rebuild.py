"""The storage half of a catalogue comes back from the partition files alone, proved, or not at all."""

import dataclasses
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.tables import chunk, column_version, metadata, partition
from mistique_core.errors import MistiqueError
from mistique_core.maintenance import collect_garbage
from mistique_core.workflows import PredictStage, ReadSklearnStage, SplitStage
from mistique_core.workflows.fit import FitStage

STORAGE_HALF = ("partition", "chunk", "similar_band", "column_version", "column_chunk", "deleted_partition")


def frame(seed: int, rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    data = {"own": random.normal(size=rows), "shared": np.arange(float(rows)), "text": random.choice(["a", None], rows)}
    town = pd.Categorical.from_codes(random.integers(0, 2, rows), ["Ghent", f"Bruges {seed}"])
    frame = pd.DataFrame(data).assign(town=town, again=data["own"])
    return frame.rename_axis("row_id")


def rows(store: Mistique, *names: str) -> dict[str, list[str]]:
    """Return everything in the named tables, but for the times at which partitions were registered."""
    with store.catalogue.read() as connection:
        return {
            name: sorted(
                repr([value for key, value in row._mapping.items() if key != "created_at"])
                for row in connection.execute(sa.select(metadata.tables[name]))
            )
            for name in names
        }


def addresses(store: Mistique) -> dict[int, bytes]:
    """Return the address of each column version by its id."""
    with store.catalogue.read() as connection:
        query = sa.select(column_version.c.id, column_version.c.address)
        return {row.id: bytes(row.address) for row in connection.execute(query)}


def lose(store: Mistique, *names: str, where: str = "1 = 1") -> None:
    """Delete rows without regard to what refers to them."""
    statements = [f"DELETE FROM {name} WHERE {where}" for name in names]
    if store.catalogue.dialect == "sqlite":
        plain = sqlite3.connect(store.catalogue.url.database)
        plain.executescript(";".join(statements))
        plain.close()
        return
    with store.catalogue.write() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for statement in statements:
            connection.exec_driver_sql(statement)


def fill(store: Mistique) -> dict[str, pd.DataFrame]:
    """Log a bit of everything; return key -> frame."""
    for seed in range(3):
        store.log_frame("p", f"m{seed}", "x", frame(seed))
    store.log_frame("p", "m0", "part", frame(0)[["shared", "town"]])
    store.log_frame("p", "m0", "mixed", frame(0).assign(new=frame(1)["own"])[["new", "own", "text"]])
    store.log_frame("p", "m0", "longer", frame(9, 500))
    store.log_frame("p", "m1", "empty", frame(1).iloc[:0])
    store.log_frame("p", "m1", "bare", frame(1)[[]])
    store.log_array("p", "net", "conv", np.random.default_rng(0).normal(size=(40, 40)), scheme="kbit(4)")
    store.log_array("p", "net", "dense", np.random.default_rng(1).normal(size=(40, 3)).astype("f4"))
    with store.session() as session:
        for seed in (20, 21):
            with store.run("p", f"s{seed}") as run:
                session.log_frame(run, "x", frame(seed))
                session.log_frame(run, "y", frame(seed + 5))
    return answers(store)


def answers(store: Mistique) -> dict[str, pd.DataFrame]:
    listed = store.intermediates()
    keys = [f"{row.project}.{row.model}@{row.version}.{row.intermediate}" for row in listed.itertuples()]
    return {key: store.get_intermediates(key, strategy="read").to_pandas() for key in keys}


def assert_answers(store: Mistique, expected: dict[str, pd.DataFrame]) -> None:
    found = answers(store)
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        pd.testing.assert_frame_equal(found[key], values, check_exact=True)


def test_a_sound_store_is_left_alone(catalogue_url: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "store", catalogue_url, block_rows=100) as store:
        fill(store)
        before = rows(store, *(name for name in metadata.tables if name not in ("cost_rate", "intermediate_use")))
        report = store.rebuild()
        assert report == type(report)(0, 0, 0, 0, 0, 0, (), False)
        assert rows(store, *before) == before


@pytest.mark.parametrize("is_compacted", [False, True])
def test_everything_comes_back(catalogue_url: str, tmp_path: Path, is_compacted: bool) -> None:
    """All rows of partitions, chunks and column versions are lost; every answer is as before."""
    with Mistique.open(tmp_path / "store", catalogue_url, block_rows=100) as store:
        expected = fill(store)
        if is_compacted:
            store.compact()
            store.gc(grace_seconds=0)
        before = rows(store, *STORAGE_HALF)
        lose(store, *STORAGE_HALF)
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        assert not store.check().is_clean
        would = store.rebuild(dry_run=True)
        assert rows(store, "chunk")["chunk"] == []
        report = store.rebuild()
        assert dataclasses.replace(would, dry_run=False) == report
        assert report.problems == ()
        assert report.chunks == len(before["chunk"])
        assert report.column_versions == len(before["column_version"])
        assert report.intermediates == len(expected)
    with Mistique.open(tmp_path / "store", catalogue_url, cache_bytes=0) as store:
        assert store.check(read_data=True).problems == ()
        assert_answers(store, expected)
        assert store.rebuild().chunks == 0
        store.log_frame("p", "later", "x", frame(77))
        store.delete("p", "m1")
        store.gc(grace_seconds=0)
        assert store.check(read_data=True).problems == ()
        pd.testing.assert_frame_equal(store.get_intermediates("p.later.x").frame, frame(77))
        pd.testing.assert_frame_equal(store.get_intermediates("p.m2.x").frame, frame(2))


def test_zones_are_computed_anew(tmp_path: Path) -> None:
    with Mistique.open(tmp_path, block_rows=100) as store:
        fill(store)
        query = sa.select(chunk.c.address, chunk.c.low, chunk.c.high, chunk.c.nulls, chunk.c.codec, chunk.c.pages)
        with store.catalogue.read() as connection:
            before = sorted(map(tuple, connection.execute(query)))
        lose(store, "chunk", "partition")
        store.rebuild()
        with store.catalogue.read() as connection:
            assert sorted(map(tuple, connection.execute(query))) == before


@pytest.mark.parametrize(
    ("tables", "where"),
    [
        (["chunk"], "id % 3 = 0"),
        (["partition"], "id % 2 = 0"),
        (["column_chunk"], "block = 1"),
        (["column_chunk"], "part = 'missing'"),
        (["column_version"], "id % 4 = 1"),
        (["column_version", "column_chunk"], "1 = 1"),
        (["chunk", "column_chunk"], "1 = 1"),
    ],
)
def test_some_rows_come_back(tmp_path: Path, tables: list[str], where: str) -> None:
    """Whichever are lost; those that are left stay as they are."""
    with Mistique.open(tmp_path, block_rows=100) as store:
        expected = fill(store)
        lose(store, *tables, where=where)
        left, versions = rows(store, "chunk"), addresses(store)
        assert not store.check().is_clean
        report = store.rebuild()
        assert report.problems == ()
        if "partition" not in tables:
            assert set(left["chunk"]) <= set(rows(store, "chunk")["chunk"])
        assert versions.items() <= addresses(store).items()
    with Mistique.open(tmp_path, cache_bytes=0) as store:
        assert store.check(read_data=True).problems == ()
        assert_answers(store, expected)


def test_rows_that_point_nowhere_are_corrected(tmp_path: Path) -> None:
    """A file was compacted away by a catalogue of which this one is an older copy."""
    with Mistique.open(tmp_path, block_rows=100) as store:
        expected = fill(store)
    shutil.copy(tmp_path / "catalogue.db", tmp_path / "older.db")
    with Mistique.open(tmp_path) as store:
        store.compact()
        store.gc(grace_seconds=0)
    (tmp_path / "catalogue.db").unlink()
    for extra in tmp_path.glob("catalogue.db-*"):
        extra.unlink()
    (tmp_path / "older.db").rename(tmp_path / "catalogue.db")
    with Mistique.open(tmp_path, cache_bytes=0) as store:
        assert {problem.kind for problem in store.check().problems} == {"missing file"}
        before = rows(store, "column_version", "column_chunk", "intermediate")
        report = store.rebuild()
        assert report.problems == ()
        assert (report.partitions, report.chunks) == (1, 0)
        assert report.moved_chunks == store.stats().chunks
        assert rows(store, *before) == before
        assert store.check(read_data=True).problems == ()
        assert_answers(store, expected)


def test_a_new_catalogue_knows_the_chunks(tmp_path: Path) -> None:
    """Without any intermediate; what is logged again then costs no bytes."""
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", frame(0))
        before = store.stats()
    for path in tmp_path.glob("catalogue.db*"):
        path.unlink()
    with Mistique.open(tmp_path) as store:
        report = store.rebuild()
        assert (report.problems, report.chunks) == ((), before.chunks)
        assert store.log_frame("p", "m", "x", frame(0)).stored_bytes == 0
        assert store.stats().partition_bytes == before.partition_bytes
        pd.testing.assert_frame_equal(store.get_intermediates("p.m.x").frame, frame(0))
        assert store.check(read_data=True).is_clean
        assert store.gc(grace_seconds=0).chunks == 0


def test_damaged_chunks_do_not_come_back(tmp_path: Path) -> None:
    """They are named, and no column is restored without its chunks."""
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", frame(0))
        store.log_frame("p", "n", "x", frame(1))
        with store.catalogue.read() as connection:
            query = sa.select(chunk.c.address, chunk.c.byte_offset, partition.c.name).join(partition)
            query = query.where(partition.c.id == 1).order_by(chunk.c.stored_bytes.desc())
            address, offset, name = connection.execute(query).first()
        path = tmp_path / "partitions" / name[:2] / name
        data = bytearray(path.read_bytes())
        data[offset + 20] ^= 1
        path.write_bytes(data)
        lose(store, *STORAGE_HALF)
        report = store.rebuild()
        kinds = sorted(problem.kind for problem in report.problems)
        assert kinds == ["damaged chunk", "incomplete frame"]
        assert any(bytes(address).hex() in problem.what for problem in report.problems)
        assert any("p.m@1.x" in problem.what for problem in report.problems)
    with Mistique.open(tmp_path) as store:
        pd.testing.assert_frame_equal(store.get_intermediates("p.n.x").frame, frame(1))
        with pytest.raises(MistiqueError):
            store.get_intermediates("p.m.x")


def test_an_unreadable_file_is_listed(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", frame(0))
        store.log_frame("p", "n", "x", frame(1))
        with store.catalogue.read() as connection:
            name = connection.scalar(sa.select(partition.c.name).where(partition.c.id == 2))
        path = tmp_path / "partitions" / name[:2] / name
        path.write_bytes(b"\x89HDF but no more")
        lose(store, *STORAGE_HALF)
        report = store.rebuild()
        assert sorted(problem.kind for problem in report.problems) == ["damaged file", "incomplete frame"]
        assert name in report.problems[0].what
        pd.testing.assert_frame_equal(store.get_intermediates("p.m.x").frame, frame(0))


def test_fitted_objects_are_lost_rather_than_mixed_up(tmp_path: Path) -> None:
    """No file says which chunk was which object; the data that they made is all there."""
    with Mistique.open(tmp_path) as store:
        with store.run("p", "m") as run:
            source = run.stage("source", ReadSklearnStage("iris")).outputs[""]
            parts = run.stage("parts", SplitStage(seed=1), {"data": source}).outputs
            tree = FitStage("sklearn.tree.DecisionTreeClassifier", "target", {"random_state": 0})
            model = run.stage("fit", tree, {"data": parts["train"]}).outputs["model"]
            run.stage("predicted", PredictStage(["target"]), {"model": model, "data": parts["test"]})
        expected = answers(store)
        lose(store, *STORAGE_HALF)
        report = store.rebuild()
        assert [problem.kind for problem in report.problems] == ["lost object"]
        assert "p.m@1" in report.problems[0].what
    with Mistique.open(tmp_path) as store:
        assert_answers(store, expected)
        with pytest.raises(MistiqueError, match="lost its bytes"):
            store.get_intermediates("p.m.predicted", strategy="rerun")


def test_differences_come_back(tmp_path: Path) -> None:
    pytest.importorskip("datasketch")
    random = np.random.default_rng(0)
    base = random.normal(size=20_000).cumsum()
    with Mistique.open(tmp_path, approximate_dedup=True) as store:
        for seed in range(4):
            changed = base.copy()
            changed[random.choice(20_000, 30, replace=False)] += 1.0
            store.log_frame("p", f"m{seed}", "x", pd.DataFrame({"a": changed}))
        expected = answers(store)
        with store.catalogue.read() as connection:
            count = sa.select(sa.func.count()).where(chunk.c.base_id.is_not(None))
            differences = connection.scalar(count)
        assert differences >= 2
        lose(store, *STORAGE_HALF)
        assert store.rebuild().problems == ()
        with store.catalogue.read() as connection:
            assert connection.scalar(count) == differences
    with Mistique.open(tmp_path) as store:
        assert store.check(read_data=True).is_clean
        assert_answers(store, expected)


@pytest.mark.usefixtures("exact_dedup")
def test_files_that_wait_for_gc_stay_waiting(tmp_path: Path) -> None:
    """What was deleted is not brought back from them, unless something needs it."""
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", frame(0))
        store.log_frame("p", "n", "x", frame(1))
        store.delete("p", "n")
        waiting = store.gc().waiting_files
        assert waiting == 1
        before = rows(store, "partition", "deleted_partition", "chunk", "column_version")
        report = store.rebuild()
        assert rows(store, "partition", "deleted_partition") == {
            name: before[name] for name in ("partition", "deleted_partition")
        }
        assert report.problems == ()
        store.gc()
        assert rows(store, *before) == before
        store.compact(rewrite=[name for (name,) in _names(store)])
        lose(store, "chunk", "partition", where="1 = 1")
        assert store.rebuild().problems == ()
        assert store.check(read_data=True).problems == ()
        pd.testing.assert_frame_equal(store.get_intermediates("p.m.x").frame, frame(0))
        collect_garbage(store.catalogue, store.backend, grace_seconds=0)
        assert store.check(read_data=True).problems == ()


def _names(store: Mistique) -> list[tuple[str]]:
    with store.catalogue.read() as connection:
        return [(row.name,) for row in connection.execute(sa.select(partition.c.name))]


@pytest.mark.usefixtures("exact_dedup")
def test_ids_of_lost_rows_are_not_given_to_others(tmp_path: Path) -> None:
    """A column that cannot be proved gets an id that no intermediate mentions."""
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "gone", "x", frame(0)[["own"]])
        store.log_frame("p", "kept", "x", frame(0)[["own"]].assign(own=frame(0)["own"], more=frame(1)["own"]))
        with store.catalogue.read() as connection:
            known = set(connection.scalars(sa.select(column_version.c.id)))
            names = [row.name for row in connection.execute(sa.select(partition.c.name).order_by(partition.c.id))]
        lose(store, *STORAGE_HALF)
        (tmp_path / "partitions" / names[0][:2] / names[0]).unlink()
        report = store.rebuild()
        assert [problem.kind for problem in report.problems] == ["incomplete frame"] * 2
        with store.catalogue.read() as connection:
            assert known.isdisjoint(connection.scalars(sa.select(column_version.c.id)))


def test_object_storage(s3_location: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    with Mistique.open(s3_location, url) as store:
        expected = fill(store)
        lose(store, *STORAGE_HALF)
        assert store.rebuild().problems == ()
        assert store.check(read_data=True).is_clean
        assert_answers(store, expected)
