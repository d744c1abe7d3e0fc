"""Techniques over the activations of CIFAR10_CNN, computed once more from what Keras returns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.data_folder import _BESIDE
from mistique_core import Mistique
from mistique_core.diagnostics import knn, svcca, topk, vis
from mistique_core.workflows.cifar import build_cnn, prepare, read_images

ROWS = 150
LAYERS = ("block1_pool", "block2_conv2", "dense", "logits")


@pytest.fixture(scope="module")
def activations() -> dict[str, np.ndarray]:
    """Return what Keras computes for each layer from photographs, or from digits where there are none."""
    keras = pytest.importorskip("keras")
    photographs = _BESIDE / "cifar10_10k.npz"
    found = read_images(ROWS, path=photographs if photographs.is_file() else None)
    network = build_cnn()
    probe = keras.Model(network.input, [network.get_layer(name).output for name in LAYERS])
    outputs = probe.predict(prepare(found.images), batch_size=75, verbose=0)
    arrays = dict(zip(LAYERS, outputs, strict=True))
    return {**arrays, "labels": np.asarray(found.class_names)[found.labels], "images": prepare(found.images)}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, activations: dict[str, np.ndarray]) -> Iterator[Mistique]:
    """Return a store with these layers, captured without loss, and the labels; row ids are 7 apart."""
    ids = np.arange(ROWS) * 7
    folder: Path = tmp_path_factory.mktemp("store")
    with Mistique.open(folder) as opened:
        opened.log_intermediates(
            build_cnn(),
            lambda: {"row_id": ids, "images": activations["images"]},
            project="cifar10",
            model="cnn",
            layers=list(LAYERS),
            scheme="lossless",
            batch_rows=75,
        )
        labels = pd.DataFrame({"label": activations["labels"]}, index=pd.Index(ids, name="row_id"))
        opened.log_frame("cifar10", "truth", "labels", labels)
        yield opened


def by_whitening(x: np.ndarray, y: np.ndarray, variance: float) -> float:
    """Algorithm 1 as it is written: SVD, then CCA by whitened covariances, in float64."""
    sides = []
    for values in (x, y):
        flat = values.reshape(len(values), -1).astype(np.float64)
        centred = flat - flat.mean(axis=0)
        _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
        count = int(np.searchsorted(np.cumsum(sizes**2) / (sizes**2).sum(), variance)) + 1
        sides.append(centred @ directions[:count].T)
    first, second = sides

    def whitened(values: np.ndarray) -> Any:
        squares, vectors = np.linalg.eigh(values.T @ values)
        return vectors @ np.diag(squares**-0.5) @ vectors.T

    correlations = np.linalg.svd(whitened(first) @ (first.T @ second) @ whitened(second), compute_uv=False)
    return float(correlations.sum() / min(first.shape[1], second.shape[1]))


@pytest.mark.parametrize(("layer", "variance"), [("block1_pool", 0.9), ("block2_conv2", 0.99), ("dense", 0.99)])
def test_svcca_of_logits_and_a_layer(
    store: Mistique, activations: dict[str, np.ndarray], layer: str, variance: float
) -> None:
    result = svcca(store, f"cifar10.cnn.{layer}", "cifar10.cnn.logits", variance=variance)
    stored = [store.get_intermediates(f"cifar10.cnn.{name}").values for name in (layer, "logits")]
    for found, name in zip(stored, (layer, "logits"), strict=True):
        np.testing.assert_allclose(found, activations[name], rtol=1e-3, atol=1e-4)
    assert result.facts["coefficient"] == pytest.approx(by_whitening(stored[0], stored[1], variance), abs=1e-6)
    assert result.facts["rows"] == ROWS


def test_svcca_of_one_class_and_a_layer(store: Mistique) -> None:
    result = svcca(store, "cifar10.cnn.dense", "cifar10.cnn.logits.8", variance=0.9)
    layer, logits = (store.get_intermediates(f"cifar10.cnn.{name}").values for name in ("dense", "logits"))
    assert result.facts["coefficient"] == pytest.approx(by_whitening(layer, logits[:, [8]], 0.9), abs=1e-6)
    assert result.facts["directions"][1] == 1


def test_images_that_excite_a_unit_most(store: Mistique, activations: dict[str, np.ndarray]) -> None:
    strongest = activations["block2_conv2"][..., 5].max(axis=(1, 2))
    result = topk(store, "cifar10.cnn.block2_conv2.5", 5, columns="cifar10.truth.labels.label")
    expected = np.argsort(-strongest, kind="stable")[:5]
    assert result.row_id.tolist() == (expected * 7).tolist()
    assert result.frame["label"].tolist() == activations["labels"][expected].tolist()
    np.testing.assert_allclose(
        result.arrays["maps"], activations["block2_conv2"][expected, ..., 5], rtol=1e-3, atol=1e-5
    )


def test_averages_by_class_and_neighbours(store: Mistique, activations: dict[str, np.ndarray]) -> None:
    result = vis(store, "cifar10.cnn.dense", "cifar10.truth.labels.label")
    expected = pd.DataFrame(activations["dense"]).groupby(activations["labels"]).mean().T
    np.testing.assert_allclose(result.frame, expected, rtol=1e-3, atol=1e-5)
    near = knn(store, "cifar10.cnn.dense", 14, 3)
    distances = np.linalg.norm(activations["dense"].astype(float) - activations["dense"][2], axis=1)
    assert near.row_id.tolist() == (np.argsort(distances)[1:4] * 7).tolist()
