"""CIFAR10_CNN and CIFAR10_VGG16 have the thesis's layers, compute what NumPy computes, and are built the same twice."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.data_folder import _BESIDE
from benchmarks.vgg16 import SHAPES, VGG16
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.workflows.cifar import build_cnn, build_vgg16, prepare, read_images, training_data

keras = pytest.importorskip("keras")

TABLE_5_4 = [
    *("block1_conv1", "block1_conv2", "block1_pool"),
    *("block2_conv1", "block2_conv2", "block2_pool"),
    *("block3_conv1", "block3_conv2", "block3_conv3", "block3_pool"),
    *("block4_conv1", "block4_conv2", "block4_conv3", "block4_pool"),
    *("block5_conv1", "block5_conv2", "block5_conv3", "block5_pool"),
    *("flatten", "dense", "logits"),
]


def trainable(network: Any) -> set[str]:
    return {layer.name for layer in network.layers if layer.trainable_weights}


def test_the_layers_of_vgg16() -> None:
    network = build_vgg16()
    layers = network.layers[1:]
    assert [layer.name for layer in layers] == TABLE_5_4
    assert [tuple(layer.output.shape[1:]) for layer in layers] == [SHAPES[number] for number in range(1, 22)]
    assert trainable(network) == {"dense", "logits"}


@pytest.fixture(params=["drawn", "trained"])
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder with weights of both parts: of a network that was trained, or random ones with biases."""
    if request.param == "trained":
        folder = _BESIDE / "vgg16_cifar10"
        if not (folder / "conv.npz").exists():
            pytest.skip("the trained weights are not beside the project")
        return folder
    random = np.random.default_rng(5)
    channels = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    shapes = [(3, 3, before, after) for before, after in pairwise(channels)]
    for name, kernels in (("conv", shapes), ("head_03", [(512, 256), (256, 10)])):
        arrays = []
        for shape in kernels:
            arrays.append(random.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype(np.float32))
            arrays.append(random.normal(0, 0.1, shape[-1]).astype(np.float32))
        np.savez(tmp_path / f"{name}.npz", **{f"w{n:02d}": array for n, array in enumerate(arrays)})
    return tmp_path


def test_vgg16_computes_what_numpy_computes(weights: Path) -> None:
    images = read_images(4).images
    network = build_vgg16(weights / "conv.npz", weights / "head_03.npz")
    every = keras.Model(network.inputs, [layer.output for layer in network.layers[1:]])
    for (number, expected), found in zip(
        VGG16(weights, 3).layers(images), every.predict_on_batch(prepare(images)), strict=True
    ):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * scale, err_msg=str(number))


def test_weights_of_another_network(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", w00=np.zeros((3, 3, 3, 64), np.float32), w01=np.zeros(64, np.float32))
    with pytest.raises(InvalidInputError, match=r"holds 2 arrays .* block1_conv1 to block5_conv3 take 26"):
        build_vgg16(tmp_path / "w.npz")
    with pytest.raises(InvalidInputError, match="dense to logits take 4"):
        build_vgg16(head_weights=tmp_path / "w.npz")
    with pytest.raises(NotFoundError, match="does not exist"):
        build_vgg16(tmp_path / "none.npz")
    np.savez(tmp_path / "p.npz", w00=np.array([object()], object))
    with pytest.raises(InvalidInputError, match="cannot be read"):
        build_vgg16(tmp_path / "p.npz")


def test_the_layers_of_the_cnn() -> None:
    """Numbers of weights by hand: kernel, times inputs, plus one, times filters."""
    network = build_cnn()
    learned = {layer.name: layer.count_params() for layer in network.layers if layer.count_params()}
    assert learned == {
        "block1_conv1": (9 * 3 + 1) * 32,
        "block1_conv2": (9 * 32 + 1) * 32,
        "block2_conv1": (9 * 32 + 1) * 64,
        "block2_conv2": (9 * 64 + 1) * 64,
        "dense": (6 * 6 * 64 + 1) * 512,
        "logits": (512 + 1) * 10,
    }
    assert trainable(network) == set(learned)
    assert sum(isinstance(layer, keras.layers.Dropout) for layer in network.layers) == 3


@pytest.mark.parametrize("build", [build_cnn, build_vgg16])
def test_two_builds_are_equal_and_another_seed_is_not(build: Any) -> None:
    """Whatever is drawn or built in between."""
    first = build(seed=3)
    keras.utils.set_random_seed(99)
    again, other = build(seed=3), build(seed=4)
    assert not [n for n, (a, b) in enumerate(zip(first.weights, again.weights, strict=True)) if a.name != b.name]
    for one, two, three in zip(first.get_weights(), again.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
        assert one.ndim == 1 or not np.array_equal(one, three)
    kernels = [array for array in first.get_weights() if array.ndim > 1]
    assert len({array.ravel()[:64].tobytes() for array in kernels}) == len(kernels)


def test_only_the_dense_layers_of_vgg16_change_in_training() -> None:
    network = build_vgg16()
    before = {layer.name: layer.get_weights() for layer in network.layers}
    (x, y), _ = training_data(20)
    network.fit(x, y, epochs=1, verbose=0)
    changed = {
        layer.name
        for layer in network.layers
        if any(not np.array_equal(a, b) for a, b in zip(layer.get_weights(), before[layer.name], strict=True))
    }
    assert changed == {"dense", "logits"}


def test_the_cnn_learns() -> None:
    keras.utils.set_random_seed(0)
    network = build_cnn()
    (x, y), _ = training_data(300)
    network.fit(x, y, epochs=6, batch_size=32, verbose=0)
    assert (network.predict(x, verbose=0).argmax(axis=1) == y).mean() > 0.5
