"""Networks and data for tests of training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

CODE = "tests.unit.workflows.sample_training"


def network(compiled: bool = True, loss: Any = "mse") -> Any:
    inputs = keras.Input((2,), name="x")
    outputs = keras.layers.Dense(1, name="answer")(inputs)
    model = keras.Model(inputs, outputs)
    if compiled:
        model.compile(optimizer=keras.optimizers.Adam(0.1), loss=loss)
    return model


def diverging() -> Any:
    model = network()
    model.compile(optimizer=keras.optimizers.SGD(1e30), loss="mse", metrics=["mae"])
    return model


def no_network() -> int:
    return 3


def data(form: str = "both") -> Any:
    x = np.random.default_rng(0).standard_normal((16, 2)).astype(np.float32)
    pair = x, x[:, :1] * 2
    return {"one": pair, "both": (pair, pair), "array": x, "three": (x, x, x), "mixed": (pair, x)}[form]
