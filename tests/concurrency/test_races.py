"""Whatever another process does in between, at every seam of an operation: no value is lost or wrong."""

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.open_writes import open_writes
from mistique_core.catalogue.tables import chunk, column_version, deleted_partition, intermediate_use, partition
from mistique_core.errors import StorageError
from mistique_core.maintenance import collect_garbage, compact
from mistique_core.testing.faults import FaultyBackend
from tests.concurrency.seams import STUCK_SECONDS, Seams
from tests.sweeps import tried_points

GRACE = 500.0
Act = Callable[[Mistique, int], object]


def frame(seed: int, *, more: bool = False, similar: bool = False) -> pd.DataFrame:
    """Return a frame of its own for each seed; `similar` changes few of its values, `more` adds a column."""
    random = np.random.default_rng(seed)
    values = random.normal(size=3000)
    if similar:
        values[random.integers(0, 3000, 60)] = 0.25
    town = pd.Categorical.from_codes(random.integers(0, 2, 3000), ["Ghent", f"Bruges {seed}"])
    data = pd.DataFrame({"own": values, "town": town}).rename_axis("row_id")
    return data.assign(more=random.integers(0, 99, 3000)) if more else data


def expire(store: Mistique) -> None:
    """Collect rows a while ago, and their files now."""
    now = time.time()
    collect_garbage(store.catalogue, store.backend, now=now - 2 * GRACE, grace_seconds=GRACE)
    collect_garbage(store.catalogue, store.backend, now=now, grace_seconds=GRACE)


def delete_and_expire(model: str) -> Act:
    def act(store: Mistique, k: int) -> None:
        store.delete("p", f"{model}{k}")
        expire(store)

    return act


def log(model: str, **options: bool) -> Act:
    return lambda store, k: store.log_frame("p", f"{model}{k}", "x", frame(k, **options))


def read(model: str, **options: bool) -> Act:
    def act(store: Mistique, k: int) -> None:
        answer = store.get_intermediates(f"p.{model}{k}.x", strategy="read").frame
        assert answer.equals(frame(k, **options))

    return act


def nothing(_store: Mistique, _k: int) -> None:
    """Nothing to prepare."""


def at_every_seam(
    location: Path, url: str, *, prepare: Act, operate: Act, interfere: Act, verify: Act, statements: bool = False
) -> int:
    """Let one store operate and another one interfere at each seam in turn; return the number of seams."""
    with Mistique.open(location, url) as other:
        for k in tried_points():
            prepare(other, k)
            with Mistique.open(location, url) as mine:
                seams = Seams(mine, k, lambda: interfere(other, k), statements=statements)  # noqa: B023 (ends below)
                try:
                    operate(mine, k)
                except BaseException as error:
                    raise AssertionError(f"failed with seam {k} of {seams.passed}") from error
                if not seams.is_reached:
                    break
                seams.finish()
            verify(other, k)
            check_everything(other)
            with other.catalogue.read() as connection:
                assert open_writes(connection) == [], seams.passed[:k]
            empty(other)
    return k - 1


def empty(store: Mistique) -> None:
    """Delete everything, and see that nothing is left of it."""
    store.delete("p")
    collect_garbage(store.catalogue, store.backend, now=time.time() + GRACE, grace_seconds=0)
    assert list(store.backend.files()) == []
    with store.catalogue.read() as connection:
        for table in (partition, chunk, column_version, deleted_partition):
            assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_what_a_writer_found_stored_is_deleted(catalogue_url: str, memory_path: Path) -> None:
    """Its frame is stored already: nothing is to be written, until it is."""
    seams = at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=log("old"),
        operate=log("new"),
        interfere=delete_and_expire("old"),
        verify=read("new"),
    )
    assert seams >= 5


def test_a_part_of_what_a_writer_found_stored_is_deleted(catalogue_url: str, memory_path: Path) -> None:
    seams = at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=log("old"),
        operate=log("new", more=True),
        interfere=delete_and_expire("old"),
        verify=read("new", more=True),
    )
    assert seams >= 8


