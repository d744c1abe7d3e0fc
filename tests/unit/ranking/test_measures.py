"""Measures of maps against NumPy."""

import numpy as np
import pytest

from mistique_core.ranking import BYS, measure, measure_bounds

MAPS = np.random.default_rng(0).normal(size=(40, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("by", ["max", "min", "mean"])
def test_a_number_a_map(by: str) -> None:
    np.testing.assert_allclose(measure(MAPS, by), getattr(MAPS.astype(float), by)(axis=(1, 2)), rtol=1e-12)
    with_nan = MAPS.copy()
    with_nan[7, 0, 0] = np.nan
    assert np.flatnonzero(np.isnan(measure(with_nan, by))).tolist() == [7]


def test_of_numbers_all_measures_are_the_value() -> None:
    for by in BYS:
        np.testing.assert_allclose(measure(MAPS[:, 0, 0], by), MAPS[:, 0, 0])


@pytest.mark.parametrize("by", ["max", "min", "mean"])
def test_bounds_of_values_bound_measures(by: str) -> None:
    errors = np.abs(np.random.default_rng(1).normal(size=(2, *MAPS.shape)))
    low, high = measure_bounds(MAPS - errors[0], MAPS + errors[1], by)
    assert (low <= measure(MAPS, by)).all()
    assert (measure(MAPS, by) <= high).all()
