"""The benchmark of networks counts what it says: bytes of layers, dedup on and off, and peers within their bound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("zarr", reason="needs the extra 'bench'")
pytest.importorskip("matplotlib", reason="needs the extra 'bench'")
pytest.importorskip("keras", reason="needs the extra 'dnn'")

from benchmarks.dnn_checkpoints import Captured, Subject, capture, group_of, head_alone, separately
from benchmarks.dnn_peers import hdf5_gzip, hdf5_gzip_units_first, step_of_scheme, sz3, zarr_blosc, zfp
from benchmarks.dnn_plot import plot

ROWS = 40


@pytest.fixture(scope="module")
def subject() -> Subject:
    """Return a network whose first layer is frozen, with two checkpoints."""
    import keras

    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3), name="images")
    values = keras.layers.Conv2D(16, 3, activation="relu", name="block1_conv1")(images)
    values = keras.layers.Dropout(0.5, name="block1_dropout")(values)
    values = keras.layers.Flatten(name="flatten")(values)
    values = keras.layers.Dense(32, activation="relu", name="dense")(values)
    network = keras.Model(images, keras.layers.Dense(10, name="logits")(values))
    first = network.get_weights()
    second = [*first[:2], *(array + np.float32(0.1) for array in first[2:])]
    inputs = np.random.default_rng(0).normal(size=(ROWS, 8, 8, 3)).astype(np.float32)
    return Subject("Small", "small_", network, [first, second], inputs)


def test_bytes_of_layers_with_and_without_dedup(subject: Subject, tmp_path: Path) -> None:
    one = capture(subject, "lossless", [0], tmp_path / "a", Captured())
    assert one.layers["block1_dropout"] == 0
    assert 0 < sum(one.layers.values()) <= one.activation_bytes
    assert one.catalogue_bytes > 0
    assert one.groups().keys() == {"block1", "dense"}
    sizes = dict(one.layers)
    both = capture(subject, "lossless", [1], tmp_path / "a", one)
    added = {layer: size - sizes[layer] for layer, size in both.layers.items()}
    assert [layer for layer, size in added.items() if size] == ["dense", "logits"]
    apart = separately(subject, "lossless", [0, 1], tmp_path / "b")
    assert apart.layers["block1_dropout"] == apart.layers["block1_conv1"] == 2 * sizes["block1_conv1"]
    assert apart.activation_bytes > 2 * sum(sizes.values())
    assert not (tmp_path / "b").exists()


def test_the_changed_layers_alone_take_what_they_add(subject: Subject, tmp_path: Path) -> None:
    schemes = {"dense": "bounded(0.25)", "logits": "lossless"}
    inputs = np.random.default_rng(1).normal(size=(ROWS, 6 * 6 * 16)).astype(np.float32)
    alone = head_alone(subject, 1, inputs, schemes, tmp_path / "c")
    assert set(alone.layers) == {"dense", "logits"}
    assert alone.schemes["dense"] == "bounded(0.25)"


@pytest.mark.parametrize("shape", [(50, 8, 8, 32), (50, 128)])
def test_peers_take_fewer_bytes_than_float32_and_keep_their_bound(shape: tuple[int, ...]) -> None:
    values = np.maximum(np.random.default_rng(0).normal(-0.3, 2, shape), 0).astype(np.float32)
    exact = [hdf5_gzip(values), hdf5_gzip(values, chunks=True), hdf5_gzip_units_first(values), zarr_blosc(values)]
    coarse = [zfp(values, 0.5), sz3(values, 0.5)]
    assert max(exact) < values.nbytes
    assert max(coarse) < min(exact)
    assert zfp(values, None) == sz3(values, None) == hdf5_gzip(values)


def test_schemes_and_layers_are_told_apart(tmp_path: Path) -> None:
    assert step_of_scheme("bounded(0.25)") == 0.25
    assert step_of_scheme("lossless") is None
    with pytest.raises(ValueError, match="float16"):
        step_of_scheme("float16")
    assert [group_of(name) for name in ("block5_conv3", "flatten", "logits")] == ["block5", "dense", "dense"]
    plot(
        [{"what": "A: default", "one_mb": 1.0, "ten_mb": 2.0}, {"what": "A: peer ZFP", "one_mb": 3.0}],
        tmp_path / "p.png",
    )
    assert (tmp_path / "p.png").stat().st_size > 1_000