def test_the_base_of_a_difference_is_deleted(catalogue_url: str, memory_path: Path) -> None:
    """A new chunk is encoded against one that goes away before it is registered."""
    differences = []

    def verify(store: Mistique, k: int) -> None:
        read("new", similar=True)(store, k)
        with store.catalogue.read() as connection:
            differences.append(connection.scalar(sa.select(sa.func.count(chunk.c.base_id))))

    at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=log("old"),
        operate=log("new", similar=True),
        interfere=delete_and_expire("old"),
        verify=verify,
    )
    assert max(differences) > 0


def test_two_writers_of_the_same_new_content(catalogue_url: str, memory_path: Path) -> None:
    """Both succeed, and one copy is referenced."""

    def verify(store: Mistique, k: int) -> None:
        for model in ("one", "two"):
            read(model)(store, k)
        assert store.intermediates()["stored_bytes"].sum() == store.stats().chunk_bytes

    at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=nothing,
        operate=log("one"),
        interfere=log("two"),
        verify=verify,
        statements="postgresql" in catalogue_url,
    )


def test_a_file_that_waits_to_be_deleted_is_used_again(catalogue_url: str, memory_path: Path) -> None:
    """The file has no row any more; a writer takes it up while a collection deletes it."""

    def prepare(store: Mistique, k: int) -> None:
        log("old")(store, k)
        store.delete("p", f"old{k}")
        collect_garbage(store.catalogue, store.backend, now=time.time() - 2 * GRACE, grace_seconds=GRACE)

    at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=prepare,
        operate=log("new"),
        interfere=lambda store, _: store.gc(grace_seconds=GRACE),
        verify=read("new"),
    )


def test_content_comes_again_during_a_collection(catalogue_url: str, memory_path: Path) -> None:
    """A collection is about to remove rows and files that a writer then needs."""

    def prepare(store: Mistique, k: int) -> None:
        log("old")(store, k)
        store.delete("p", f"old{k}")
        if k % 2:
            collect_garbage(store.catalogue, store.backend, now=time.time() - 2 * GRACE, grace_seconds=GRACE)

    at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=prepare,
        operate=lambda store, _: expire(store),
        interfere=log("new"),
        verify=read("new"),
    )


def test_a_collection_during_a_write(catalogue_url: str, memory_path: Path) -> None:
    """Files that no row refers to yet are no garbage."""
    at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=nothing,
        operate=log("new", more=True),
        interfere=lambda store, _: expire(store),
        verify=read("new", more=True),
    )


def test_a_frame_that_shares_columns_comes_during_a_deletion(catalogue_url: str, memory_path: Path) -> None:
    at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=log("old"),
        operate=delete_and_expire("old"),
        interfere=log("new", more=True),
        verify=read("new", more=True),
    )


def expire_but_forget(store: Mistique) -> None:
    """Delete the only file that is garbage, and fail to record that it is gone."""
    now = time.time()
    collect_garbage(store.catalogue, store.backend, now=now - 2 * GRACE, grace_seconds=GRACE)
    failing = FaultyBackend(store.backend)
    failing.delete = FaultyBackend(store.backend, fail_at=1, when="after").delete  # type: ignore[method-assign]
    with pytest.raises(StorageError):
        collect_garbage(store.catalogue, failing, now=now, grace_seconds=GRACE)
    assert list(store.backend.files()) == []


