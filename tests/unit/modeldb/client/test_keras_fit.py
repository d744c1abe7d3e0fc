"""Keras' fit through a callback. In a file of its own: TensorFlow takes long to import."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from mistique_core.model.event import StageKind
from mistique_core.modeldb.client.autolog import trace
from tests.unit.modeldb.client.recorded import Sink


def network() -> Any:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy", metrics=["accuracy"])
    return model


def test_fit_and_predict() -> None:
    data = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["a", "b", "c"])
    data["y"] = (data["a"] > 0).astype(int)
    own = keras.Model.fit
    seen: list[int] = []
    listener = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    sink = Sink()
    with trace(sink):
        model = network()
        x = data[["a", "b", "c"]].to_numpy()
        history = model.fit(x, data["y"].to_numpy(), epochs=3, batch_size=10, verbose=0, callbacks=[listener])
        guess = model.predict(x, verbose=0)
        with pytest.raises(ValueError, match="incompatible with the layer"):
            model.fit(np.ones((4, 7)), np.ones(4), verbose=0)
    assert keras.Model.fit is own
    assert seen == [0, 1, 2]
    assert guess.shape == (40, 1)
    fit, predict, failed = sink.events
    facts = fit.fitted["model"].facts
    assert (fit.kind, fit.operator) == (StageKind.FIT, "keras:Model.fit")
    assert facts.history == {name: pytest.approx(values) for name, values in history.history.items()}
    assert fit.metrics == {name: pytest.approx(values[-1]) for name, values in history.history.items()}
    assert facts.hyperparameters["optimizer"] == "SGD"
    assert facts.hyperparameters["learning_rate"] == pytest.approx(0.1)
    assert (facts.hyperparameters["epochs"], facts.hyperparameters["batch_size"]) == (3, 10)
    assert facts.problem_type.value == "binary classification"
    assert [name for name, _ in fit.inputs["data"].columns or ()] == ["a", "b", "c", "y"]
    assert predict.inputs["model"] is fit.fitted["model"]
    assert failed.error is not None
    assert failed.error.startswith("ValueError")
