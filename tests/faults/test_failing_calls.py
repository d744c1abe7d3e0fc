"""The k-th call fails, for k = 1, 2, 3, ... until none does: nothing is lost or wrong, and repeating succeeds."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from mistique_core.engine import chunk_reader, native_chunk, point_reader
from mistique_core.errors import MistiqueError, StorageError
from mistique_core.testing.faults import FaultyBackend
from tests.faults.injection import (
    LOOKS,
    Points,
    commits,
    database_error,
    short_writes,
    statements,
    storage_calls,
    system_calls,
    system_error,
)
from tests.faults.soundness import assert_right, assert_sound, assert_tidy
from tests.faults.works import WORKS, Work, open_store
from tests.sweeps import tried_points

READ_DATA_EVERY = 5
REPEAT_EVERY = 4
MOST_CALLS = 1000
Fault = Callable[[int, Path], AbstractContextManager[Callable[[], str | None]]]
"""Lets the k-th call fail; yields a function that returns its name once it has failed."""


@contextmanager
def with_points(points: Points, injected: AbstractContextManager[None]) -> Iterator[Callable[[], str | None]]:
    with injected:
        yield lambda: points.name if points.is_reached else None


def full_disk(k: int, folder: Path) -> AbstractContextManager[Callable[[], str | None]]:
    points = Points(k, system_error(errno.ENOSPC))
    return with_points(points, system_calls(points, folder))


def broken_disk(k: int, folder: Path) -> AbstractContextManager[Callable[[], str | None]]:
    points = Points(k, system_error(errno.EIO))
    return with_points(points, system_calls(points, folder, after=True))


@contextmanager
def unreadable_disk(k: int, folder: Path) -> Iterator[Callable[[], str | None]]:
    points = Points(k, system_error(errno.EIO))
    with ExitStack() as patched:
        for module in (chunk_reader, native_chunk, point_reader):  # compiled code reads files by calls of its own
            patched.enter_context(patch.object(module, "page_kernels", None))
        yield patched.enter_context(with_points(points, system_calls(points, folder, LOOKS)))


def short_write(k: int, _folder: Path) -> AbstractContextManager[Callable[[], str | None]]:
    points = Points(k, lambda: None)
    return with_points(points, short_writes(points))


def failing_statement(k: int, _folder: Path) -> AbstractContextManager[Callable[[], str | None]]:
    points = Points(k, database_error("database or disk is full"))
    return with_points(points, statements(points))


def failing_commit(k: int, _folder: Path) -> AbstractContextManager[Callable[[], str | None]]:
    points = Points(k, database_error("disk I/O error"))
    return with_points(points, commits(points))


def lost_commit(k: int, _folder: Path) -> AbstractContextManager[Callable[[], str | None]]:
    points = Points(k, database_error("disk I/O error"))
    return with_points(points, commits(points, before=False, after=True))


@contextmanager
def failing_storage(k: int, _folder: Path) -> Iterator[Callable[[], str | None]]:
    faulty: list[FaultyBackend] = []
    full = StorageError("cannot write: No space left on device; make room and repeat")
    with storage_calls(faulty, fail_at=k, error=full):
        yield lambda: next((item.failed[0] for item in faulty if item.failed), None)


@contextmanager
def lost_answer(k: int, _folder: Path) -> Iterator[Callable[[], str | None]]:
    faulty: list[FaultyBackend] = []
    with storage_calls(faulty, fail_at=k, when="after"):
        yield lambda: next((item.failed[0] for item in faulty if item.failed), None)


FAULTS: dict[str, Fault] = {
    "storage": failing_storage,
    "answer": lost_answer,
    "ENOSPC": full_disk,
    "EIO": broken_disk,
    "reading": unreadable_disk,
    "short": short_write,
    "statement": failing_statement,
    "commit": failing_commit,
    "committed": lost_commit,
}


@pytest.mark.parametrize("name", WORKS)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_kth_call_fails(fault: str, name: str, start_of: Callable[[Work], Path], memory_path: Path) -> None:
    work = WORKS[name]
    start = start_of(work)
    for k in tried_points():
        location = memory_path / str(k)
        shutil.copytree(start, location)
        error = None
        with FAULTS[fault](k, location) as failed:
            try:
                work.run(location)
            except MistiqueError as caught:
                error = caught
            what = failed()
        assert error is None or "\n" not in str(error)
        if what is None:
            assert error is None
            break
        where = f"{name}: call {k} ({what}) failed with {error}"
        try:
            if error is not None and work.is_damaged:
                with open_store(location) as store:
                    assert_right(store, may_fail=True)
            else:
                done = work.before if error is not None else work.after
                assert_sound(location, done, read_data=k % READ_DATA_EVERY == 0)
            if k % REPEAT_EVERY == 0:
                work.run(location)
                assert_tidy(location, work.after)
        except Exception as problem:
            raise AssertionError(where) from problem
        shutil.rmtree(location)
        assert k < MOST_CALLS
    assert_sound(location, work.after, read_data=True)
