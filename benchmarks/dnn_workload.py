"""The trained CIFAR10_VGG16 and its images, and how to log it into a store."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.data_folder import data_folder
from mistique_core import Mistique
from mistique_core.workflows.cifar import build_vgg16, prepare, read_images

PROJECT = "cifar10"
BATCH_ROWS = 1_000
WEIGHTS = "vgg16_cifar10"
IMAGES = "cifar10_10k.npz"
SCHEMES: dict[str, str | None] = {
    "float32": "lossless",
    "float16": "float16",
    "kbit8": "kbit(8)",
    "pool2": "pool(2)+float16",
    "poolS": "pool(S)",
    "default": None,
}
"""Key in a report -> scheme of all layers; ``None`` for the rule by size."""


class Cost(NamedTuple):
    """Seconds of one action.

    Attributes
    ----------
    wall
        Elapsed.
    cpu
        Of this process, all threads together.
    """

    wall: float
    cpu: float


def cost(action: Callable[[], object]) -> Cost:
    """Return what one call takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def needed_files(heads: Sequence[int] = (0,)) -> Path:
    """Return the data folder, or end the program and say which files it lacks."""
    return data_folder(IMAGES, f"{WEIGHTS}/conv.npz", *(f"{WEIGHTS}/head_{head:02d}.npz" for head in heads))


def network(folder: Path, head: int = 0) -> Any:
    """Return the network with one of its ten checkpoints."""
    weights = folder / WEIGHTS
    return build_vgg16(weights / "conv.npz", weights / f"head_{head:02d}.npz")


def images(folder: Path, rows: int) -> np.ndarray:
    """Return the first images as the network takes them; more than the file holds are its images again."""
    held = read_images(path=folder / IMAGES).images
    return prepare(np.resize(held, (rows, *held.shape[1:])) if rows > len(held) else held[:rows])


def layer_names(model: Any) -> list[str]:
    """Return the names of layers 1 to 21 of Table 5.4."""
    return [layer.name for layer in model.layers if type(layer).__name__ != "InputLayer"]


def batch_bytes(model: Any, rows: int = BATCH_ROWS) -> int:
    """Return the bytes of all layers for so many rows."""
    layers = (model.get_layer(name) for name in layer_names(model))
    return rows * sum(4 * int(np.prod(layer.output.shape[1:])) for layer in layers)


def new_store(folder: Path) -> Mistique:
    """Return an empty store, which takes the place of what is in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    return Mistique.open(folder, cache_bytes=0)


def capture(store: Mistique, model: Any, inputs: np.ndarray, name: str = "vgg16", **options: Any) -> Any:
    """Log the layers of a network, and return the report."""
    return store.log_intermediates(
        model, lambda: inputs, project=PROJECT, model=name, batch_rows=BATCH_ROWS, progress=False, **options
    )
