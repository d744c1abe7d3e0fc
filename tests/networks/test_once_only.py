"""A layer that is known is neither computed nor stored again; a pass begins at the first layer that is new."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError
from mistique_core.networks.calls import CompiledCall
from tests.networks.architectures import Architecture, cnn, vgg16
from tests.networks.test_equal_to_keras import assert_close


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the calls that are run, as they are run."""
    found: list[str] = []
    original = CompiledCall.__call__

    def call(self: CompiledCall, values: Any) -> Any:
        found.append(self._call.name)
        return original(self, values)

    monkeypatch.setattr(CompiledCall, "__call__", call)
    return found


def retrained(architecture: Architecture, *layers: str) -> None:
    rng = np.random.default_rng(7)
    for name in layers:
        layer = architecture.model.get_layer(name)
        layer.set_weights([item + rng.normal(0, 0.1, item.shape).astype(np.float32) for item in layer.get_weights()])


def log(store: Mistique, architecture: Architecture, **options: Any) -> Any:
    return store.log_intermediates(
        architecture.model, lambda: architecture.inputs, project="nets", model="m", batch_rows=20, **options
    )


def test_a_fine_tuned_network_is_computed_from_its_first_changed_layer(tmp_path: Path, computed: list[str]) -> None:
    architecture = vgg16()
    with Mistique.open(tmp_path) as store:
        first = log(store, architecture)
        assert all(layer.state == "stored" for layer in first.layers)
        retrained(architecture, "dense", "logits")
        computed.clear()
        second = log(store, architecture)
        states = {layer.name: layer.state for layer in second.layers}
        assert {name for name, state in states.items() if state == "stored"} == {"dense", "logits"}
        assert set(computed) == {"dense", "logits"}
        assert second.origin == (), "the layers that it begins with are stored exactly"
        assert second.stored_bytes < 0.02 * first.stored_bytes
        found = store.get_intermediates("nets.m@2.logits", strategy="read").values
        expected = architecture.model.predict(architecture.inputs["images"], batch_size=20, verbose=0)
        assert_close(found, expected, "logits")
        # Both versions answer, and a re-run of the second begins where its pass began.
        again = store.get_intermediates("nets.m@2.logits", strategy="rerun")
        assert_close(again.values, expected, "logits")
        assert again.plan.targets[0].stage_labels[0] in {"dense", "logits"}
        np.testing.assert_array_equal(
            store.get_intermediates("nets.m@1.b1_conv1").values, store.get_intermediates("nets.m@2.b1_conv1").values
        )


def test_a_lossy_start_is_told_and_an_exact_one_can_be_demanded(tmp_path: Path, computed: list[str]) -> None:
    architecture = cnn()
    scheme = {"drop": "bounded(0.5)", "flatten": "pool(2)+float16", "*": "bounded(0.5)"}
    with Mistique.open(tmp_path) as store:
        log(store, architecture, scheme=scheme)
        retrained(architecture, "probabilities")
        computed.clear()
        lossy = log(store, architecture, layers=["probabilities"], scheme="lossless")
        assert set(computed) == {"probabilities"}
        assert dict(lossy.origin) == {"flatten": "float16"}
        assert "lossy copies of flatten (float16)" in lossy.summary()
        read = store.get_intermediates("nets.m@2.probabilities", strategy="read")
        assert read.max_abs_error == math.inf
        assert dict(read.origin) == {"flatten": "float16"}
        expected = architecture.model.predict(architecture.inputs["images"], batch_size=20, verbose=0)
        assert 0 < np.abs(read.values - expected).max() < 0.01
        rerun = store.get_intermediates("nets.m@2.probabilities", strategy="rerun")
        assert (rerun.max_abs_error, dict(rerun.origin)) == (0.0, {})
        assert_close(rerun.values, expected, "probabilities")

        computed.clear()
        exact = log(store, architecture, layers=["probabilities"], scheme="lossless", exact=True)
        assert exact.origin == ()
        assert exact.layers[0].state == "stored", "what was computed from a lossy copy is not taken over"
        assert "conv1" in computed
        read = store.get_intermediates("nets.m@3.probabilities", strategy="read")
        assert read.max_abs_error == 0.0
        assert_close(read.values, expected, "probabilities")


