"""Bounds of distances against distances in exact arithmetic, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import euclidean_distances

from mistique_core.ranking import DistanceBounds, euclidean


def test_distances_are_those_of_scikit_learn() -> None:
    values = np.random.default_rng(1).normal(size=(50, 4, 3, 7))
    expected = euclidean_distances(values.reshape(50, -1), values[3].reshape(1, -1))[:, 0]
    np.testing.assert_allclose(euclidean(values, values[3]), expected, atol=1e-6)
    assert np.isnan(euclidean(np.array([[np.nan, 1.0]]), np.array([0.0, 0.0]))).all()


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["float32", "float64", "float16"]), st.sampled_from([(), (1,), (5, 3)]))
def test_bounds_hold_whatever_the_errors(seed: int, dtype: str, map_shape: tuple[int, ...]) -> None:
    """Errors up to the stated radius, in the worst direction too, in several groups of units and row blocks."""
    rng = np.random.default_rng(seed)
    rows, groups = 9, (3, 1, 8)
    bounds, squares = DistanceBounds(rows), np.zeros(rows)
    for units in groups:
        centres = rng.normal(scale=10.0 ** rng.integers(-3, 3), size=(units, rows, *map_shape)).astype(dtype)
        query = rng.normal(size=(units, *map_shape)).astype(dtype)
        away = rng.normal(size=centres.shape) if seed % 2 else query[:, None] - centres.astype(float)
        norms = np.sqrt(np.square(away).sum(axis=(0, *range(2, away.ndim)), keepdims=True))
        errors = away / np.maximum(norms, 1e-30) * rng.uniform(0, 2, norms.shape) * norms
        radius = np.sqrt(np.square(errors).sum(axis=(0, *range(2, errors.ndim))))
        difference = centres.astype(float) + errors - query[:, None]
        squares += np.square(difference).sum(axis=(0, *range(2, difference.ndim)))
        for part in (slice(0, 4), slice(4, rows)):
            bounds.add(part, centres[:, part], radius[part] * (1 + 1e-9), query)
    low, high = bounds.bounds()
    assert (low <= np.sqrt(squares)).all()
    assert (np.sqrt(squares) <= high * (1 + 1e-9)).all()


def test_groups_bound_better_than_all_units_at_once() -> None:
    """An error in a group where the rows are near makes nothing unsure in the others."""
    rng = np.random.default_rng(2)
    near, far = rng.normal(size=(4, 5)), rng.normal(size=(4, 5)) + 50
    apart, together = DistanceBounds(5), DistanceBounds(5)
    apart.add(slice(0, 5), near, np.full(5, 30.0), np.zeros(4))
    apart.add(slice(0, 5), far, np.zeros(5), np.zeros(4))
    together.add(slice(0, 5), np.concatenate([near, far]), np.full(5, 30.0), np.zeros(8))
    assert (apart.bounds()[0] > together.bounds()[0] + 20).all()


def test_missing_and_huge_values() -> None:
    bounds = DistanceBounds(3)
    centres = np.array([[np.nan, 1e30, 3.0]], np.float32)
    bounds.add(slice(0, 3), centres, np.zeros(3), np.array([-1.0], np.float32))
    low, high = bounds.bounds()
    assert np.isnan(low[0])
    assert np.isnan(high[0])
    assert low[1] == pytest.approx(1e30, rel=1e-3), "squares that no float32 holds"
    assert low[2] <= 4.0 <= high[2]
