"""One byte a prediction: near enough to draw, exact at every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.predictions.levels import (
    OF_ERROR,
    STEPS,
    THRESHOLDS,
    correctness_levels,
    error_levels,
    probability_levels,
    threshold_level,
)


@settings(deadline=None)
@given(st.lists(st.one_of(st.floats(0, 1), st.sampled_from(list(THRESHOLDS))), max_size=60))
def test_every_threshold_is_told_exactly_from_the_level(values: list[float]) -> None:
    probabilities = np.array(values, dtype=np.float64)
    levels = probability_levels(probabilities)
    for threshold in THRESHOLDS:
        assert ((levels >= threshold_level(threshold)) == (probabilities >= threshold)).all()
    assert np.abs(levels / STEPS - probabilities).max(initial=0) <= 1 / STEPS


def test_neighbouring_floats_of_each_threshold_fall_on_their_own_side() -> None:
    values = np.concatenate([np.nextafter(THRESHOLDS, 0), THRESHOLDS, np.nextafter(THRESHOLDS[:-1], 1)])
    expected = np.searchsorted(THRESHOLDS, values, side="right")
    assert (probability_levels(values) == expected).all()


def test_correctness_is_its_own_inverse() -> None:
    levels = np.arange(STEPS + 1, dtype=np.uint8)
    positive = levels % 3 == 0
    assert (correctness_levels(correctness_levels(levels, positive), positive) == levels).all()


@pytest.mark.parametrize(("error", "level", "correctness"), [(0, 100, 200), (2, 200, 0), (-1, 50, 100), (-9, 0, 0)])
def test_an_error_of_one_standard_deviation_is_wholly_wrong(error: float, level: int, correctness: int) -> None:
    [found] = error_levels(np.array([float(error)]), 2.0)
    assert found == level
    assert OF_ERROR[found] == correctness
