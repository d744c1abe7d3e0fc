"""The callback keeps every n-th epoch, as files that give the network back and as intermediates."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, StorageError

keras = pytest.importorskip("keras")

from mistique_core.workflows.keras_checkpoints import LogCheckpoints  # noqa: E402
from tests.unit.workflows.sample_training import data, network  # noqa: E402

X, Y = data("one")


class Outputs(keras.callbacks.Callback):
    """Remembers what the network gives after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.after: dict[int, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        kernel, bias = self.model.get_layer("answer").get_weights()
        self.after[epoch + 1] = X.astype(float) @ kernel + bias


@pytest.fixture
def train() -> Callable[..., tuple[LogCheckpoints, dict[int, Any]]]:
    def run(epochs: int = 5, **settings: Any) -> tuple[LogCheckpoints, dict[int, Any]]:
        outputs, kept = Outputs(), LogCheckpoints("line", **settings)
        network().fit(X, Y, epochs=epochs, verbose=0, callbacks=[outputs, kept])
        return kept, outputs.after

    return run


def test_files_give_the_network_back(train: Any, tmp_path: Path) -> None:
    kept, after = train(every=2, folder=tmp_path / "new" / "folder", formats=["keras", "weights"])
    assert [(item.epoch, item.model, item.report) for item in kept.checkpoints] == [
        (2, "line_epoch02", None),
        (4, "line_epoch04", None),
    ]
    for item in kept.checkpoints:
        whole = keras.saving.load_model(item.paths["keras"])
        weighted = network(compiled=False)  # a new optimizer would have other variables
        weighted.load_weights(item.paths["weights"])
        for model in (whole, weighted):
            np.testing.assert_allclose(model.predict(X, verbose=0), after[item.epoch], rtol=1e-5, atol=1e-6)
    names = sorted(path.name for path in (tmp_path / "new" / "folder").iterdir())
    assert names == ["epoch02.keras", "epoch02.weights.h5", "epoch04.keras", "epoch04.weights.h5"]


def test_files_of_an_earlier_training_are_replaced(train: Any, tmp_path: Path) -> None:
    train(1, folder=tmp_path)
    kept, after = train(1, folder=tmp_path)
    loaded = keras.saving.load_model(kept.checkpoints[0].paths["keras"])
    np.testing.assert_allclose(loaded.predict(X, verbose=0), after[1], rtol=1e-5, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch01.keras"]


def test_each_checkpoint_becomes_a_model_of_its_own(train: Any, tmp_path: Path) -> None:
    """With the activations of that epoch, in a run that has ended."""
    ids = np.arange(16) * 3
    with Mistique.open(tmp_path) as store:
        kept, after = train(
            every=2,
            open_run=partial(store.run, "toys"),
            input_func=lambda: {"row_id": ids, "x": X},
            scheme="lossless",
            layers="answer",
        )
        assert set(store.intermediates("toys")["model"]) == {"line_epoch02", "line_epoch04"}
        for item in kept.checkpoints:
            found = store.get_intermediates(f"toys.{item.model}.answer.*")  # the latest complete version
            assert list(found.row_id) == list(ids)
            np.testing.assert_allclose(np.reshape(found.values, (16, 1)), after[item.epoch], rtol=1e-5, atol=1e-6)
            assert [layer.name for layer in item.report.layers] == ["answer"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "neither folder nor open_run"),
        ({"folder": "x", "every": 0}, "every=0"),
        ({"folder": "x", "formats": ["h5"]}, "must name one or more of keras, weights"),
        ({"folder": "x", "formats": []}, "must name one or more"),
        ({"folder": "x", "input_func": data}, "belong together"),
        ({"open_run": data}, "belong together"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        LogCheckpoints("line", **settings)
    with pytest.raises(InvalidInputError, match="model"):
        LogCheckpoints("a.b", folder="x")


def test_a_folder_that_cannot_be_written(train: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="choose another folder"):
        train(1, folder=tmp_path / "file")
