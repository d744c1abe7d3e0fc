"""A check is silent about a sound store, names every damage, and changes nothing."""

import re
import sqlite3
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.dedup import bytes_hash
from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.maintenance.subset import choose_subset
from mistique_core.partition import build_partition, scan_partition
from mistique_core.workflows import ReadCsvStage, SplitStage
from tests.sweeps import some


def frame(seed: int, rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    town = pd.Categorical.from_codes(random.integers(0, 2, rows), ["Ghent", f"Bruges {seed}"])
    data = {"number": random.normal(size=rows), "text": random.choice(["a", None, "bc"], rows)}
    return pd.DataFrame(data).assign(town=town).rename_axis("row_id")


def flip(path: Path, position: int, mask: int = 0x10) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= mask
    path.write_bytes(data)


def partitions(home: Path) -> list[Path]:
    return sorted((home / "partitions").rglob("*.h5"))


def test_a_sound_store_is_clean(catalogue_url: str, tmp_path: Path) -> None:
    location = tmp_path / "store"
    with Mistique.open(location, catalogue_url, block_rows=100) as store:
        assert store.check(read_data=True).is_clean
        for seed in range(3):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
        store.log_frame("p", "m0", "empty", frame(0).iloc[:0])
        store.log_frame("p", "m0", "no columns", frame(0)[[]])
        store.log_array("p", "layers", "conv", np.random.default_rng(0).normal(size=(50, 4)), scheme="bounded(0.1)")
        listed, stats = store.intermediates(), store.stats()
        for report in (store.check(), store.check(read_data=True)):
            assert report.problems == ()
            assert report.is_clean
            assert (report.partitions, report.chunks) == (stats.partitions, stats.chunks)
            assert report.intermediates == len(listed)
            assert report.partition_bytes == stats.partition_bytes
        assert (report.covered, report.covered_bytes) == (stats.partitions, stats.partition_bytes)
        assert report.is_complete


@pytest.mark.usefixtures("exact_dedup")
def test_what_waits_for_gc_is_no_problem(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        for seed in range(2):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
        store.delete("p", "m1")  # the row ids of both lie in the file of the first
        store.gc()
        data, _ = build_partition([], [{"note": 1}])
        store.backend.put_if_absent(f"{bytes_hash(data).hex()}.h5", data)
        report = store.check(read_data=True)
        assert report.is_clean
        assert (report.partitions, report.waiting_files, report.orphans) == (1, 1, 1)
        assert report.orphan_bytes == len(data)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE partition SET bytes = bytes + 1", "wrong size"),
        ("UPDATE partition SET name = '{}.h5' WHERE id = 1".format("0" * 64), "missing file"),
        ("UPDATE chunk SET byte_offset = 1000000 WHERE id = 3", "misplaced chunk"),
        ("UPDATE chunk SET stored_bytes = stored_bytes + 1 WHERE id = 3", "misplaced chunk"),
        ("UPDATE chunk SET partition_id = 77 WHERE id = 3", "misplaced chunk"),
        ("UPDATE chunk SET base_id = 4 WHERE id = 3", "broken difference"),
        ("DELETE FROM chunk WHERE id = 3", "incomplete column"),
        ("DELETE FROM column_chunk WHERE block = 1", "incomplete column"),
        ("DELETE FROM column_chunk WHERE part = 'missing'", "wrong column"),
        ("UPDATE column_version SET logical_type = '{}' WHERE id = 1", "wrong column"),
        ("UPDATE column_version SET categories_id = 99 WHERE categories_id IS NOT NULL", "incomplete column"),
        ("DELETE FROM column_version WHERE id = 2", "incomplete frame"),
        ("UPDATE intermediate SET columns = x'0401000000010000000100000001000000' WHERE id = 2", "wrong frame"),
        ("UPDATE intermediate SET columns = x'09'", "incomplete frame"),
        ("UPDATE intermediate SET n_rows = 12", "wrong frame"),
        ("UPDATE intermediate SET layout_id = 55 WHERE id = 1", "incomplete frame"),
        ("UPDATE intermediate SET row_id_version = 2 WHERE id = 1", "wrong frame"),
        ("UPDATE fitted SET chunk_id = 999", "lost object"),
    ],
)
def test_wrong_rows_are_noticed(tmp_path: Path, statement: str, kind: str) -> None:
    """Whatever was changed behind the store's back, one line says what and what to do."""
    csv = tmp_path / "data.csv"
    frame(3)[["number"]].assign(target=1).to_csv(csv, index=False)
    with Mistique.open(tmp_path, block_rows=100) as store:
        for seed in range(2):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
        with store.run("p", "fit") as run:
            from mistique_core.workflows.fit import FitStage

            source = run.stage("source", ReadCsvStage(str(csv))).outputs[""]
            tree = FitStage("sklearn.tree.DecisionTreeClassifier", "target", {"random_state": 0})
            run.stage("fit", tree, {"data": source})
        assert store.check().is_clean
        plain = sqlite3.connect(tmp_path / "catalogue.db", isolation_level=None)
        assert plain.execute(statement).rowcount > 0
        before = list(plain.iterdump())
        report = store.check()
        assert not report.is_clean
        assert kind in {problem.kind for problem in report.problems}
        for problem in report.problems:
            assert problem.remedy
            assert "\n" not in problem.what + problem.remedy
        assert list(plain.iterdump()) == before
        plain.close()


