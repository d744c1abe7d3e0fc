"""Churn, clusters, neighbours and groups against SciPy, pandas and plain loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, squareform

from mistique_core.diagnostics.values.groups import groups_of
from mistique_core.predictions import Matrix, churn, nearest
from mistique_core.predictions.clusters import cluster_order, leaf_order, model_order, row_clusters
from mistique_core.predictions.groups import group_accuracy, group_correctness
from tests.unit.predictions.predicted import binary_matrix, multiclass_matrix, regression_matrix

RNG = np.random.default_rng(11)
ROWS = 1_003
TRUTH = RNG.random(ROWS) < 0.4
PROBABILITIES = RNG.random((ROWS, 6))


@pytest.fixture
def matrix() -> Matrix:
    return binary_matrix(TRUTH, PROBABILITIES)


@pytest.mark.parametrize("threshold", [None, 0.5, 0.3, 0.995])
def test_churn_of_two_classes(matrix: Matrix, threshold: float | None) -> None:
    decided = PROBABILITIES > 0.5 if threshold is None else threshold <= PROBABILITIES
    expected = (decided[:, :, None] != decided[:, None, :]).mean(axis=0)
    np.testing.assert_allclose(churn(matrix, threshold), expected)


def test_churn_of_several_classes_and_of_amounts() -> None:
    truth = RNG.integers(0, 3, 500).astype(np.uint8)
    probabilities = RNG.dirichlet(np.ones(3), (4, 500))
    decided = probabilities.argmax(axis=2)
    expected = (decided[:, None, :] != decided[None, :, :]).mean(axis=2)
    np.testing.assert_allclose(churn(multiclass_matrix(truth, probabilities)), expected)
    amounts = RNG.normal(0, 1, 500)
    predictions = amounts[:, None] + np.array([0.0, 0.04, 0.3])
    found = churn(regression_matrix(amounts, predictions))
    assert found.tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]


def test_leaves_of_each_branch_lie_together_as_in_scipy() -> None:
    centres = np.repeat([0.0, 10.0, 30.0, 31.5], 5)
    points = (centres + RNG.normal(0, 0.2, 20))[RNG.permutation(20), None]
    distances = cdist(points, points)
    order = leaf_order(distances)
    assert sorted(order) == list(range(20))
    tree = linkage(squareform(distances, checks=False), "average")
    for clusters in (2, 3, 4):
        labels = fcluster(tree, clusters, "maxclust")[order]
        assert np.count_nonzero(np.diff(labels)) == clusters - 1


def test_similar_models_and_similar_rows_are_neighbours() -> None:
    kinds = RNG.integers(0, 3, ROWS)
    prototypes = np.array([[0.9, 0.9, 0.1, 0.1], [0.1, 0.1, 0.9, 0.9], [0.5, 0.5, 0.9, 0.1]])
    probabilities = np.clip(prototypes[kinds] + RNG.normal(0, 0.02, (ROWS, 4)), 0, 1)[:, [0, 2, 1, 3]]
    found = binary_matrix(np.ones(ROWS, bool), probabilities)
    order = model_order(found)
    assert abs(order.index(0) - order.index(2)) == 1
    codes = row_clusters(found, 3)
    assert len({(kind, code) for kind, code in zip(kinds, codes, strict=True)}) == 3
    permutation = cluster_order(found, codes)
    assert (np.sort(permutation) == np.arange(ROWS)).all()
    assert np.count_nonzero(np.diff(kinds[permutation])) == 2
    assert (row_clusters(found, 3) == codes).all()


def test_nearest_neighbours_of_a_row(matrix: Matrix) -> None:
    found = nearest(matrix, 17, 8)
    expected = np.sqrt(np.square(PROBABILITIES - PROBABILITIES[17]).mean(axis=1))
    np.testing.assert_allclose(found.distances, expected[found.positions], atol=0.011)
    expected[17] = np.inf
    assert set(found.positions[:3]) <= set(np.argsort(expected)[:12])
    assert (np.diff(found.distances) >= 0).all()
    assert 17 not in found.positions


def test_nearest_neighbours_of_several_classes_and_of_amounts() -> None:
    truth = np.array([0, 0, 1, 1], np.uint8)
    probabilities = np.array([[[0.9, 0.1, 0], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.4, 0.0]]])
    found = nearest(multiclass_matrix(truth, probabilities), 0, 9)
    assert found.positions.tolist() == [3, 1, 2]
    assert found.distances == pytest.approx([0.0, 0.2, 1.0], abs=1e-6)
    amounts = np.array([0.0, 1.0, 2.0, 10.0])
    regression = regression_matrix(amounts, amounts[:, None] + np.array([[0.1], [0.0], [-0.5], [0.0]]))
    near = nearest(regression, 1, 2)
    assert near.positions.tolist() == [2, 0]
    assert near.distances == pytest.approx([0.5 / amounts.std(), 0.9 / amounts.std()], abs=0.01)


def test_groups_are_those_of_pandas(matrix: Matrix) -> None:
    column = pd.Series(RNG.choice(["red", "green", None], ROWS), name="colour")
    groups = groups_of(column)
    right = (
        pd.DataFrame((PROBABILITIES >= 0.4) == TRUTH[:, None]).groupby(column.fillna("zz missing").to_numpy()).mean()
    )
    np.testing.assert_allclose(group_accuracy(matrix, groups, 0.4), right.to_numpy())
    correct = pd.DataFrame(np.where(TRUTH[:, None], PROBABILITIES, 1 - PROBABILITIES))
    expected = correct.groupby(column.fillna("zz missing").to_numpy()).mean()
    np.testing.assert_allclose(group_correctness(matrix, groups), expected.to_numpy(), atol=0.005)