def test_a_compaction_writes_such_a_file_again(memory_path: Path) -> None:
    """SQLite gives the ids of removed rows to new ones, so that the merged file is the same as before."""
    written: list[str] = []

    def log_two(store: Mistique, k: int) -> None:
        log("one")(store, k)
        log("two", more=True)(store, k + 1000)

    def prepare(store: Mistique, k: int) -> None:
        log_two(store, k)
        written[:] = compact(store.catalogue, store.backend, store.config).written
        empty(store)
        log_two(store, k)
        with store.catalogue.write() as connection:
            gone = {"name": written[0], "bytes": 1, "deleted_at": time.time() - 2 * GRACE}
            connection.execute(sa.insert(deleted_partition).values(**gone))

    def operate(store: Mistique, _k: int) -> None:
        assert list(compact(store.catalogue, store.backend, store.config).written) == written

    def verify(store: Mistique, k: int) -> None:
        read("one")(store, k)
        read("two", more=True)(store, k + 1000)

    at_every_seam(
        memory_path / "store",
        f"sqlite:///{memory_path}/catalogue.db",
        prepare=prepare,
        operate=operate,
        interfere=lambda store, _: store.gc(grace_seconds=GRACE),
        verify=verify,
    )


def test_a_file_written_again_while_its_removal_is_remembered(catalogue_url: str, memory_path: Path) -> None:
    """A collection deleted the file and failed to say so: the next one takes the new file for the old."""

    def prepare(store: Mistique, k: int) -> None:
        log("old")(store, k)
        store.delete("p", f"old{k}")
        expire_but_forget(store)

    at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=prepare,
        operate=log("new"),
        interfere=lambda store, _: store.gc(grace_seconds=GRACE),
        verify=read("new"),
    )


def test_another_writer_comes_first_with_the_rest(catalogue_url: str, memory_path: Path) -> None:
    """The second try of an overtaken write finds everything stored: its announcement is taken back all the same."""
    location = memory_path / "store"
    with Mistique.open(location, catalogue_url) as mine, Mistique.open(location, catalogue_url) as other:
        log("old")(other, 1)
        overtaken = Seams(mine, 7, lambda: delete_and_expire("old")(other, 1))
        overtaking = Seams(mine, 9, lambda: log("third", more=True)(other, 1))
        log("new", more=True)(mine, 1)
        overtaken.finish()
        overtaking.finish()
        assert overtaken.passed[5:9] == ["put_if_absent", "begin", "size", "begin"]
        assert mine.intermediates("p", "new1")["stored_bytes"].tolist() == [0]
        read("new", more=True)(other, 1)
        with other.catalogue.read() as connection:
            assert open_writes(connection) == []


def test_the_same_content_in_opposite_order(catalogue_url: str, memory_path: Path) -> None:
    """Two transactions that insert the same rows in different order do not wait for each other."""
    location = memory_path / "store"
    rounds, frames = 12, 6
    meet = threading.Barrier(2)
    problems: list[BaseException] = []

    def work(name: str, step: int) -> None:
        try:
            with Mistique.open(location, catalogue_url, partition_bytes=1) as store:
                for number in range(rounds):
                    with store.run("p", f"{name}{number}") as run, store.session() as session:
                        for item in range(frames)[::step]:
                            session.log_frame(run, f"x{item}", frame(frames * number + item).iloc[:50])
                        meet.wait(STUCK_SECONDS)
        except BaseException as error:
            problems.append(error)
            meet.abort()

    Mistique.open(location, catalogue_url).close()
    threads = [threading.Thread(target=work, args=args) for args in (("up", 1), ("down", -1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with Mistique.open(location, catalogue_url) as store:
        assert store.check(read_data=True).is_clean
        assert len(store.intermediates()) == 2 * rounds * frames
        empty(store)


def log_parts(store: Mistique, k: int) -> None:
    """Fill three small partitions, one of them with a difference, and delete what one of them holds."""
    log("base")(store, k)
    log("old", similar=True)(store, k)
    log("gone", more=True)(store, k + 1000)
    store.delete("p", f"gone{k + 1000}")


def compact_parts(store: Mistique, _k: int = 0) -> None:
    """Merge partitions, as of a while ago."""
    report = compact(store.catalogue, store.backend, store.config, now=time.time() - 2 * GRACE)
    assert report.problems == ()


def compact_and_expire(store: Mistique, _k: int = 0) -> None:
    """Merge partitions, and delete the old files."""
    compact_parts(store)
    expire(store)


def read_parts(store: Mistique, k: int) -> None:
    read("base")(store, k)
    read("old", similar=True)(store, k)


def test_chunks_move_while_they_are_read(catalogue_url: str, memory_path: Path) -> None:
    """A reader knows where its chunks were; they lie elsewhere now, and the old files are gone."""
    at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=log_parts,
        operate=read_parts,
        interfere=compact_and_expire,
        verify=read_parts,
    )


def test_chunks_move_while_they_are_written_again(catalogue_url: str, memory_path: Path) -> None:
    """A writer has found some of its chunks, and the base of another, where they no longer are."""

    def verify(store: Mistique, k: int) -> None:
        read_parts(store, k)
        read("new", more=True, similar=True)(store, k)

    at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=log_parts,
        operate=log("new", more=True, similar=True),
        interfere=compact_and_expire,
        verify=verify,
    )


def interfere_with_parts(store: Mistique, k: int) -> None:
    """Delete the base, take up what was deleted again, log more of the same, and compact."""
    store.delete("p", f"base{k}")
    log("again", more=True)(store, k + 1000)
    log("new")(store, k)
    compact_and_expire(store)


def read_what_stayed(store: Mistique, k: int) -> None:
    read("old", similar=True)(store, k)
    read("again", more=True)(store, k + 1000)
    read("new")(store, k)


def test_everything_changes_during_a_compaction(catalogue_url: str, memory_path: Path) -> None:
    at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=log_parts,
        operate=compact_parts,
        interfere=interfere_with_parts,
        verify=read_what_stayed,
    )


