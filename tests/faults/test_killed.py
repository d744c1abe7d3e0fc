"""``kill -9`` at every write, rename, deletion and commit: what was committed is there, and the next one goes on."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.nursery import Nursery, nursery
from tests.faults.soundness import assert_right, assert_sound, assert_tidy
from tests.faults.works import WORKS, Work, open_store
from tests.sweeps import tried_points

READ_DATA_EVERY = 5
REPEAT_EVERY = 4
FEWEST_POINTS = {"open": 15, "log": 30, "session": 30, "delete": 2, "gc": 4, "compact": 10, "rebuild": 2}


@pytest.fixture(scope="module")
def killer() -> Iterator[Nursery]:
    with nursery() as process:
        yield process


@pytest.mark.parametrize("name", WORKS)
def test_killed_at_the_kth_point(
    name: str, killer: Nursery, start_of: Callable[[Work], Path], memory_path: Path
) -> None:
    work = WORKS[name]
    for k in tried_points():
        location = memory_path / str(k)
        shutil.copytree(start_of(work), location)
        if not killer.is_killed(k, name, location):
            break
        try:
            if work.is_damaged:
                with open_store(location) as store:
                    assert_right(store, may_fail=True)
            else:
                assert_sound(location, work.before, read_data=k % READ_DATA_EVERY == 0)
            if k % REPEAT_EVERY == 0:
                work.run(location)
                assert_tidy(location, work.after)
        except Exception as problem:
            raise AssertionError(f"{name}: killed at point {k}") from problem
        shutil.rmtree(location)
    assert_sound(location, work.after, read_data=True)
    assert k > FEWEST_POINTS[name]
