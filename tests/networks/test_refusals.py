"""What cannot be logged is refused with the value and the remedy, and nothing is left behind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, MistiqueError, NotFoundError, StorageError
from mistique_core.networks import estimate
from tests.networks.architectures import Architecture, cnn, two_inputs


@pytest.fixture(scope="module")
def net() -> Architecture:
    return cnn()


def refuse(store: Mistique, network: Any, given: Any, match: str, error: type[Exception], **options: Any) -> None:
    with pytest.raises(error, match=match) as caught:
        store.log_intermediates(network, lambda: given, project="nets", model="m", **options)
    assert isinstance(caught.value, MistiqueError)
    assert set(store.intermediates()["intermediate"]) <= {"images"}
    assert store.check(read_data=True).problems == ()


IMAGES = np.zeros((30, 12, 12, 3), np.float32)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (IMAGES[:, :5], r"takes \(rows, 12, 12, 3\)"),
        (np.array([["a"]]), "give numbers of shape"),
        (IMAGES[:0], "no rows"),
        ({"pictures": IMAGES}, "no input of the network; known: images"),
        ({"images": IMAGES, "row_id": np.zeros(30, np.int64)}, "row"),
        ({"images": IMAGES, "row_id": np.arange(29)}, "30 rows with 29 row ids"),
        ({"images": IMAGES, "row_id": np.linspace(0, 1, 30)}, "give one integer a row"),
        ([{"images": IMAGES, "row_id": np.arange(30)}, IMAGES], "with some batches and not with others"),
        ([IMAGES, IMAGES.astype(np.float64)], "give all batches alike"),
        (7, "return an array"),
    ],
)
def test_an_input_that_does_not_fit(net: Architecture, given: Any, match: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        refuse(store, net.model, given, match, InvalidInputError, batch_rows=10)


@pytest.mark.parametrize(
    ("options", "match", "error"),
    [
        ({"layers": ["conv1", "convv2"]}, "'convv2' names no layer of the network; did you mean", NotFoundError),
        ({"layers": []}, "no layer is left", InvalidInputError),
        ({"scheme": "pool(1)"}, "whole number from 2", InvalidInputError),
        ({"scheme": {"dense*": "float16"}}, "scheme: 'dense\\*' names no layer", NotFoundError),
        ({"batch_rows": 0}, "not a positive integer", InvalidInputError),
        ({"blocks": None, "variation": "v1"}, "variation is for a YAML file", InvalidInputError),
    ],
)
def test_an_option_that_cannot_be(
    net: Architecture, options: dict[str, Any], match: str, error: type[Exception], tmp_path: Path
) -> None:
    options.pop("blocks", None)
    with Mistique.open(tmp_path) as store:
        refuse(store, net.model, IMAGES, match, error, **options)


def test_row_blocks_that_do_not_exist(net: Architecture, tmp_path: Path) -> None:
    with (
        Mistique.open(tmp_path) as store,
        pytest.raises(InvalidInputError, match="row block 3 does not exist: 30 rows"),
    ):
        store.run("nets", "m").log_network(net.model, lambda: IMAGES, batch_rows=10, blocks=[0, 3])


def test_networks_that_are_none(net: Architecture, tmp_path: Path) -> None:
    import keras

    class Own(keras.Model):
        def call(self, values: Any) -> Any:
            return values

    (tmp_path / "broken.keras").write_bytes(b"no archive")
    net.model.save_weights(tmp_path / "w.weights.h5")
    with Mistique.open(tmp_path / "store") as store:
        refuse(store, Own(), IMAGES, "subclassed", InvalidInputError)
        refuse(store, tmp_path / "none.keras", IMAGES, "does not exist", NotFoundError)
        refuse(store, tmp_path / "broken.keras", IMAGES, "cannot be loaded", InvalidInputError)
        refuse(store, tmp_path / "w.weights.h5", IMAGES, "give model_function too", InvalidInputError)
        refuse(
            store,
            tmp_path / "w.weights.h5",
            IMAGES,
            "do not fit",
            InvalidInputError,
            model_function=lambda: two_inputs().model,
        )
        refuse(
            store,
            tmp_path / "w.weights.h5",
            IMAGES,
            "a str; return a Keras model",
            InvalidInputError,
            model_function=str,
        )


def test_a_capture_that_disk_or_memory_cannot_hold(
    net: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1_000

    with Mistique.open(tmp_path) as store:
        monkeypatch.setattr(estimate.shutil, "disk_usage", lambda folder: Usage)
        refuse(store, net.model, IMAGES, "needs about .* has 1.0 kB left; choose fewer layers", StorageError)
        monkeypatch.undo()
        monkeypatch.setattr(estimate, "_available_bytes", lambda: 100_000)
        refuse(store, net.model, IMAGES, r"batch of 1000 rows takes .* give batch_rows=\d+", InvalidInputError)


def test_a_layer_that_gives_no_value_for_each_row(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((4,), name="x")
    model = keras.Model(inputs, keras.ops.sum(inputs, axis=0))
    with Mistique.open(tmp_path) as store, pytest.raises(InvalidInputError, match="gives an array of shape"):
        store.log_intermediates(model, lambda: np.ones((6, 4), np.float32), project="nets", model="m")
