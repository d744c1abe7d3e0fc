from __future__ import annotations

import numpy as np

from benchmarks.neighbours import nearest, overlap


def test_neighbours_are_those_of_all_pairs_of_distances() -> None:
    values = np.random.default_rng(0).normal(50, 1, (120, 3, 2, 4)).astype(np.float32)
    queries = np.array([0, 7, 119])
    flat = values.reshape(120, -1).astype(np.float64)
    distances = ((flat[queries, None] - flat) ** 2).sum(axis=2)
    distances[np.arange(3), queries] = np.inf
    expected = np.argsort(distances, axis=1)[:, :5]
    assert [set(row) for row in nearest(values, queries, 5).tolist()] == [set(row) for row in expected.tolist()]


def test_overlap_is_the_share_that_both_have() -> None:
    exact = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert overlap(exact, exact[:, ::-1]) == 1.0
    assert overlap(exact, np.array([[4, 3, 9, 10], [11, 12, 13, 5]])) == 3 / 8