def test_one_flipped_byte_is_named_and_costs_at_most_one_chunk(tmp_path: Path) -> None:
    """Anywhere in the file: in a chunk it is that chunk, elsewhere it costs nothing."""
    with Mistique.open(tmp_path, block_rows=100, approximate_dedup=False, cache_bytes=0) as store:
        store.log_frame("p", "m", "x", frame(0))
        (path,) = partitions(tmp_path)
        good = path.read_bytes()
        ranges = {
            location.address.hex(): (start, start + size)
            for location in scan_partition(good)
            for start, size in location.extents
        }
        positions = np.random.default_rng(5).choice(len(good), 250, replace=False)
        edges = [position for start, stop in ranges.values() for position in (start, stop - 1)]
        hit = Counter[str]()
        for position in [*some(positions.tolist(), 3), *some(edges, 3)]:
            path.write_bytes(good)
            flip(path, position)
            report = store.check(read_data=True)
            (problem,) = report.problems
            owner = next((name for name, (start, stop) in ranges.items() if start <= position < stop), None)
            hit[problem.kind] += 1
            assert path.name in problem.what
            if owner is None:
                assert problem.kind == "damaged file"
                assert "costs no value" in problem.what
                assert f"compact --rewrite {path.name}" in problem.remedy
            else:
                assert problem.kind == "damaged chunk"
                assert owner in problem.what
                assert "p.m@1.x (" in problem.what
        assert hit["damaged chunk"] > 20
        assert hit["damaged file"] > 20


