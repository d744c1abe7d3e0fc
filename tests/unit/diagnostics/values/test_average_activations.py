from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mistique_core.diagnostics.values.average_activations import average_activations
from mistique_core.errors import InvalidInputError


def test_averages_are_those_of_a_grouped_table() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 3, 2, 7)).astype(np.float32)
    classes = rng.integers(0, 4, 200).astype(np.uint8)
    expected = pd.DataFrame(values.astype(np.float64).mean(axis=(1, 2))).groupby(classes).mean().to_numpy().T
    np.testing.assert_allclose(average_activations(values, classes), expected, rtol=1e-12, atol=1e-12)


def test_rows_in_many_blocks() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 9, (30, 700, 700)).astype(np.int64)
    classes = np.arange(30) % 3
    expected = np.stack([values[classes == one].mean(axis=(0, 1)) for one in range(3)], axis=1)
    np.testing.assert_allclose(average_activations(values, classes), expected)


def test_truth_values_become_shares_and_empty_classes_nan() -> None:
    values = np.array([[True, False], [True, True]])
    np.testing.assert_array_equal(
        average_activations(values, np.array([1, 1]), 3), [[np.nan, 1, np.nan], [np.nan, 0.5, np.nan]]
    )
    assert average_activations(np.empty((0, 5)), np.empty(0, np.int64), 2).shape == (5, 2)


@pytest.mark.parametrize(
    ("values", "classes", "message"),
    [
        (np.zeros(3), np.zeros(3, int), "add the axis"),
        (np.zeros((3, 2)), np.zeros(2, int), "each of 3 rows"),
        (np.zeros((3, 2)), np.zeros(3), "integer class"),
        (np.zeros((3, 2)), np.array([0, -1, 1]), "-1 to 1"),
        (np.zeros((3, 2)), np.array([0, 1, 5]), "0 to 5"),
    ],
)
def test_what_has_no_averages_is_refused(values: np.ndarray, classes: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        average_activations(values, classes, 4)
