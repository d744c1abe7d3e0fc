"""Five architectures with seeded weights, and inputs for them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Architecture:
    """A network, and arrays for its inputs by name."""

    model: Any
    inputs: dict[str, NDArray[Any]]

    @property
    def rows(self) -> int:
        return len(next(iter(self.inputs.values())))


def cnn() -> Architecture:
    """Convolutions, batch norm with moving statistics that are not those of a new layer, and dropout."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3), name="images"),
            layers.Conv2D(20, 3, padding="same", activation="relu", name="conv1"),
            layers.BatchNormalization(name="norm"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(24, 3, activation="relu", name="conv2"),
            layers.Dropout(0.5, name="drop"),
            layers.Flatten(name="flatten"),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ],
        name="cnn",
    )
    rng = np.random.default_rng(1)
    norm = model.get_layer("norm")
    norm.set_weights([rng.uniform(0.5, 1.5, item.shape).astype(np.float32) for item in norm.get_weights()])
    return Architecture(model, {"images": rng.standard_normal((83, 12, 12, 3)).astype(np.float32)})


def vgg16() -> Architecture:
    """The net of Table 5.4, with random weights."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(2)
    images = keras.Input((32, 32, 3), name="images")
    values = images
    for block, (count, units) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), start=1):
        for number in range(1, count + 1):
            values = layers.Conv2D(
                units,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                name=f"b{block}_conv{number}",
            )(values)
        values = layers.MaxPooling2D(name=f"b{block}_pool")(values)
    values = layers.Flatten(name="flatten")(values)
    values = layers.Dense(256, activation="relu", name="dense")(values)
    model = keras.Model(images, layers.Dense(10, name="logits")(values), name="vgg16")
    rng = np.random.default_rng(2)
    return Architecture(model, {"images": rng.standard_normal((23, 32, 32, 3)).astype(np.float32)})


def resnet() -> Architecture:
    """Skips, by a layer and by ``+``, and a shared layer."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    images = keras.Input((8, 8, 3), name="images")
    values = layers.Conv2D(16, 3, padding="same", name="stem")(images)
    shared = layers.Conv2D(16, 3, padding="same", activation="relu", name="shared")
    for number in range(2):
        branch = layers.BatchNormalization(name=f"norm{number}")(values)
        branch = shared(branch)
        values = layers.Add(name=f"add{number}")([values, branch])
    values = values + keras.ops.relu(values)
    values = layers.GlobalAveragePooling2D(name="mean")(values)
    model = keras.Model(images, layers.Dense(5, name="logits")(values), name="resnet")
    rng = np.random.default_rng(3)
    return Architecture(model, {"images": rng.standard_normal((61, 8, 8, 3)).astype(np.float32)})


def two_inputs() -> Architecture:
    """Two inputs, two outputs, nested models, a layer with several outputs, and masks."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(4)
    words = keras.Input((7,), dtype="int32", name="words")
    facts = keras.Input((4,), name="facts")
    embedded = layers.Embedding(11, 6, mask_zero=True, name="embedding")(words)
    text, last, _ = layers.LSTM(5, return_state=True, name="lstm")(embedded)
    encoder = keras.Sequential(
        [keras.Input((4,)), layers.Dense(6, activation="relu", name="inner"), layers.Dense(5, name="outer")],
        name="encoder",
    )
    joined = layers.Concatenate(name="joined")([text, encoder(facts), encoder(facts * 2.0)])
    model = keras.Model([words, facts], [layers.Dense(3, name="classes")(joined), last], name="two_inputs")
    rng = np.random.default_rng(4)
    text_rows = rng.integers(0, 11, (97, 7)).astype(np.int32)
    text_rows[:, 0] = 1
    return Architecture(model, {"words": text_rows, "facts": rng.standard_normal((97, 4)).astype(np.float32)})


def mlp() -> Architecture:
    """Dense layers only."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((9,), name="features"),
            layers.Dense(40, activation="tanh", name="hidden1"),
            layers.Dense(30, activation="relu", name="hidden2"),
            layers.Dense(1, name="price"),
        ],
        name="mlp",
    )
    rng = np.random.default_rng(5)
    return Architecture(model, {"features": rng.standard_normal((215, 9)).astype(np.float32)})


ARCHITECTURES: tuple[Callable[[], Architecture], ...] = (cnn, vgg16, resnet, two_inputs, mlp)
