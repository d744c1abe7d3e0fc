"""What is captured is what Keras itself computes, layer by layer and row by row."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mistique_core import Mistique
from mistique_core.engine.stored_array import StoredArray
from tests.networks.architectures import Architecture, two_inputs

BATCH_ROWS = 20


@pytest.fixture(scope="module")
def predicted(architecture: Architecture) -> dict[str, NDArray[Any]]:
    """Return layer -> what Keras predicts for it, of layers that are called once."""
    import keras

    model = architecture.model
    wanted = {}
    for layer in model.layers:
        if isinstance(layer, (keras.Model, keras.layers.InputLayer)) or len(layer._inbound_nodes) > 1:
            continue
        outputs = layer.output if isinstance(layer.output, (list, tuple)) else [layer.output]
        for number, output in enumerate(outputs):
            wanted[layer.name if len(outputs) == 1 else f"{layer.name}_{number}"] = output
    inputs = [architecture.inputs[item.name] for item in model.inputs]
    given = inputs if len(inputs) > 1 else inputs[0]
    found: dict[str, NDArray[Any]] = keras.Model(model.inputs, wanted).predict(given, batch_size=BATCH_ROWS, verbose=0)
    return found


def stored(store: Mistique, key: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the whole of a layer by plain reading, as (rows, *map, units), and the row ids."""
    result = store.get_intermediates(key, strategy="read")
    return result.values, result.row_id


def assert_close(found: NDArray[Any], expected: NDArray[Any], name: str) -> None:
    scale = max(float(np.abs(expected).max(initial=0.0)), 1e-30)
    error = float(np.abs(found.reshape(expected.shape).astype(np.float64) - expected).max(initial=0.0))
    assert error <= 4e-6 * scale, f"{name}: off by {error / scale} of its largest value"


def test_every_layer_is_what_keras_computes(
    architecture: Architecture, predicted: dict[str, NDArray[Any]], tmp_path: Path
) -> None:
    with Mistique.open(tmp_path) as store:
        report = store.log_intermediates(
            architecture.model,
            lambda: architecture.inputs,
            project="nets",
            model="m",
            scheme="lossless",
            batch_rows=BATCH_ROWS,
        )
        names = [layer.name for layer in report.layers]
        assert set(predicted) <= set(names)
        for name, values in predicted.items():
            found, ids = stored(store, f"nets.m.{name}")
            assert found.dtype == values.dtype
            np.testing.assert_array_equal(ids, np.arange(architecture.rows))
            assert_close(found, values, name)
        assert store.check(read_data=True).problems == ()


def test_nested_and_shared_layers_are_captured_call_by_call(tmp_path: Path) -> None:
    """The oracle is each layer called by hand, in the order in which the network was written."""
    from tests.networks.architectures import resnet

    one, two = resnet(), two_inputs()
    with Mistique.open(tmp_path) as store:
        for architecture, model in ((one, "resnet"), (two, "two")):
            store.log_intermediates(
                architecture.model, lambda a=architecture: a.inputs, project="nets", model=model, scheme="lossless"
            )
        layer = one.model.get_layer
        values = np.asarray(layer("stem")(one.inputs["images"]))
        for number, name in enumerate(("shared", "shared_1")):
            branch = layer("shared")(layer(f"norm{number}")(values, training=False))
            assert_close(stored(store, f"nets.resnet.{name}")[0], np.asarray(branch), name)
            values = values + np.asarray(branch)
        encoder = two.model.get_layer("encoder")
        for facts, suffix in ((two.inputs["facts"], ""), (two.inputs["facts"] * 2.0, "_1")):
            hidden = encoder.layers[0](facts)
            name = f"encoder__{encoder.layers[0].name}{suffix}"
            assert_close(stored(store, f"nets.two.{name}")[0], np.asarray(hidden), name)
            name = f"encoder__{encoder.layers[1].name}{suffix}"
            assert_close(stored(store, f"nets.two.{name}")[0], np.asarray(encoder.layers[1](hidden)), name)


def test_an_input_too_large_to_be_held_is_read_from_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layers are the same, bit for bit."""
    architecture = two_inputs()
    found: list[dict[str, bytes]] = []
    reads: list[int] = []
    original = StoredArray.slice

    def noting(self: StoredArray, start: int, stop: int) -> NDArray[Any]:
        reads[-1] += 1
        return original(self, start, stop)

    monkeypatch.setattr(StoredArray, "slice", noting)
    for folder, limit in (("held", 1 << 20), ("read", 0)):
        monkeypatch.setattr("mistique_core.networks.input_log.MOST_HELD_BYTES", limit)
        reads.append(0)
        with Mistique.open(tmp_path / folder) as store:
            report = store.log_intermediates(
                architecture.model, lambda: architecture.inputs, project="nets", model="m", batch_rows=BATCH_ROWS
            )
            found.append({layer.name: stored(store, f"nets.m.{layer.name}")[0].tobytes() for layer in report.layers})
    assert found[0] == found[1]
    assert reads[0] == 0 < reads[1]


def test_rows_are_aligned_by_row_id_under_shuffled_and_uneven_batches(
    architecture: Architecture, predicted: dict[str, NDArray[Any]], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    order = rng.permutation(architecture.rows)
    ids = order * 3 + 100

    def batches() -> Iterator[dict[str, Any]]:
        start = 0
        while start < len(order):
            stop = start + int(rng.integers(1, 30))
            places = order[start:stop]
            yield {"row_id": ids[start:stop], **{name: array[places] for name, array in architecture.inputs.items()}}
            start = stop

    with Mistique.open(tmp_path) as store:
        store.log_intermediates(
            architecture.model, batches, project="nets", model="m", scheme="lossless", batch_rows=BATCH_ROWS
        )
        wanted = np.sort(ids)
        for name, values in predicted.items():
            result = store.get_intermediates(f"nets.m.{name}", row_id=wanted, strategy="read")
            np.testing.assert_array_equal(result.row_id, wanted)
            assert_close(result.values, values, name)


def test_a_file_and_weights_with_a_function_give_what_the_model_gives(tmp_path: Path) -> None:
    from tests.networks.architectures import cnn

    architecture = cnn()
    architecture.model.save(tmp_path / "net.keras")
    architecture.model.save_weights(tmp_path / "net.weights.h5")

    def untrained() -> Any:
        import keras

        made = keras.models.clone_model(architecture.model)
        assert not np.array_equal(made.get_weights()[0], architecture.model.get_weights()[0])
        return made

    options: dict[str, Any] = {"project": "nets", "scheme": "lossless"}
    with Mistique.open(tmp_path / "store") as store:

        def give() -> Any:
            return architecture.inputs

        store.log_intermediates(architecture.model, give, model="live", **options)
        whole = store.log_intermediates(tmp_path / "net.keras", give, model="file", **options)
        weights = store.log_intermediates(
            tmp_path / "net.weights.h5", give, model="weights", model_function=untrained, **options
        )
        # The same layers with the same weights on the same input, wherever they come from, are known.
        for report in (whole, weights):
            assert {layer.state for layer in report.layers} == {"reused"}
            assert report.stored_bytes == 0
