"""A network from what a user names: a Keras model, a ``.keras`` file, or a file of weights and a model function."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.workflows.code_location import named_code

_WHOLE = (".keras",)
_WEIGHTS = (".weights.h5", ".h5")
SUFFIXES = (*_WHOLE, *_WEIGHTS)

ModelFunction = str | Callable[[], Any]


def load_network(network: Any, model_function: ModelFunction | None = None) -> Any:
    """Return a Keras model.

    Parameters
    ----------
    network
        A Keras model; the path of a ``.keras`` file; or that of a ``.weights.h5`` file.
    model_function
        For a file of weights: what returns the model without them, as a callable or as ``"module:function"``.

    Raises
    ------
    InvalidInputError
        If Keras or TensorFlow is not installed, or the file or the function does not give a model.
    NotFoundError
        If the file does not exist.
    """
    keras = import_keras()
    if isinstance(network, keras.Model):
        return network
    if not isinstance(network, (str, os.PathLike)):
        raise InvalidInputError(f"a {type(network).__name__} is no network; give a Keras model, or a path")
    path = Path(network)
    if not path.is_file():
        raise NotFoundError(f"network {os.fspath(path)!r} does not exist")
    if path.name.endswith(_WHOLE):
        try:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # whatever the constructors of its layers raise
            raise InvalidInputError(f"network {path.name!r} cannot be loaded: {error}") from error
    if not path.name.endswith(_WEIGHTS):
        raise InvalidInputError(f"network {path.name!r} is of no known kind; give one of {', '.join(SUFFIXES)}")
    if model_function is None:
        raise InvalidInputError(
            f"{path.name!r} holds weights only; give model_function too, which returns the model without them"
        )
    model = _call(model_function, keras)
    try:
        with warnings.catch_warnings():
            # What training needed and inference does not: a network without an optimizer, or with another one.
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            model.load_weights(path)
    except Exception as error:  # ValueError, OSError and others, by what does not fit
        raise InvalidInputError(f"the weights in {path.name!r} do not fit {model.name!r}: {error}") from error
    return model


def import_keras() -> Any:
    """Return the module ``keras``, running on TensorFlow.

    Raises
    ------
    InvalidInputError
        If one of them is not installed, or Keras runs on another backend.
    """
    try:
        import keras
        import tensorflow  # noqa: F401 (Keras finds out only when it is used)
    except ModuleNotFoundError as error:
        raise InvalidInputError(f"networks need {error.name}; install 'mistique-airflow[dnn]'") from error
    if keras.backend.backend() != "tensorflow":
        raise InvalidInputError(
            f"Keras runs on {keras.backend.backend()}; set KERAS_BACKEND=tensorflow before it is imported"
        )
    return keras


def _call(function: ModelFunction, keras: Any) -> Any:
    model = named_code(function, "model_function")() if isinstance(function, str) else function()
    if not isinstance(model, keras.Model):
        raise InvalidInputError(f"model_function returned a {type(model).__name__}; return a Keras model")
    return model