def test_another_input_another_scheme_and_switched_off_reuse_compute_anew(tmp_path: Path, computed: list[str]) -> None:
    architecture = cnn()
    with Mistique.open(tmp_path) as store:
        log(store, architecture, scheme="lossless")
        calls = len(architecture.model.layers)
        for change, options in (
            ("input", {"scheme": "lossless"}),
            ("scheme", {"scheme": "float16"}),
            ("reuse", {"scheme": "lossless", "reuse": False}),
        ):
            computed.clear()
            if change == "input":
                architecture.inputs["images"] = architecture.inputs["images"] + np.float32(1)
            report = log(store, architecture, **options)
            assert {layer.state for layer in report.layers} == {"stored"}, change
            if change != "scheme":
                assert len(set(computed)) == calls, change
            if change == "reuse":
                assert report.stored_bytes == 0, "equal chunks are still stored once"


def test_frozen_layers_are_the_same_whatever_they_are_called_and_whether_they_can_be_trained(tmp_path: Path) -> None:
    import keras
    from keras import layers

    def net(name: str, *, trainable: bool) -> Architecture:
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [keras.Input((5,), name="x"), layers.Dense(4, name=f"{name}_a"), layers.Dense(3, name=f"{name}_b")]
        )
        model.layers[0].trainable = trainable
        return Architecture(model, {"x": np.arange(50, dtype=np.float32).reshape(10, 5)})

    with Mistique.open(tmp_path) as store:
        log(store, net("one", trainable=True))
        report = log(store, net("two", trainable=False))
        assert {layer.state for layer in report.layers} == {"reused"}
        # A layer that is dropped in training but stays the same in inference counts by its own weights.
        changed = net("three", trainable=False)
        retrained(changed, "three_b")
        assert [layer.state for layer in log(store, changed).layers] == ["reused", "stored"]


def test_what_draws_random_numbers_is_never_reused_nor_re_run(tmp_path: Path) -> None:
    import keras
    from keras import layers

    from tests.networks.own_layers import Noise

    inputs = keras.Input((50,), name="x")
    model = keras.Model(inputs, layers.Dense(3, name="after")(Noise(name="noise")(inputs)))
    architecture = Architecture(model, {"x": np.ones((40, 50), np.float32)})
    with Mistique.open(tmp_path) as store:
        log(store, architecture, scheme="lossless")
        assert {layer.state for layer in log(store, architecture, scheme="lossless").layers} == {"stored"}
        first, second = (store.get_intermediates(f"nets.m@{n}.noise").values for n in (1, 2))
        assert not np.array_equal(first, second)
        with pytest.raises(Exception, match="random numbers"):
            store.get_intermediates("nets.m.noise", strategy="rerun")


def test_what_was_built_for_training_runs_as_predict_runs_it(tmp_path: Path) -> None:
    import keras
    from keras import layers

    inputs = keras.Input((50,), name="x")
    model = keras.Model(inputs, layers.Dropout(0.5, name="drop")(inputs, training=True))
    rows = np.ones((40, 50), np.float32)
    with Mistique.open(tmp_path) as store:
        log(store, Architecture(model, {"x": rows}), scheme="lossless")
        np.testing.assert_array_equal(store.get_intermediates("nets.m.drop").values, model.predict(rows, verbose=0))


def test_a_taken_over_layer_is_re_run_with_its_own_weights(tmp_path: Path) -> None:
    """Whatever was captured with it the first time, and whatever its network called its layers then."""
    import keras
    from keras import layers

    def net(name: str) -> Architecture:
        keras.utils.set_random_seed(5)
        inputs = keras.Input((6,), name="x")
        values = inputs
        for letter in "abc":
            values = layers.Dense(8, activation="tanh", name=f"{name}{letter}")(values)
        rows = np.random.default_rng(0).standard_normal((60, 6)).astype(np.float32)
        return Architecture(keras.Model(inputs, values), {"x": rows})

    with Mistique.open(tmp_path) as store:
        log(store, net("o_"), scheme={"o_a": "bounded(0.8)", "*": "lossless"})
        for architecture, layers_ in ((net("o_"), ["o_c"]), (net("t_"), None)):
            scheme = {"t_a": "bounded(0.8)", "*": "lossless"} if layers_ is None else "lossless"
            report = log(store, architecture, scheme=scheme, layers=layers_)
            assert {layer.state for layer in report.layers} == {"reused"}
            expected = architecture.model.predict(architecture.inputs["x"], verbose=0)
            last = report.layers[-1].name
            for rows in (None, [3, 7]):
                found = store.get_intermediates(f"nets.m.{last}", row_id=rows, strategy="rerun")
                assert_close(found.values, expected if rows is None else expected[rows], last)
        # A re-run of the second layer begins before the lossy first one.
        plan = store.explain("nets.m.t_b", row_id=[1], strategy="rerun").targets[0]
        assert (plan.frontier_labels, plan.by_rows) == (("nets.m@3.x",), True)


