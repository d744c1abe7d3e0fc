"""Rates follow this host, queries tell their terms apart, and no single measurement moves an estimate far."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mistique_core.cost import HostRates, Rate, StageCost, StageMeasurement, learn, learn_stage, stage_seconds

TERMS = ("query", "chunk.kbit", "stored.kbit", "decoded.kbit")
RATES = st.builds(
    lambda values: HostRates({term: Rate(seconds, 3.0) for term, seconds in zip(TERMS, values, strict=True)}),
    st.lists(st.floats(1e-9, 1e-2), min_size=4, max_size=4),
)
WORK = st.builds(
    lambda values: dict(zip(TERMS, values, strict=True)), st.lists(st.floats(0, 1e6), min_size=4, max_size=4)
)


@given(RATES, WORK, st.floats(1e-9, 1e9))
def test_one_outlier_moves_an_estimate_by_a_bounded_factor(
    rates: HostRates, work: dict[str, float], took: float
) -> None:
    """A cold disk or a busy machine changes an estimate by at most twice, in its own direction."""
    before = rates.seconds(work)
    assume(before > 1e-9)
    after = rates.with_rates(learn(rates, work, took)).seconds(work)
    assert 1 / 2.01 <= after / before <= 2.01
    assert (after - before) * (took - before) >= 0 or after == pytest.approx(before)


def test_queries_of_different_kinds_tell_the_terms_apart() -> None:
    """Rates that are all wrong by factors of up to 20 become right, measured with 20 % of noise."""
    generator = np.random.default_rng(0)
    truth = HostRates({term: Rate(seconds) for term, seconds in zip(TERMS, (1e-3, 2e-4, 1e-8, 4e-9), strict=True)})
    rates = HostRates({term: Rate(seconds) for term, seconds in zip(TERMS, (2e-4, 1e-3, 2e-7, 1e-9), strict=True)})
    for _ in range(400):
        stored = 10 ** generator.uniform(2, 8)
        work = {"query": 1.0, "chunk.kbit": 1 + stored // 1e6, "stored.kbit": stored, "decoded.kbit": stored * 8}
        work["decoded.kbit"] = stored * generator.uniform(1, 20)
        rates = rates.with_rates(learn(rates, work, truth.seconds(work) * generator.lognormal(0, 0.2)))
    errors = []
    for _ in range(200):
        stored = 10 ** generator.uniform(2, 8)
        work = {"query": 1.0, "chunk.kbit": 1 + stored // 1e6, "stored.kbit": stored, "decoded.kbit": stored * 5}
        errors.append(abs(np.log2(rates.seconds(work) / truth.seconds(work))))
    assert np.quantile(errors, 0.9) < 0.6


@pytest.mark.parametrize("took", [0.0, -1.0, float("inf"), float("nan")])
def test_what_is_no_measurement_changes_nothing(took: float) -> None:
    rates = HostRates({"query": Rate(1.0)})
    assert learn(rates, {"query": 1.0}, took) == {}
    assert learn(rates, {"unknown": 1.0}, 1.0) == {}


def test_an_encoding_that_was_not_met_borrows_until_it_is_measured() -> None:
    """pool+kbit takes the rates of pool, and what is unknown those of plain numbers; learning makes them its own."""
    rates = HostRates({"decoded.plain": Rate(2.0), "decoded.pool": Rate(3.0, 9.0)})
    assert rates.seconds({"decoded.pool+kbit": 1.0}) == 3.0
    assert rates.seconds({"decoded.new": 1.0}) == 2.0
    changed = learn(rates, {"decoded.new": 1.0}, 4.0)
    assert list(changed) == ["decoded.new"]
    assert 2.0 < changed["decoded.new"].seconds <= 4.0


def test_a_stage_is_believed_as_recorded_until_it_is_measured_here() -> None:
    """The first measurement is taken as it is; other stages of the kind are expected to differ by the same factor."""
    cost = StageCost(1.0, 10.0, 100, 0.0, "a", "layer")
    other = StageCost(1.0, 20.0, 100, 0.0, "b", "layer")
    frame = StageCost(1.0, 20.0, 100, 0.0, "c", "frame")
    rates = HostRates()
    rates = rates.with_rates(learn_stage(cost, rates, StageMeasurement(1, 0.25, 5.0, 100, 1, whole=False)))
    assert stage_seconds(cost, rates, None) == pytest.approx(5.25)
    assert 10 < stage_seconds(other, rates, None, loaded=True) < 20
    assert stage_seconds(frame, rates, None, loaded=True) == pytest.approx(20)
    for _ in range(30):
        rates = rates.with_rates(learn_stage(cost, rates, StageMeasurement(1, None, 2.5, 50, 1, whole=False)))
    assert stage_seconds(cost, rates, 50, loaded=True) == pytest.approx(2.5, rel=0.01)
    assert stage_seconds(other, rates, None, loaded=True) == pytest.approx(10, rel=0.1)