def test_a_damaged_chunk_names_everything_that_it_belongs_to(tmp_path: Path) -> None:
    """Shared columns, categories and row ids; and whether a re-run gives the values again."""
    csv = tmp_path / "data.csv"
    pd.DataFrame({"a": np.random.default_rng(0).normal(size=100)}).to_csv(csv, index=False)
    with Mistique.open(tmp_path / "store") as store:
        with store.run("p", "m") as run:
            source = run.stage("source", ReadCsvStage(str(csv))).outputs[""]
            run.stage("parts", SplitStage(0.5, 0, None), {"data": source})
        values = store.get_intermediates("p.m.source.a").values
        store.log_frame("p", "hand", "copy", pd.DataFrame({"b": values, "c": values + 1}))
        for path in partitions(tmp_path / "store"):
            for location in scan_partition(path.read_bytes()):
                flip(path, location.offset + location.size // 2)
        report = store.check(read_data=True)
    found = {problem.what.split("belongs to ")[1]: problem for problem in report.problems}
    assert {problem.kind for problem in report.problems} == {"damaged chunk"}
    shared = found["p.m@1.source (a), can be re-run; p.hand@1.copy (b), cannot be re-run"]
    assert "can be re-run" in shared.remedy
    assert found["p.m@1.parts_train (a), can be re-run"].remedy.startswith("ask for it with strategy='rerun'")
    assert "pipeline" in found["p.hand@1.copy (c), cannot be re-run"].remedy
    assert any(
        re.match(r"p.m@1.source \(its row ids\), can be re-run; p.hand@1.copy \(its row ids\)", key) for key in found
    )
    with Mistique.open(tmp_path / "store") as store:
        assert np.array_equal(store.get_intermediates("p.m.source.a", strategy="rerun").values, values)
        with pytest.raises(CorruptPartitionError):
            store.get_intermediates("p.hand.copy.c")


def test_a_missing_and_a_truncated_file(catalogue_url: str, tmp_path: Path) -> None:
    location = tmp_path / "store"
    with Mistique.open(location, catalogue_url) as store:
        store.log_frame("p", "gone", "x", frame(0))
        (gone,) = partitions(location)
        store.log_frame("p", "cut", "x", frame(1) if len(frame(1)) else frame(0))
        (cut,) = set(partitions(location)) - {gone}
        gone.unlink()
        cut.write_bytes(cut.read_bytes()[:-10])
        kinds = {problem.kind: problem.what for problem in store.check().problems}
        assert sorted(kinds) == ["missing file", "wrong size"]
        assert gone.name in kinds["missing file"]
        assert cut.name in kinds["wrong size"]
        found = [problem.what for problem in store.check(read_data=True).problems]
        assert any("p.gone@1.x" in what and gone.name in what for what in found)
        gone_chunks = next(what for what in found if "p.gone@1.x" in what)
        assert "missing with its" in gone_chunks


def test_parts_cover_every_partition_exactly_once(tmp_path: Path) -> None:
    with Mistique.open(tmp_path, block_rows=50, partition_bytes=500) as store:
        store.log_frame("p", "m", "x", frame(0, 2000))
        stats = store.stats()
        assert stats.partitions > 20
        reports = [store.check(subset=f"{part}/5") for part in range(1, 6)]
        assert sum(report.covered for report in reports) == stats.partitions
        assert sum(report.covered_bytes for report in reports) == stats.partition_bytes
        assert all(report.covered for report in reports)
        share = store.check(subset="10%")
        assert 0.1 * stats.partition_bytes <= share.covered_bytes < 0.3 * stats.partition_bytes
        assert store.check(subset="100%").covered == stats.partitions
        for path in partitions(tmp_path):
            flip(path, path.stat().st_size // 2)
        everything = [problem.what for problem in store.check(read_data=True).problems]
        parts = [problem.what for part in range(1, 6) for problem in store.check(subset=f"{part}/5").problems]
        assert sorted(parts) == sorted(everything)
        for wrong in ("0/5", "6/5", "1/0", "x", "0%", "101%", "", "1/5%"):
            with pytest.raises(InvalidInputError, match="subset"):
                store.check(subset=wrong)


def test_a_subset_depends_on_names_only() -> None:
    """A file that comes or goes does not move others to another part."""
    names = [f"{bytes_hash(bytes([number])).hex()}.h5" for number in range(200)]
    all_parts = {part: choose_subset(dict.fromkeys(names, 1), f"{part}/7") for part in range(1, 8)}
    fewer = {part: choose_subset(dict.fromkeys(names[:90], 1), f"{part}/7") for part in range(1, 8)}
    assert sorted(name for part in all_parts.values() for name in part) == sorted(names)
    for part, chosen in fewer.items():
        assert chosen == [name for name in all_parts[part] if name in names[:90]]


def test_a_check_with_a_time_limit_goes_on_where_it_stopped(catalogue_url: str, tmp_path: Path) -> None:
    """Each run reads at least one partition; together they come round."""
    location = tmp_path / "store"
    with Mistique.open(location, catalogue_url, block_rows=50, partition_bytes=500) as store:
        store.log_frame("p", "m", "x", frame(0))
        count = store.stats().partitions
        assert count > 3
        for path in partitions(location):
            flip(path, path.stat().st_size // 2)
        everything = {problem.what for problem in store.check(read_data=True).problems}
    found = []
    for _ in range(count):
        with Mistique.open(location, catalogue_url) as store:
            report = store.check(max_seconds=0)
            assert (report.covered, report.is_complete) == (1, False)
            found += [problem.what for problem in report.problems]
    assert set(found) == everything
    assert len(found) == len(everything)
    with Mistique.open(location, catalogue_url) as store:
        assert store.check(max_seconds=1000).is_complete
        with pytest.raises(InvalidInputError, match="max_seconds"):
            store.check(max_seconds=-1)


@pytest.mark.usefixtures("exact_dedup")
def test_object_storage(s3_location: str, tmp_path: Path) -> None:
    """Delete, collect and check do the same there."""
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    with Mistique.open(s3_location, url) as store:
        for seed in range(2):
            store.log_frame("p", f"m{seed}", "x", frame(seed))
        files = {file.name for file in store.backend.files()}
        store.delete("p", "m1")
        assert store.gc().deleted_files == ()
        assert store.check(read_data=True).is_clean
        (deleted,) = store.gc(grace_seconds=0).deleted_files
        (kept,) = files - {deleted}
        assert [file.name for file in store.backend.files()] == [kept]
        report = store.check(read_data=True)
        assert (report.is_clean, report.covered) == (True, 1)
        pd.testing.assert_frame_equal(store.get_intermediates("p.m0.x").frame, frame(0))
        store.backend.delete(kept)
        assert {problem.kind for problem in store.check().problems} == {"missing file"}
