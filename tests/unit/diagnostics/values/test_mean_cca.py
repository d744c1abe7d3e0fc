from __future__ import annotations

import numpy as np
import pytest

from mistique_core.diagnostics.values.mean_cca import main_directions, mean_cca
from mistique_core.errors import InvalidInputError


def layers(rows: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two layers that share three of their hidden directions."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, 6))
    x = hidden @ rng.normal(size=(6, 20)) + 0.05 * rng.normal(size=(rows, 20)) + 7
    y = np.column_stack([hidden[:, :3], rng.normal(size=(rows, 2))]) @ rng.normal(size=(5, 12)) - 3
    return x, y


def by_projectors(x: np.ndarray, y: np.ndarray, variance: float) -> float:
    """Algorithm 1 by singular value decompositions and angles between subspaces."""
    linalg = pytest.importorskip("scipy.linalg", reason="needs the extra 'trad'")
    bases = []
    for values in (x, y):
        flat = values.reshape(len(values), -1).astype(np.float64)
        left, sizes, _ = linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
        shares = np.cumsum(sizes**2) / np.sum(sizes**2)
        bases.append(left[:, : int(np.argmax(shares >= variance)) + 1])
    return float(np.cos(linalg.subspace_angles(*bases)).mean())


@pytest.mark.parametrize("variance", [0.5, 0.9, 0.99, 0.9999])
def test_it_is_the_mean_cosine_between_the_subspaces(variance: float) -> None:
    x, y = layers()
    assert mean_cca(x, y, variance) == pytest.approx(by_projectors(x, y, variance), abs=1e-9)


def test_scikit_learn_finds_the_same_correlations() -> None:
    decomposition = pytest.importorskip("sklearn.cross_decomposition", reason="needs the extra 'trad'")
    pca = pytest.importorskip("sklearn.decomposition").PCA
    x, y = layers()
    first, second = (pca(n_components=0.99, svd_solver="full").fit_transform(values) for values in (x, y))
    size = min(first.shape[1], second.shape[1])
    pairs = decomposition.CCA(n_components=size, scale=False, max_iter=20_000, tol=1e-7).fit_transform(first, second)
    found = [np.corrcoef(one, other)[0, 1] for one, other in zip(pairs[0].T, pairs[1].T, strict=True)]
    assert mean_cca(x, y) == pytest.approx(float(np.mean(found)), abs=1e-3)


def test_more_values_than_rows_and_maps_and_float32() -> None:
    rng = np.random.default_rng(3)
    maps = np.maximum(rng.normal(size=(80, 4, 4, 16)), 0).astype(np.float32)
    logits = (maps.reshape(80, -1)[:, :40] @ rng.normal(size=(40, 5))).astype(np.float32)
    assert mean_cca(maps, logits) == pytest.approx(by_projectors(maps, logits, 0.99), abs=1e-5)
    assert mean_cca(logits, maps) == pytest.approx(mean_cca(maps, logits), abs=1e-6)


def test_shifts_scales_and_rotations_change_nothing() -> None:
    x, y = layers()
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(20, 20)))[0]
    assert mean_cca(x @ rotation * 1e6 + 5, y * 1e-3 - 8) == pytest.approx(mean_cca(x, y), abs=1e-9)


def test_a_layer_agrees_with_itself_and_not_with_noise() -> None:
    x, _ = layers(2_000)
    assert mean_cca(x, x) == pytest.approx(1, abs=1e-9)
    assert mean_cca(x, np.random.default_rng(9).normal(size=(2_000, 4))) < 0.1


def test_directions_are_orthonormal_few_enough_and_centred() -> None:
    x, _ = layers()
    basis = main_directions(x, 0.9)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-9)
    centred = x - x.mean(axis=0)
    explained = [((basis[:, :n].T @ centred) ** 2).sum() / (centred**2).sum() for n in range(1, basis.shape[1] + 1)]
    assert explained[-1] >= 0.9
    assert all(share < 0.9 for share in explained[:-1])


def test_all_of_the_variance_is_no_more_than_the_rank() -> None:
    x, _ = layers()
    assert main_directions(x[:, [0, 1, 0, 1]], 1.0).shape == (300, 2)
    assert main_directions(x[:, [0, 1, 0, 1]].astype(np.float32), 1.0).shape == (300, 2)


def test_without_variance_there_is_no_answer() -> None:
    x, _ = layers()
    assert np.isnan(mean_cca(np.ones((300, 4)), x))


@pytest.mark.parametrize(
    ("x", "variance", "message"),
    [
        (np.zeros((299, 2)), 0.99, "same rows"),
        (np.full((300, 2), np.nan), 0.99, "NaN"),
        (np.zeros((300, 2)), 0.0, "share"),
        (np.zeros((300, 2)), 1.5, "share"),
    ],
)
def test_what_cannot_be_compared_is_refused(x: np.ndarray, variance: float, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        mean_cca(x, layers()[1], variance)


def test_one_row_is_too_few() -> None:
    with pytest.raises(InvalidInputError, match="two rows"):
        mean_cca(np.ones((1, 3)), np.ones((1, 3)))
