"""The memo of content addresses never gives an address that plain hashing would not."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.dedup import chunk_hash
from mistique_core.engine.address_memo import AddressMemo

VALUES = 5_000


@pytest.mark.parametrize("most", [0, 3, 100])
def test_changed_memory_is_noticed(most: int) -> None:
    """Whatever is written into an array between two looks, at any time, in any place."""
    memo = AddressMemo(most)
    array = np.arange(float(VALUES))
    for step in range(6):
        assert memo.address(array) == chunk_hash(array)
        array[step * 7 % VALUES] = -1.0 - step
        assert memo.address(array) == chunk_hash(array)
        assert memo.address(array) == chunk_hash(array)


def test_memory_that_is_used_again() -> None:
    """A new array at the place of one that is gone is another array."""
    memo = AddressMemo(1000)
    places = set()
    for seed in range(50):
        array = np.random.default_rng(seed).normal(size=VALUES)
        places.add(array.ctypes.data)
        assert memo.address(array) == memo.address(array) == chunk_hash(array)
        del array
    assert len(places) < 50


def test_views_of_one_memory_differ() -> None:
    """The same bytes as another dtype or shape have another address."""
    memo = AddressMemo(1000)
    array = np.zeros(VALUES)
    views = [array, array.view("i8"), array.reshape(-1, 2), array[:-1], array[1:]]
    for _ in range(3):
        found = [memo.address(view) for view in views]
        assert found == [chunk_hash(view) for view in views]


def test_frames_that_share_memory_with_pandas() -> None:
    """Columns that pandas passes on, and writes into, by its own rules."""
    memo = AddressMemo(1000)
    frame = pd.DataFrame({"a": np.arange(float(VALUES)), "b": np.ones(VALUES)})
    for step in range(5):
        frame = frame.assign(c=step)
        frame.loc[step, "a"] = -5.0
        for name in ("a", "b"):
            values = np.ascontiguousarray(frame[name].to_numpy())
            assert memo.address(values) == chunk_hash(values)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, VALUES - 1), st.floats()), max_size=30))
def test_any_order_of_writes_and_looks(steps: list[tuple[int, int, float]]) -> None:
    """Three arrays, written and looked at in any order, with room for two."""
    memo = AddressMemo(2)
    arrays = [np.zeros(VALUES) for _ in range(3)]
    for which, position, value in steps:
        arrays[which][position] = value
        assert memo.address(arrays[which]) == chunk_hash(arrays[which])
