"""The facts of a Keras model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from mistique_core.fitted.facts.hyperparameters import as_json
from mistique_core.model.fit_facts import Feature, FitFacts, ProblemType

_LOSSES = {
    "binary_crossentropy": ProblemType.BINARY_CLASSIFICATION,
    "categorical_crossentropy": ProblemType.MULTICLASS_CLASSIFICATION,
    "sparse_categorical_crossentropy": ProblemType.MULTICLASS_CLASSIFICATION,
    "mean_squared_error": ProblemType.REGRESSION,
    "mse": ProblemType.REGRESSION,
    "mean_absolute_error": ProblemType.REGRESSION,
    "mae": ProblemType.REGRESSION,
    "huber": ProblemType.REGRESSION,
    "log_cosh": ProblemType.REGRESSION,
}


def is_keras(value: Any) -> bool:
    """Return whether a value is a Keras model or the History of a fit, without importing Keras."""
    keras = sys.modules.get("keras")
    if keras is None or not hasattr(keras, "Model") or not hasattr(keras, "callbacks"):
        return False
    return isinstance(value, (keras.Model, keras.callbacks.History))


def keras_facts(model: Any, history: Any = None, arguments: Mapping[str, Any] | None = None) -> FitFacts:
    """Return the facts of a Keras model.

    Parameters
    ----------
    model
        The model, or the ``History`` that its ``fit`` returned.
    history
        The History, or a mapping of name to one value an epoch.
    arguments
        What ``fit`` was called with, such as ``epochs`` and ``batch_size``: they count as hyperparameters.
    """
    if not hasattr(model, "layers") and hasattr(model, "history"):
        model, history = model.model, model
    epochs = getattr(history, "history", history) or {}
    loss = _loss_name(getattr(model, "loss", None))
    return FitFacts(
        type_name=type(model).__name__,
        problem_type=_LOSSES.get(loss or "", ProblemType.UNDEFINED),
        hyperparameters={**_optimizer(model), "loss": loss, **as_json(dict(arguments or {}))},
        features=tuple(Feature(str(name)) for name in getattr(model, "input_names", ())),
        prediction_columns=tuple(str(name) for name in getattr(model, "output_names", ())),
        history={str(name): tuple(float(value) for value in values) for name, values in epochs.items()},
    )


def _loss_name(loss: Any) -> str | None:
    if loss is None or isinstance(loss, str):
        return loss
    name = getattr(loss, "name", None) or getattr(loss, "__name__", None)
    return str(name) if name is not None else type(loss).__name__


def _optimizer(model: Any) -> dict[str, Any]:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return {}
    settings = {str(name): as_json(value) for name, value in optimizer.get_config().items() if name != "name"}
    return {"optimizer": type(optimizer).__name__, **settings}
