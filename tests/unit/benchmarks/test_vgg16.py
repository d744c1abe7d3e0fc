from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from benchmarks.vgg16 import FLATTEN, LOGITS, SHAPES, VGG16

CHANNELS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[VGG16, list[np.ndarray]]:
    folder: Path = tmp_path_factory.mktemp("weights")
    rng = np.random.default_rng(0)
    arrays: list[np.ndarray] = []
    for inputs, outputs in itertools.pairwise(CHANNELS):
        arrays.append(rng.normal(0, (2 / (9 * inputs)) ** 0.5, (3, 3, inputs, outputs)).astype(np.float32))
        arrays.append(rng.normal(0, 0.1, outputs).astype(np.float32))
    np.savez(folder / "conv.npz", **{f"w{number:02d}": array for number, array in enumerate(arrays)})
    shapes = ((512, 256), (256,), (256, 10), (10,))
    head = [rng.normal(0, 0.1, shape).astype(np.float32) for shape in shapes]
    np.savez(folder / "head_00.npz", **{f"w{number:02d}": array for number, array in enumerate(head)})
    return VGG16(folder), arrays


def test_layers_are_those_of_the_thesis(net: tuple[VGG16, list[np.ndarray]]) -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    layers = dict(net[0].layers(images))
    assert list(layers) == list(range(1, 22))
    assert {layer: values.shape[1:] for layer, values in layers.items()} == SHAPES
    assert all((values >= 0).all() for layer, values in layers.items() if layer != LOGITS)


def test_a_layer_is_the_sum_over_neighbourhoods(net: tuple[VGG16, list[np.ndarray]]) -> None:
    vgg16, arrays = net
    images = np.random.default_rng(2).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    layers = dict(vgg16.layers(images))
    inputs = (images[0] / 255.0 - 0.47) / 0.25
    for y, x in ((0, 0), (31, 5), (16, 17)):
        total = arrays[1].astype(np.float64)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if 0 <= y + dy < 32 and 0 <= x + dx < 32:
                    total = total + inputs[y + dy, x + dx] @ arrays[0][dy + 1, dx + 1].astype(np.float64)
        np.testing.assert_allclose(layers[1][0, y, x], np.maximum(total, 0), rtol=1e-4, atol=1e-4)
    assert layers[3][0, 2, 3, 5] == layers[2][0, 4:6, 6:8, 5].max()


def test_batches_do_not_change_what_is_collected(net: tuple[VGG16, list[np.ndarray]]) -> None:
    images = np.random.default_rng(3).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    whole = net[0].collect(images, (1, FLATTEN), batch_rows=3)
    parts = net[0].collect(images, (1, FLATTEN), batch_rows=2)
    for layer in (1, FLATTEN):
        np.testing.assert_allclose(parts[layer], whole[layer], rtol=1e-4, atol=1e-5)
