"""The thesis's two networks with ten checkpoints each, and what capturing them leaves on disk."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mistique_core import Mistique
from mistique_core.store.network_report import NetworkReport

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

PROJECT = "cifar10"
Schemes = str | Mapping[str, str] | None
NO_DEDUP: dict[str, Any] = {"exact_dedup": False, "approximate_dedup": False}


@dataclass
class Subject:
    """A network, its checkpoints and its input.

    Attributes
    ----------
    name, prefix
        For the report, and what its ratios begin with.
    network
        A Keras model.
    weights
        Of each checkpoint all arrays of the network; those of frozen layers are shared.
    images
        float32 (rows, 32, 32, 3).
    """

    name: str
    prefix: str
    network: Any
    weights: list[list[NDArray[np.float32]]]
    images: NDArray[np.float32]

    @property
    def model(self) -> str:
        """Name of the model in the store."""
        return self.name.lower()

    def checkpoint(self, number: int) -> Any:
        """Return the network with the weights of one checkpoint, from 0."""
        self.network.set_weights(self.weights[number])
        return self.network


def vgg16(folder: Path, rows: int, checkpoints: int) -> Subject:
    """Return CIFAR10_VGG16: trained convolutions, frozen, and up to ten checkpoints of the dense layers."""
    from mistique_core.workflows.cifar import build_vgg16

    network = build_vgg16(folder / "vgg16_cifar10" / "conv.npz", folder / "vgg16_cifar10" / "head_00.npz")
    frozen = network.get_weights()[:-4]
    weights = []
    for number in range(checkpoints):
        with np.load(folder / "vgg16_cifar10" / f"head_{number:02d}.npz") as head:
            weights.append([*frozen, *(head[f"w{position:02d}"] for position in range(4))])
    return Subject("CIFAR10_VGG16", "", network, weights, _images(folder, rows)[0])


def cnn(folder: Path, rows: int, training_rows: int, epochs: int) -> Subject:
    """Return CIFAR10_CNN, trained from scratch here; each epoch is a checkpoint."""
    import keras

    from mistique_core.workflows.cifar import build_cnn

    keras.utils.set_random_seed(0)
    network = build_cnn(seed=0)
    images, labels = _images(folder, training_rows)
    weights: list[list[NDArray[np.float32]]] = []
    for _ in range(epochs):
        network.fit(images, labels, batch_size=64, epochs=1, verbose=0)
        weights.append(network.get_weights())
    return Subject("CIFAR10_CNN", "cnn_", network, weights, _images(folder, rows)[0])


def _images(folder: Path, rows: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    from mistique_core.workflows.cifar import prepare, read_images

    found = read_images(rows, path=folder / "cifar10_10k.npz")
    return prepare(found.images), found.labels


def group_of(layer: str) -> str:
    """Return the block that a layer belongs to, or ``dense`` for all that follow the blocks."""
    return layer.partition("_")[0] if layer.startswith("block") else "dense"


@dataclass
class Captured:
    """Bytes that one or several captures left on disk.

    Attributes
    ----------
    layers
        Layer -> bytes of its values, summed over the checkpoints.
    schemes
        Layer -> scheme.
    logical_bytes
        Of all values as float32.
    partition_bytes, catalogue_bytes
        Of all files with values, and of all others.
    input_bytes, weight_bytes
        Parts of the partitions.
    """

    layers: dict[str, int] = field(default_factory=dict)
    schemes: dict[str, str] = field(default_factory=dict)
    logical_bytes: int = 0
    partition_bytes: int = 0
    catalogue_bytes: int = 0
    input_bytes: int = 0
    weight_bytes: int = 0

    @property
    def activation_bytes(self) -> int:
        """Bytes of the layers on disk: the files of values without the input and the weights."""
        return self.partition_bytes - self.input_bytes - self.weight_bytes

    def groups(self) -> dict[str, int]:
        """Return block -> bytes of its layers."""
        found: dict[str, int] = {}
        for layer, size in self.layers.items():
            found[group_of(layer)] = found.get(group_of(layer), 0) + size
        return found

    def add(self, report: NetworkReport) -> None:
        """Count one capture."""
        self.input_bytes += report.input_bytes
        self.weight_bytes += report.weight_bytes
        self.logical_bytes += sum(4 * math.prod(layer.shape) for layer in report.layers) * report.rows
        for layer in report.layers:
            self.schemes[layer.name] = layer.scheme
            self.layers[layer.name] = self.layers.get(layer.name, 0) + layer.stored_bytes

    def measure(self, folder: Path) -> None:
        """Weigh the files of a closed store."""
        sizes = [(path.suffix, path.stat().st_size) for path in folder.rglob("*") if path.is_file()]
        self.partition_bytes = sum(size for suffix, size in sizes if suffix == ".h5")
        self.catalogue_bytes = sum(size for suffix, size in sizes if suffix != ".h5")


def capture(
    subject: Subject, scheme: Schemes, numbers: Iterable[int], folder: Path, captured: Captured, **settings: Any
) -> Captured:
    """Log checkpoints into the store in `folder`, add what was counted to `captured`, and weigh the files."""
    reuse = settings.get("exact_dedup", True)
    with Mistique.open(folder, **settings) as store:
        for number in numbers:
            report = store.log_intermediates(
                subject.checkpoint(number),
                lambda: {subject.network.inputs[0].name: subject.images},
                project=PROJECT,
                model=subject.model,
                scheme=scheme,
                progress=False,
                reuse=reuse,
            )
            assert isinstance(report, NetworkReport)
            captured.add(report)
    captured.measure(folder)
    return captured


def separately(subject: Subject, scheme: Schemes, numbers: Sequence[int], folder: Path) -> Captured:
    """Log checkpoints without any dedup, each into a store of its own that is deleted again.

    Within one commit the store keeps equal chunks once whatever the settings, so a dropout that passes its input on
    is counted here with the bytes of that input.
    """
    total = Captured()
    for number in numbers:
        one = capture(subject, scheme, [number], folder, Captured(), **NO_DEDUP)
        shutil.rmtree(folder)
        before = ""
        for layer, size in one.layers.items():
            if size == 0 and "dropout" in layer:
                one.layers[layer] = one.layers[before]
                one.partition_bytes += one.layers[before]
            before = layer
        for layer, size in one.layers.items():
            total.layers[layer] = total.layers.get(layer, 0) + size
        total.schemes = one.schemes
        for name in ("logical_bytes", "partition_bytes", "catalogue_bytes", "input_bytes", "weight_bytes"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
    return total


def head_alone(
    subject: Subject, number: int, inputs: NDArray[np.float32], schemes: Mapping[str, str], folder: Path
) -> Captured:
    """Log the dense layers of one checkpoint alone, from the values that they are given, and delete the store again."""
    import keras

    subject.checkpoint(number)
    given = keras.Input(inputs.shape[1:], name="flat")
    values = given
    for layer in ("dense", "logits"):
        values = subject.network.get_layer(layer)(values)
    head = Subject(subject.name, "", keras.Model(given, values), [], inputs)
    head.weights = [head.network.get_weights()]
    chosen = {layer: schemes[layer] for layer in ("dense", "logits")}
    captured = capture(head, chosen, [0], folder, Captured())
    shutil.rmtree(folder)
    return captured