def test_what_was_computed_from_a_lossy_copy_is_no_exact_start(tmp_path: Path) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(5)
    inputs = keras.Input((6,), name="x")
    first = layers.Dense(8, name="a")(inputs)
    model = keras.Model(inputs, layers.Dense(4, name="c")(layers.Dense(8, name="b")(first)))
    rows = np.random.default_rng(0).standard_normal((60, 6)).astype(np.float32)
    architecture = Architecture(model, {"x": rows})
    with Mistique.open(tmp_path) as store:
        log(store, architecture, scheme={"a": "bounded(0.8)", "*": "lossless"})
        retrained(architecture, "b", "c")
        report = log(store, architecture, scheme={"a": "bounded(0.8)", "*": "lossless"})
        assert dict(report.origin) == {"a": "bounded(0.8)"}
        found = store.get_intermediates("nets.m@2.c", strategy="rerun")
        assert found.plan.targets[0].frontier_labels == ("nets.m@2.x",)
        assert_close(found.values, model.predict(rows, verbose=0), "c")


def test_equal_settings_and_weights_are_not_equal_code(tmp_path: Path) -> None:
    """A function as activation, and rows that depend on their batch, are never taken over."""
    import keras
    from keras import layers

    inputs = keras.Input((4,), name="x")
    rows = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
    centred = inputs - keras.ops.mean(inputs, axis=0, keepdims=True)
    with Mistique.open(tmp_path) as store:
        for model in (
            keras.Model(inputs, layers.Activation(lambda values: values * 2, name="twice")(inputs)),
            keras.Model(inputs, layers.Dense(2, name="after")(centred)),
        ):
            for _ in range(2):
                wanted = [model.layers[-1].name]
                report = log(store, Architecture(model, {"x": rows}), scheme="lossless", layers=wanted)
                assert report.layers[-1].state == "stored"
        with pytest.raises(Exception, match="cannot be re-run"):
            store.get_intermediates("nets.m.after", row_id=[1], strategy="rerun")


def test_a_normalization_that_was_adapted_is_re_run_so(tmp_path: Path) -> None:
    import keras
    from keras import layers

    rows = np.random.default_rng(0).normal(5, 3, (40, 4)).astype(np.float32)
    normalization = layers.Normalization(name="scaled")
    normalization.adapt(rows)
    inputs = keras.Input((4,), name="x")
    wrapped = layers.TimeDistributed(layers.Dense(2), name="each")(layers.Reshape((2, 2))(normalization(inputs)))
    model = keras.Model(inputs, wrapped)
    with Mistique.open(tmp_path) as store:
        log(store, Architecture(model, {"x": rows}), scheme="lossless")
        expected = model.predict(rows, verbose=0)
        for key, values in (("scaled", (rows - rows.mean(axis=0)) / rows.std(axis=0)), ("each", expected)):
            assert_close(store.get_intermediates(f"nets.m.{key}", strategy="rerun").values, values, key)


def test_an_input_can_be_an_intermediate(tmp_path: Path) -> None:
    architecture = cnn()
    with Mistique.open(tmp_path) as store:
        ids = np.arange(83) * 2 + 1
        store.log_array("nets", "data", "pictures", architecture.inputs["images"], row_id=ids)
        before = store.stats().partition_bytes
        report = store.log_intermediates(
            architecture.model, lambda: "nets.data.pictures", project="nets", model="m", layers="probabilities"
        )
        assert report.input_bytes == 0
        result = store.get_intermediates("nets.m.probabilities")
        np.testing.assert_array_equal(result.row_id, ids)
        expected = architecture.model.predict(architecture.inputs["images"], verbose=0)
        assert_close(result.values, expected, "probabilities")
        assert_close(store.get_intermediates("nets.m.probabilities", strategy="rerun").values, expected, "re-run")
        assert store.stats().partition_bytes > before
        with pytest.raises(InvalidInputError, match="one column; name the whole intermediate"):
            store.log_intermediates(architecture.model, lambda: "nets.data.pictures.1", project="nets", model="m")
        store.log_array("nets", "data", "others", architecture.inputs["images"][:, :6])
        with pytest.raises(InvalidInputError, match=r"takes \(rows, 12, 12, 3\)"):
            store.log_intermediates(architecture.model, lambda: "nets.data.others", project="nets", model="m")
