"""Train a Keras network: the curve of its metrics, and what it was trained with."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.fitted.facts import fit_facts
from mistique_core.frames import ROW_ID
from mistique_core.lineage import imported_packages
from mistique_core.model import Stage, StageKind, StageResult
from mistique_core.workflows.code_location import named_code

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

HISTORY = "history"
"""Name of the output with one row an epoch."""

NETWORK = "network"
"""Name that ModelDB gives the trained network, which its callbacks write."""


class TrainKerasStage(Stage):
    """Train a network on data; both come from functions.

    The output ``history`` has one row an epoch, whose row id is the epoch, counted from 1, and one float64 column a
    metric. The metrics of the last epoch are the stage's metrics, but for those that are not finite. What the
    optimizer and the loss were configured with, and the layers, are its hyperparameters. The stage is never reused:
    its network lives in files and intermediates that its callbacks write.

    Parameters
    ----------
    model_function
        ``package.module:function``, which returns a compiled network.
    data_function
        ``package.module:function``, which returns ``(x, y)`` to train on, or ``((x, y), (x, y))``, the second to
        validate with.
    epochs
        How often the data is gone through, at least 1.
    batch_size
        Rows of a step, at least 1.
    seed
        Seed of Python, NumPy and TensorFlow, which shuffle the rows: set for the process before the network is
        built. ``None`` leaves them as they are.
    model_arguments, data_arguments
        Arguments of the two functions: JSON values.

    Attributes
    ----------
    callbacks
        Keras callbacks of the training, such as :class:`mistique_core.workflows.keras_checkpoints.LogCheckpoints`;
        not part of the recorded stage.
    """

    kind = StageKind.FIT
    is_source = True
    outputs = (HISTORY,)

    def __init__(
        self,
        model_function: str,
        data_function: str,
        epochs: int = 10,
        batch_size: int = 64,
        seed: int | None = 0,
        model_arguments: Mapping[str, Any] | None = None,
        data_arguments: Mapping[str, Any] | None = None,
    ) -> None:
        for name, value in (("epochs", epochs), ("batch_size", batch_size)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidInputError(f"{name}={value!r} is not a positive integer; give a number of at least 1")
        self.model_function = model_function
        self.data_function = data_function
        self.epochs = epochs
        self.batch_size = batch_size
        self.seed = seed
        self.model_arguments = dict(model_arguments or {})
        self.data_arguments = dict(data_arguments or {})
        self.callbacks: list[Any] = []

    @property
    def deterministic(self) -> bool:
        """See :class:`Stage`: threads add up in any order, and the checkpoints are what it is run for."""
        return False

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {
            "model_function": self.model_function,
            "data_function": self.data_function,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "model_arguments": self.model_arguments,
            "data_arguments": self.data_arguments,
        }

    def functions(self) -> Sequence[Callable[..., Any]]:
        """See :class:`Stage`."""
        return (
            named_code(self.model_function, "model_function"),
            named_code(self.data_function, "data_function"),
        )

    def packages(self) -> Sequence[str]:
        """See :class:`Stage`."""
        used = {name for function in self.functions() for name in imported_packages(function)}
        return tuple(sorted({"numpy", "pandas", "keras", "tensorflow", *used}))

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Train.

        Raises
        ------
        InvalidInputError
            If the functions return something else than a compiled network and its data.
        """
        import keras

        build, read = self.functions()
        if self.seed is not None:
            keras.utils.set_random_seed(self.seed)
        network = build(**self.model_arguments)
        if not isinstance(network, keras.Model) or not network.compiled:
            what = "a network that is not compiled" if isinstance(network, keras.Model) else type(network).__name__
            raise InvalidInputError(
                f"model_function {self.model_function!r} returned {what}; return a keras.Model after compile()"
            )
        (x, y), validation = _parts(read(**self.data_arguments), self.data_function)
        history = network.fit(
            x,
            y,
            validation_data=validation,
            epochs=self.epochs,
            batch_size=self.batch_size,
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=self._tell), *self.callbacks],
        )
        curve = pd.DataFrame(history.history, dtype="float64")
        curve.index = pd.Index([epoch + 1 for epoch in history.epoch], dtype="int64", name=ROW_ID)
        last = curve.iloc[-1].to_dict()
        return StageResult(
            frames={HISTORY: curve},
            metrics={str(name): float(value) for name, value in last.items() if math.isfinite(value)},
            hyperparameters=training_facts(network, self.epochs, self.batch_size, self.seed),
            about={NETWORK: fit_facts(history)},
        )

    def _tell(self, epoch: int, logs: Mapping[str, float] | None) -> None:
        values = ", ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        log.info("epoch %d of %d: %s", epoch + 1, self.epochs, values)


def training_facts(network: keras.Model, epochs: int, batch_size: int, seed: int | None) -> dict[str, Any]:
    """Return what a compiled network is trained with, as JSON values.

    Returns
    -------
    dict
        ``epochs``, ``batch_size``, ``seed``, ``loss``, ``optimizer`` (its class name), ``optimizer_<setting>``, and
        ``architecture``: of each layer ``name``, ``type``, ``shape`` of one example's output, ``weights`` (their
        number) and ``trainable``.
    """
    loss = network.loss
    optimizer = {f"optimizer_{name}": value for name, value in network.optimizer.get_config().items()}
    facts = {
        "epochs": epochs,
        "batch_size": batch_size,
        "seed": seed,
        "loss": loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", str(loss)),
        "optimizer": type(network.optimizer).__name__,
        **optimizer,
        "architecture": [_layer_facts(layer) for layer in network.layers],
    }
    return dict(json.loads(json.dumps(facts, default=str)))


def _layer_facts(layer: Any) -> dict[str, Any]:
    output: Any = getattr(layer, "output", None)
    return {
        "name": layer.name,
        "type": type(layer).__name__,
        "shape": list(output.shape[1:]) if hasattr(output, "shape") else None,
        "weights": layer.count_params(),
        "trainable": layer.trainable,
    }


def _parts(data: Any, name: str) -> tuple[Any, Any]:
    """Return ``(x, y)`` and what to validate with, if anything."""
    if isinstance(data, tuple) and len(data) == 2:
        if not any(isinstance(part, tuple) for part in data):
            return data, None
        if all(isinstance(part, tuple) and len(part) == 2 for part in data):
            return data
    raise InvalidInputError(
        f"data_function {name!r} returned a {type(data).__name__} of another form; "
        "return (x, y), or ((x, y), (x, y)) with what to validate with"
    )
