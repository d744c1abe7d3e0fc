"""CIFAR10_VGG16 of the thesis (Table 5.4): thirteen frozen convolutions, two dense layers that are trained."""

from __future__ import annotations

import os
import zipfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.workflows.cifar.feeds import INPUT
from mistique_core.workflows.cifar.images import SIDE

if TYPE_CHECKING:
    import keras

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Of each block the filters of a convolution and the number of convolutions; a 2 x 2 max pooling ends it."""
CONVOLUTIONS = tuple(f"block{block}_conv{n + 1}" for block, (_, size) in enumerate(BLOCKS, 1) for n in range(size))
"""Names of the thirteen convolutions in order."""
DENSE = ("dense", "logits")
"""Names of the dense layers in order."""


def build_vgg16(
    conv_weights: str | os.PathLike[str] | None = None,
    head_weights: str | os.PathLike[str] | None = None,
    seed: int = 0,
    learning_rate: float = 1e-3,
) -> keras.Model:
    """Return the network, compiled, its convolutions frozen.

    Its layers carry the names of Table 5.4: ``block1_conv1`` to ``block5_pool``, ``flatten``, ``dense``, ``logits``.

    Parameters
    ----------
    conv_weights
        A local ``.npz`` file with kernel and bias of each convolution in turn: ``w00`` (3, 3, 3, 64), ``w01`` (64,)
        and so on. ``None`` draws them.
    head_weights
        The same for the dense layers: ``w00`` (512, 256), ``w01``, ``w02`` (256, 10), ``w03``. ``None`` draws them.
    seed
        Seed of the weights that are drawn; two builds are equal.
    learning_rate
        Of Adam, which trains the dense layers.

    Raises
    ------
    NotFoundError
        If a file does not exist.
    InvalidInputError
        If a file holds something else.
    """
    import keras
    from keras import layers

    seeds = count(1_000 * seed)

    def he_normal() -> keras.initializers.Initializer:
        return keras.initializers.HeNormal(seed=next(seeds))

    images = keras.Input((SIDE, SIDE, 3), name=INPUT)
    values = images
    names = iter(CONVOLUTIONS)
    for block, (filters, size) in enumerate(BLOCKS, start=1):
        for _ in range(size):
            values = layers.Conv2D(
                filters,
                3,
                padding="same",
                activation="relu",
                kernel_initializer=he_normal(),
                trainable=False,
                name=next(names),
            )(values)
        values = layers.MaxPooling2D(2, name=f"block{block}_pool")(values)
    values = layers.Flatten(name="flatten")(values)
    values = layers.Dense(256, activation="relu", kernel_initializer=he_normal(), name=DENSE[0])(values)
    logits = layers.Dense(10, kernel_initializer=he_normal(), name=DENSE[1])(values)
    network = keras.Model(images, logits, name="cifar10_vgg16")
    for path, chosen in ((conv_weights, CONVOLUTIONS), (head_weights, DENSE)):
        if path is not None:
            _load(network, chosen, Path(path).expanduser())
    network.compile(
        optimizer=keras.optimizers.Adam(learning_rate=learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return network


def _load(network: keras.Model, names: tuple[str, ...], path: Path) -> None:
    """Give layers the weights of a file."""
    weights = _read(path)
    expected = [array.shape for name in names for array in network.get_layer(name).get_weights()]
    found = [array.shape for array in weights]
    if found != expected:
        raise InvalidInputError(
            f"{str(path)!r} holds {len(found)} arrays of the shapes {found}; "
            f"{names[0]} to {names[-1]} take {len(expected)}: {expected}"
        )
    for position, name in enumerate(names):
        network.get_layer(name).set_weights(weights[2 * position : 2 * position + 2])


def _read(path: Path) -> list[NDArray[Any]]:
    """Return the arrays ``w00``, ``w01``, ... of a file in order."""
    if not path.is_file():
        raise NotFoundError(f"file {str(path)!r} does not exist; give the path of a .npz file with weights")
    try:
        with np.load(path) as file:
            return [file[name] for name in sorted(file)]
    except (zipfile.BadZipFile, OSError, ValueError, AttributeError, TypeError) as error:
        raise InvalidInputError(f"{str(path)!r} cannot be read as a .npz file of weights: {error}") from error
