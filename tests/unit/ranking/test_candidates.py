"""Rankings by bounds against sorting the values themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mistique_core.errors import RerunMismatchError
from mistique_core.ranking import refine

Numbers = NDArray[np.float64]


def by_sorting(values: Numbers, ids: NDArray[np.int64], k: int) -> list[int]:
    pairs = sorted(
        (value, int(row)) for value, row in zip(values.tolist(), ids.tolist(), strict=True) if value == value
    )
    return [row for _, row in pairs[:k]]


@st.composite
def bounded_rows(draw: st.DrawFn) -> tuple[Numbers, Numbers, Numbers, NDArray[np.int64]]:
    """Return values with ties and NaN, their bounds, of which some are closed or open, and row ids in any order."""
    rows = draw(st.integers(0, 60))
    values = np.array(draw(st.lists(st.integers(-6, 6), min_size=rows, max_size=rows)), float)
    below, above = (
        np.array(draw(st.lists(st.sampled_from([0.0, 0.5, 3.0, np.inf]), min_size=rows, max_size=rows))) for _ in "lh"
    )
    missing = np.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), bool) & draw(st.booleans())
    values[missing] = np.nan
    ids = np.array(draw(st.permutations(range(0, 3 * rows, 3))), np.int64)
    return values, values - below, values + above, ids


@given(bounded_rows(), st.integers(1, 70))
def test_any_bounds_give_what_sorting_gives(rows: tuple[Numbers, Numbers, Numbers, NDArray[np.int64]], k: int) -> None:
    values, low, high, ids = rows
    asked: list[int] = []

    def exact(positions: NDArray[np.intp]) -> Numbers:
        asked.extend(positions.tolist())
        return values[positions]

    found = refine(low, high, ids, k, exact)
    assert ids[found.positions].tolist() == by_sorting(values, ids, k)
    np.testing.assert_array_equal(found.values, values[found.positions])
    assert asked == found.looked_at.tolist()
    assert len(set(asked)) == len(asked)
    assert not (low == high)[found.looked_at].any(), "what is known is not asked for"
    assert not np.isnan(values[found.looked_at]).any()


def test_no_row_is_looked_at_that_could_not_matter() -> None:
    """Beyond those whose lower bound the k-th value reaches, only the rest of a batch."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=20_000)
    error = rng.uniform(0, 0.2, 20_000)
    low, high = values - error, values + rng.uniform(0, 0.2, 20_000)
    found = refine(low, high, np.arange(20_000), 50, lambda positions: values[positions])
    kth = np.partition(values, 49)[49]
    needed = int((low <= kth).sum())
    assert needed <= len(found.looked_at) <= needed + 64
    assert len(found.looked_at) < np.count_nonzero(low <= np.partition(high, 49)[49]), "both bounds alone leave more"


def test_values_that_come_out_a_little_otherwise_are_taken_and_others_are_an_error() -> None:
    low, high, ids = np.array([1.0, 1.0, 4.0]), np.array([2.0, 2.0, 5.0]), np.array([30, 20, 10])
    rounded = np.array([2.0 + 1e-6, 1.5, 4.0])
    found = refine(low, high, ids, 2, lambda positions: rounded[positions], slack=1e-5)
    assert ids[found.positions].tolist() == [20, 30]
    with pytest.raises(RerunMismatchError, match=r"row 30 .* strategy='rerun'"):
        refine(low, high, ids, 2, lambda positions: rounded[positions], slack=1e-7)
    with pytest.raises(RerunMismatchError, match="row 30"):
        refine(low, high, ids, 2, lambda positions: np.full(len(positions), np.nan), slack=1.0)


def test_slack_brings_rows_in_that_rounding_could_have_moved() -> None:
    values = np.array([1.0, 2.0, 2.0 + 1e-9, 3.0])
    low, high = values.copy(), values + np.array([0.0, 0.5, 0.5, 0.0])
    low[2] += 1e-9
    found = refine(low, high, np.arange(4), 2, lambda positions: values[positions], slack=1e-6)
    assert 2 in found.looked_at
