"""The training stage: its curve, what it was trained with, and what it refuses."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.workflows.train_keras import TrainKerasStage, training_facts

keras = pytest.importorskip("keras")

from tests.unit.workflows.sample_training import CODE, data, network  # noqa: E402


def stage(model: str = "network", **settings: Any) -> TrainKerasStage:
    return TrainKerasStage(f"{CODE}:{model}", f"{CODE}:data", **{"epochs": 3, **settings})


def test_the_curve_is_that_of_a_training_by_hand() -> None:
    result = stage(seed=5, batch_size=4).execute({})
    keras.utils.set_random_seed(5)
    (x, y), validation = data()
    by_hand = network().fit(x, y, validation_data=validation, epochs=3, batch_size=4, verbose=0).history
    curve = result.frames["history"]
    assert list(curve.index) == [1, 2, 3]
    assert (curve.index.name, curve.index.dtype) == ("row_id", np.int64)
    assert set(curve) == {"loss", "val_loss"}
    for name, values in by_hand.items():
        np.testing.assert_allclose(curve[name], values, rtol=1e-5)
        assert result.metrics[name] == pytest.approx(values[-1], rel=1e-5)


def test_without_data_to_validate_with() -> None:
    result = stage(data_arguments={"form": "one"}).execute({})
    assert list(result.frames["history"]) == ["loss"]


def test_a_training_that_diverges_is_recorded_without_numbers_that_are_none() -> None:
    """The database takes no NaN as a metric; the curve shows where it began."""
    result = stage("diverging").execute({})
    assert not math.isfinite(result.frames["history"]["loss"].iloc[-1])
    assert "loss" not in result.metrics


def test_what_it_was_trained_with() -> None:
    model = network(loss=keras.losses.MeanAbsoluteError())
    facts = training_facts(model, 3, 64, None)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert (facts["optimizer"], facts["loss"], facts["seed"]) == ("Adam", "mean_absolute_error", None)
    assert facts["optimizer_learning_rate"] == pytest.approx(0.1)
    assert facts["optimizer_beta_1"] == 0.9
    assert [(layer["name"], layer["weights"]) for layer in facts["architecture"]] == [("x", 0), ("answer", 3)]


def test_it_is_rebuilt_from_its_parameters() -> None:
    made = stage(seed=None, model_arguments={"compiled": True})
    again = TrainKerasStage.from_params(json.loads(json.dumps(made.params())))
    assert again.params() == made.params()
    assert again.callbacks == []


def test_callbacks_are_called_and_it_never_is_reused(tmp_path: Any) -> None:
    epochs: list[int] = []
    with Mistique.open(tmp_path) as store:
        for _ in range(2):
            made = stage()
            made.callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: epochs.append(epoch)))
            with store.run("toys", "line") as run:
                outcome = run.stage("train", made)
            assert not outcome.reused
        assert len(store.get_intermediates("toys.line@2.train_history").frame) == 3
    assert epochs == [0, 1, 2] * 2


@pytest.mark.parametrize("setting", ["epochs", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3"])
def test_numbers_that_are_none(setting: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"{setting}={value!r} is not a positive integer"):
        stage(**{setting: value})


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("network", {"model_arguments": {"compiled": False}}, "a network that is not compiled"),
        ("no_network", {}, "returned int; return a keras.Model"),
        *(("network", {"data_arguments": {"form": form}}, "of another form") for form in ("array", "three", "mixed")),
    ],
)
def test_functions_that_return_something_else(model: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        stage(model, **settings).execute({})


def test_functions_that_do_not_exist() -> None:
    with pytest.raises(NotFoundError, match="model_function"):
        stage("netwrok").execute({})


def test_its_curve_in_tensorboard(tmp_path: Any) -> None:
    """TensorBoard's own reader gives the values of each epoch, counted from 1, each once."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from mistique_core.exports.tensorboard import export_curves

    with Mistique.open(tmp_path / "store") as store:
        with store.run("toys", "line") as run:
            run.stage("train", stage(seed=5))
        curve = store.get_intermediates("toys.line.train_history").frame
        export_curves(store, "toys", "line", tmp_path / "logs")
    events = accumulator.EventAccumulator(str(tmp_path / "logs" / "toys.line@1")).Reload()
    for name in curve:
        read = [(event.step, event.value) for event in events.Scalars(f"train/{name}")]
        assert read == [(epoch, pytest.approx(value, rel=1e-6)) for epoch, value in curve[name].items()]
        assert events.Scalars(f"metrics/train/{name}")[0].value == pytest.approx(curve[name].iloc[-1], rel=1e-6)
