"""Bins of an ordered matrix against plain means."""

from __future__ import annotations

import numpy as np
import pytest

from mistique_core.errors import InvalidInputError
from mistique_core.predictions import OrderedMatrix, ordered, view
from mistique_core.predictions.orders import by_disagreement, by_mean_error, by_model, by_row_id, by_truth
from tests.unit.predictions.predicted import binary_matrix, regression_matrix

ROWS, MODELS = 30_011, 5


@pytest.fixture(scope="module")
def cells() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.random(ROWS) < 0.3, rng.random((ROWS, MODELS))


@pytest.fixture(scope="module")
def shown(cells: tuple[np.ndarray, np.ndarray]) -> OrderedMatrix:
    matrix = binary_matrix(*cells)
    return ordered(matrix, by_mean_error(matrix))


@pytest.mark.parametrize(
    ("first", "stop", "bins"),
    [(0, ROWS, 400), (0, ROWS, 7), (0, 300, 400), (17, 418, 100), (29_900, ROWS, 50), (5_000, 30_000, 40), (9, 10, 1)],
)
def test_a_bin_is_the_mean_of_its_rows(
    shown: OrderedMatrix, cells: tuple[np.ndarray, np.ndarray], first: int, stop: int, bins: int
) -> None:
    truth, probabilities = cells
    correct = np.where(truth[:, None], probabilities, 1 - probabilities)[shown.permutation]
    found = view(shown, first, stop, bins)
    assert len(found.rows) <= bins + 2
    assert found.start <= first
    assert found.start + found.rows.sum() >= stop
    for at, size in enumerate(found.rows):
        part = slice(found.start + at * found.step, found.start + at * found.step + size)
        assert size == found.step or part.stop == ROWS
        np.testing.assert_allclose(found.correctness[at] / 200, correct[part].mean(axis=0), atol=0.0076)
        assert found.truth[at] / 200 == pytest.approx(truth[shown.permutation][part].mean(), abs=0.0026)


def test_bins_do_not_change_while_the_viewport_moves(shown: OrderedMatrix) -> None:
    one, other = view(shown, 640, 6_640, 100), view(shown, 700, 6_700, 100)
    assert one.step == other.step
    shift = (other.start - one.start) // one.step
    assert (one.correctness[shift:] == other.correctness[: len(one.rows) - shift]).all()


def test_no_rows_are_refused(shown: OrderedMatrix) -> None:
    with pytest.raises(InvalidInputError, match="are no part of"):
        view(shown, ROWS, ROWS + 10)


def test_orders_against_numpy(cells: tuple[np.ndarray, np.ndarray]) -> None:
    truth, probabilities = cells
    matrix = binary_matrix(truth, probabilities)
    levels = np.stack([column.levels for column in matrix.columns], axis=1).astype(np.float64)
    assert (by_row_id(matrix) == np.arange(ROWS)).all()
    for permutation in (by_model(matrix, 2), by_mean_error(matrix), by_disagreement(matrix), by_truth(matrix)):
        assert permutation.dtype == np.int32
        assert (np.sort(permutation) == np.arange(ROWS)).all()
    assert (np.diff(levels[by_model(matrix, 2), 2]) >= 0).all()
    assert (np.diff(levels.sum(axis=1)[by_mean_error(matrix)]) >= 0).all()
    spread = levels.std(axis=1)[by_disagreement(matrix)]
    assert (np.diff(spread) <= 1e-3).all()
    by = truth[by_truth(matrix)]
    assert by[: truth.sum()].all()
    assert not by[truth.sum() :].any()


def test_a_regression_shows_the_size_of_errors() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(5, 3, 1_000)
    predictions = truth[:, None] + rng.normal(0, 2, (1_000, 2))
    matrix = regression_matrix(truth, predictions)
    found = view(ordered(matrix, by_row_id(matrix)), 0, 1_000, 1_000)
    expected = 1 - np.minimum(np.abs(predictions - truth[:, None]) / truth.std(), 1)
    np.testing.assert_allclose(found.correctness / 200, expected, atol=0.0101)
    assert np.corrcoef(found.truth, truth)[0, 1] > 0.9
