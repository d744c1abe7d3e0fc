"""The measured read rate follows this host, and no single measurement moves it far."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mistique_core.cost import ReadRate, read_seconds, update_rate

RATES = st.builds(ReadRate, st.floats(1e3, 1e10), st.floats(1e-6, 1e-1), st.integers(0, 50))


@given(RATES, st.integers(1, 10**9), st.integers(1, 1000), st.floats(1e-9, 1e6))
def test_one_outlier_moves_it_by_a_bounded_factor(rate: ReadRate, stored: int, chunks: int, seconds: float) -> None:
    """A cold disk or a busy machine changes an estimate by no more than the cap, in its own direction."""
    after = update_rate(rate, stored, chunks, seconds)
    before, now = read_seconds(stored, chunks, rate), read_seconds(stored, chunks, after)
    assert 1 / 2.01 <= now / before <= 2.01
    assert (now - before) * (seconds - before) >= 0 or now == pytest.approx(before)
    assert after.samples == rate.samples + 1


@given(RATES, st.floats(0.1, 10.0))
def test_it_converges(rate: ReadRate, factor: float) -> None:
    """Repeated honest measurements bring the prediction to what is measured."""
    stored, chunks = 10**6, 10
    truth = read_seconds(stored, chunks, rate) * factor
    for _ in range(80):
        rate = update_rate(rate, stored, chunks, truth)
    assert read_seconds(stored, chunks, rate) == pytest.approx(truth, rel=0.05)


@pytest.mark.parametrize(("chunks", "seconds"), [(0, 1.0), (1, 0.0), (1, -1.0)])
def test_an_empty_measurement_changes_nothing(chunks: int, seconds: float) -> None:
    """A query answered from the cache tells nothing about the disk."""
    rate = ReadRate(1e6, 1e-3, 4)
    assert update_rate(rate, 0, chunks, seconds) == rate