def test_everything_changes_during_a_rebuild(catalogue_url: str, memory_path: Path) -> None:
    at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=log_parts,
        operate=lambda store, _: store.rebuild(),
        interfere=interfere_with_parts,
        verify=read_what_stayed,
    )


def check_everything(store: Mistique, _k: int = 0) -> None:
    report = store.check(read_data=True)
    assert report.is_clean, report.problems


def test_everything_changes_during_a_check(catalogue_url: str, memory_path: Path) -> None:
    at_every_seam(
        memory_path / "store",
        catalogue_url,
        prepare=log_parts,
        operate=check_everything,
        interfere=interfere_with_parts,
        verify=read_what_stayed,
    )


def test_what_was_read_is_deleted_before_that_is_counted(
    catalogue_url: str, memory_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that is closed saves how often each intermediate was asked for."""
    location = memory_path / "store"
    with Mistique.open(location, catalogue_url) as other:
        for k in itertools.count(1):
            log("old")(other, k)
            log("kept", similar=True)(other, k)
            with Mistique.open(location, catalogue_url) as mine:
                read("old")(mine, k)
                read("kept", similar=True)(mine, k)
                seams = Seams(mine, k, lambda: other.delete("p", f"old{k}"), statements=True)  # noqa: B023 (ends below)
                mine.close()
            if not seams.is_reached:
                break
            seams.finish()
            with other.catalogue.read() as connection:
                assert connection.scalar(sa.select(sa.func.sum(intermediate_use.c.n_query))) == k
    assert [record.message for record in caplog.records if "could not save" in record.message] == []
    assert k > 4


@pytest.mark.parametrize("work", [compact_parts, check_everything])
def test_everything_is_deleted_during_maintenance(work: Act, catalogue_url: str, memory_path: Path) -> None:
    """A difference and its base are gone when they are looked at: no damage."""

    def prepare(store: Mistique, k: int) -> None:
        log_parts(store, k)
        log("kept")(store, k + 2000)

    def interfere(store: Mistique, k: int) -> None:
        for model in ("base", "old"):
            store.delete("p", f"{model}{k}")
        expire(store)

    def verify(store: Mistique, k: int) -> None:
        read("kept")(store, k + 2000)

    at_every_seam(
        memory_path / "store", catalogue_url, prepare=prepare, operate=work, interfere=interfere, verify=verify
    )
