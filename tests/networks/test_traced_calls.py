"""The calls of a new network are compiled while its input is stored; what goes wrong then goes wrong as it would."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError
from mistique_core.networks.calls import CompiledCall
from tests.networks.architectures import Architecture, cnn
from tests.networks.test_equal_to_keras import assert_close
from tests.networks.test_once_only import log, retrained

ROWS = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the calls that are compiled ahead."""
    found: list[str] = []
    original = CompiledCall.trace

    def trace(self: CompiledCall) -> None:
        found.append(self.name)
        assert threading.current_thread().name == "mistique-trace"
        original(self)

    monkeypatch.setattr(CompiledCall, "trace", trace)
    return found


def test_only_the_calls_that_run_and_only_of_a_network_that_is_new(tmp_path: Path, traced: list[str]) -> None:
    architecture = cnn()
    with Mistique.open(tmp_path) as store:
        log(store, architecture, layers=["pool"], scheme="lossless")
        assert traced == ["conv1", "norm", "pool"]
        traced.clear()
        retrained(architecture, "probabilities")
        log(store, architecture, scheme="lossless")
        assert traced == [], "it may take over layers of one whose weights are stored"
        found = store.get_intermediates("nets.m@2.probabilities", strategy="read").values
        assert_close(found, architecture.model.predict(architecture.inputs["images"], verbose=0), "probabilities")


def test_an_input_that_is_refused_ends_it(tmp_path: Path, traced: list[str]) -> None:
    with Mistique.open(tmp_path) as store:
        with pytest.raises(InvalidInputError, match="the network takes"):
            store.log_intermediates(cnn().model, lambda: np.zeros((3, 2), np.float32), project="nets", model="m")
        assert not any(thread.name == "mistique-trace" for thread in threading.enumerate())
    assert len(traced) <= 1, "no other call is compiled in vain"


def test_not_beside_the_code_that_makes_batches(tmp_path: Path, traced: list[str]) -> None:
    architecture = cnn()
    images = architecture.inputs["images"]
    with Mistique.open(tmp_path) as store:
        store.log_intermediates(
            architecture.model, lambda: iter([images[:40], images[40:]]), project="nets", model="m", progress=False
        )
    assert traced == []


def with_layer(call: Any) -> Architecture:
    import keras
    from keras import layers

    class Own(layers.Layer):  # type: ignore[misc]
        def call(self, values: Any) -> Any:
            return call(values)

    inputs = keras.Input((4,), name="x")
    return Architecture(keras.Model(inputs, layers.Dense(3, name="after")(Own(name="own")(inputs))), {"x": ROWS})


def test_a_layer_that_compiles_in_one_thread_only(tmp_path: Path, traced: list[str]) -> None:
    here = threading.current_thread()

    def call(values: Any) -> Any:
        if threading.current_thread() is not here:
            raise RuntimeError("another thread")
        return values * 2

    architecture = with_layer(call)
    with Mistique.open(tmp_path) as store:
        log(store, architecture, scheme="lossless")
        assert traced == ["own"], "the others are compiled when they run"
        expected = architecture.model.predict(ROWS, verbose=0)
        assert_close(store.get_intermediates("nets.m.after", strategy="read").values, expected, "after")


def test_the_error_of_a_layer_is_raised_by_the_pass(tmp_path: Path, traced: list[str]) -> None:
    works = True

    def call(values: Any) -> Any:
        if not works:
            raise ValueError("seven is no size")
        return values

    architecture = with_layer(call)
    works = False
    with Mistique.open(tmp_path) as store, pytest.raises(ValueError, match="seven is no size"):
        log(store, architecture, scheme="lossless")
    assert traced == ["own"]
    assert not any(thread.name == "mistique-trace" for thread in threading.enumerate())
