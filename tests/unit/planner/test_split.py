"""Row blocks are divided where several workers are done sooner than one process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mistique_core.errors import InvalidInputError
from mistique_core.planner import SplitCosts, split_rerun

LONG = SplitCosts(rerun_seconds=600.0, load_seconds=2.0, worker_seconds=15.0, store_seconds=4.0, read_seconds=1.0)


def test_a_long_re_run_is_divided_evenly() -> None:
    split = split_rerun(10, 2, LONG)
    assert split.ranges == (range(5), range(5, 10))
    assert split.alone_seconds == 602.0
    assert split.split_seconds == 15.0 + 2.0 + 1.0 + 302.0
    assert split.pays
    assert "2 workers are estimated at 320 s and one process at 602 s" in split.reason


def test_no_more_workers_than_help() -> None:
    assert split_rerun(5, 4, LONG).ranges == (range(1), range(1, 3), range(3, 5))
    assert [len(item) for item in split_rerun(3, 64, LONG).ranges] == [1, 1, 1]


@pytest.mark.parametrize(
    ("blocks", "workers", "costs"),
    [
        (10, 2, SplitCosts(rerun_seconds=30.0, worker_seconds=15.0)),  # the same, so that one process is simpler
        (10, 2, SplitCosts(rerun_seconds=40.0, load_seconds=9.0, worker_seconds=15.0, read_seconds=8.0)),
        (10, 2, SplitCosts(rerun_seconds=40.0, worker_seconds=10.0, store_seconds=30.0)),
        (10, 1, LONG),
        (1, 8, LONG),
        (0, 8, LONG),
    ],
)
def test_what_does_not_pay_is_left_to_one_process(blocks: int, workers: int, costs: SplitCosts) -> None:
    split = split_rerun(blocks, workers, costs)
    assert split.ranges == ()
    assert not split.pays
    assert split.reason


def test_somebody_has_to_work() -> None:
    with pytest.raises(InvalidInputError, match="workers=0"):
        split_rerun(10, 0, LONG)


@given(st.integers(0, 200), st.integers(1, 70), st.floats(0, 1e6), st.floats(0, 60))
def test_ranges_hold_every_row_block_once(blocks: int, workers: int, rerun: float, fixed: float) -> None:
    split = split_rerun(blocks, workers, SplitCosts(rerun, worker_seconds=fixed))
    assert len(split.ranges) <= workers
    if split.pays:
        assert [block for item in split.ranges for block in item] == list(range(blocks))
        assert max(map(len, split.ranges)) == -(-blocks // workers)
        assert split.split_seconds < split.alone_seconds
