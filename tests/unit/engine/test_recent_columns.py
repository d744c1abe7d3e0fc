"""What is kept in memory is what was put there, or it is not given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.engine.recent_columns import RecentColumns


def column(seed: int, rows: int = 100) -> pd.Series:
    return pd.Series(np.random.default_rng(seed).standard_normal(rows), name="x")


def test_a_column_comes_back_equal_and_as_a_copy_of_its_own() -> None:
    kept = RecentColumns(10_000)
    kept.put(b"a", column(1))
    first = kept.get(b"a")
    assert first is not None
    first.iloc[0] = 99.0
    second = kept.get(b"a")
    pd.testing.assert_series_equal(second, column(1))


def test_a_column_that_was_written_into_is_not_given() -> None:
    """Whoever holds the array can write into it behind pandas' back."""
    values = np.arange(50, dtype="f8")
    kept = RecentColumns(10_000)
    kept.put(b"a", pd.Series(values, copy=False))
    assert kept.get(b"a") is not None
    values[7] = -1
    assert kept.get(b"a") is None
    assert kept.get(b"a") is None


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(["a", "b"]),
        pd.Series(["a", None], dtype=object),
        pd.Series([1, None], dtype="Int64"),
        pd.Series(pd.Categorical(["a", "b"])),
        pd.Series([], dtype="f8"),
        pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}).T[0],
    ],
)
def test_what_is_no_plain_array_is_left_to_the_store(values: pd.Series) -> None:
    kept = RecentColumns(10_000)
    kept.put(b"a", values)
    found = kept.get(b"a")
    assert found is None or found.equals(values)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(1, 60)), max_size=40), st.integers(0, 2_000))
def test_the_limit_is_kept_and_the_least_used_go_first(steps: list[tuple[bool, int, int]], limit: int) -> None:
    kept = RecentColumns(limit)
    expected: dict[int, int] = {}
    for is_put, name, rows in steps:
        address = bytes([name])
        if is_put:
            kept.put(address, column(name, expected.get(name, rows)))
            if name in expected:
                expected[name] = expected.pop(name)
            elif limit and rows * 8 <= limit:
                expected[name] = rows
                while sum(expected.values()) * 8 > limit:
                    expected.pop(next(iter(expected)))
        else:
            assert (kept.get(address) is not None) == (name in expected)
            if name in expected:
                expected[name] = expected.pop(name)
