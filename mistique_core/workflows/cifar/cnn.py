"""CIFAR10_CNN of the thesis (5.7.1): four convolutions and two dense layers, trained from scratch."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from mistique_core.workflows.cifar.feeds import INPUT
from mistique_core.workflows.cifar.images import SIDE

if TYPE_CHECKING:
    import keras


def build_cnn(seed: int = 0, learning_rate: float = 1e-3, classes: int = 10) -> keras.Model:
    """Return the network, compiled, with new weights.

    It is the small network of Keras's old example ``cifar10_cnn.py`` that the thesis names, with logits as its
    output. Nothing but the arguments decides its weights: two builds are equal, whatever was built before.

    Parameters
    ----------
    seed
        Seed of the weights and of what the dropout leaves out.
    learning_rate
        Of RMSprop.
    classes
        Number of logits.
    """
    import keras
    from keras import layers

    seeds = count(1_000 * seed)

    def glorot() -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    def convolution(filters: int, name: str, padding: str) -> keras.layers.Layer:
        return layers.Conv2D(filters, 3, padding=padding, activation="relu", kernel_initializer=glorot(), name=name)

    images = keras.Input((SIDE, SIDE, 3), name=INPUT)
    values = images
    for block, filters in enumerate((32, 64), start=1):
        values = convolution(filters, f"block{block}_conv1", "same")(values)
        values = convolution(filters, f"block{block}_conv2", "valid")(values)
        values = layers.MaxPooling2D(2, name=f"block{block}_pool")(values)
        values = layers.Dropout(0.25, seed=next(seeds), name=f"block{block}_dropout")(values)
    values = layers.Flatten(name="flatten")(values)
    values = layers.Dense(512, activation="relu", kernel_initializer=glorot(), name="dense")(values)
    values = layers.Dropout(0.5, seed=next(seeds), name="dropout")(values)
    logits = layers.Dense(classes, kernel_initializer=glorot(), name="logits")(values)
    network = keras.Model(images, logits, name="cifar10_cnn")
    network.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate=learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return network
