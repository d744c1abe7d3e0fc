"""The formulas of thesis section 5.5."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mistique_core.cost import ReadRate, StageCost, gamma, read_seconds, rerun_seconds

SECONDS = st.floats(0, 1e6)


@given(st.integers(0, 10**12), st.integers(0, 10**6), st.floats(1, 1e10), st.floats(0, 1))
def test_reading_costs_its_bytes_and_its_chunks(stored: int, chunks: int, speed: float, each: float) -> None:
    """Eq. 5.4 with the seek apart."""
    expected = stored / speed + chunks * each
    assert read_seconds(stored, chunks, ReadRate(speed, each)) == pytest.approx(expected)


@given(SECONDS, SECONDS, SECONDS)
def test_rerunning_adds_its_three_terms(transformer: float, execute: float, load: float) -> None:
    """Eq. 5.2."""
    assert rerun_seconds(StageCost(transformer, execute, 1), load) == pytest.approx(transformer + execute + load)


@given(SECONDS, SECONDS, st.integers(0, 1000), st.integers(1, 10**12))
def test_gamma_is_seconds_saved_a_gigabyte(rerun: float, read: float, queries: int, stored: int) -> None:
    """Eq. 5.5, in decimal gigabytes; negative where reading is slower."""
    assert gamma(rerun, read, queries, stored) == pytest.approx((rerun - read) * queries / stored * 1e9)


def test_what_costs_no_bytes_is_worth_storing_only_if_it_helps() -> None:
    """A fully deduplicated intermediate."""
    assert gamma(2.0, 1.0, 1, 0) == math.inf
    assert gamma(1.0, 2.0, 1, 0) == 0.0
    assert gamma(2.0, 1.0, 0, 0) == 0.0
