"""What cannot be logged is refused with the value and the remedy, and nothing is left behind."""

import threading
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
        ({"variation": "v1"}, "variation is for a YAML file", InvalidInputError),
    ],
)
def test_an_option_that_cannot_be(
    net: Architecture, options: dict[str, Any], match: str, error: type[Exception], tmp_path: Path
) -> None:
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


def test_a_value_that_the_scheme_cannot_hold_ends_the_capture_and_leaves_nothing(tmp_path: Path) -> None:
    """The sample has no NaN; row block 2 has: the thread that encodes it stops the network."""
    import keras
    from keras import layers

    inputs = keras.Input((4,), name="x")
    model = keras.Model(inputs, layers.Dense(3, name="d")(keras.ops.log(inputs)))
    rows = np.ones((1_000, 4), np.float32)
    rows[453] = -1.0
    with Mistique.open(tmp_path) as store:
        options: dict[str, Any] = {"project": "nets", "model": "m", "batch_rows": 100}
        with pytest.raises(InvalidInputError, match=r"kbit\(8\) cannot hold NaN"):
            store.log_intermediates(model, lambda: rows, scheme="kbit(8)", **options)
        assert store.intermediates()["intermediate"].tolist() == ["x"]
        store.gc(grace_seconds=0)
        assert store.check(read_data=True).problems == ()
        report = store.log_intermediates(model, lambda: rows, scheme="bounded(0.1)", **options)
        assert report.is_complete
        assert np.isnan(store.get_intermediates("nets.m.d", row_id=[453]).values).all()


def test_bytes_that_cannot_be_written_end_the_capture(
    net: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mistique_core.engine.chunk_writer import ChunkWriter

    with Mistique.open(tmp_path, partition_bytes=30_000) as store:
        original, count = ChunkWriter.put, 0

        def put(self: ChunkWriter, *given: Any) -> Any:
            nonlocal count
            count += "ahead" not in threading.current_thread().name  # weights are put meanwhile
            if count == 12:
                raise StorageError("no space left on device")
            return original(self, *given)

        monkeypatch.setattr(ChunkWriter, "put", put)
        options: dict[str, Any] = {"project": "nets", "model": "m", "scheme": "lossless", "batch_rows": 10}
        with pytest.raises(StorageError, match="no space left"):
            store.log_intermediates(net.model, lambda: net.inputs, **options)
        assert store.check(read_data=True).problems == ()
        report = store.log_intermediates(net.model, lambda: net.inputs, **options)
        assert report.is_complete
        assert 0 < report.blocks < 9, "what was registered before is not computed again"
        assert len(store.get_intermediates("nets.m.flatten").values) == 83
