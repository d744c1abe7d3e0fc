"""A user's own function as a stage."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.fitted.facts.hyperparameters import hyperparameters_of
from mistique_core.frames import checked_frames, stream_with_row_ids, with_row_id
from mistique_core.lineage import imported_packages
from mistique_core.model import Ref, Stage, StageResult
from mistique_core.model.ref import find_refs
from mistique_core.workflows.code_location import find, locate
from mistique_core.workflows.estimators import is_fitted_object

_INPUT = "$input"
_OUTPUT = "model"


class FunctionStage(Stage):
    """Call a function on frames and fitted objects.

    The function returns a DataFrame, a fitted estimator, or a dict whose values are DataFrames,
    fitted estimators or numbers (recorded as metrics). In place of a DataFrame it may give an iterator of DataFrames
    that follow each other, or be a generator of them: each is stored before the next one is asked for, so that
    together they may be larger than memory.

    Parameters
    ----------
    function
        A function at the top level of a module.
    arguments
        Parameter name -> JSON value, or ``{"$input": name}`` where an input goes; see :func:`bind`.
    row_id
        For a function without inputs: the column that identifies an example.
    deterministic
        False if equal inputs can give different outputs; the stage is then never reused. Default: true
        for a function with inputs; false for one without, since nobody can see whether the file or the
        table that it reads has changed.
    lazy
        Whether input frames may be lazy ones (:class:`mistique_core.frames.LazyFrame`), whose columns are read
        when the function touches them; else they are plain DataFrames.
    row_wise
        Whether each row of the result depends only on the rows of the inputs with the same row id, bit for bit, so
        that a few rows can be computed from a few rows.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        row_id: str | None = None,
        deterministic: bool | None = None,
        lazy: bool = True,
        row_wise: bool = False,
    ) -> None:
        self.function = function
        self.arguments = dict(arguments)
        self.row_id = row_id
        self._deterministic = deterministic
        self.lazy = lazy
        self.row_wise = row_wise
        self.is_source = not _mentions_input(self.arguments)

    @property
    def deterministic(self) -> bool:
        """See :class:`Stage`."""
        return not self.is_source if self._deterministic is None else self._deterministic

    @classmethod
    def bind(
        cls,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        row_id: str | None = None,
        deterministic: bool | None = None,
        lazy: bool = True,
        row_wise: bool = False,
    ) -> tuple[Self, dict[str, Ref]]:
        """Return the stage of a call and its inputs: every reference among the arguments.

        Raises
        ------
        InvalidInputError
            If an argument is neither a reference nor a JSON value.
        """
        bound = inspect.signature(function).bind(*args, **kwargs)
        arguments: dict[str, Any] = {}
        inputs: dict[str, Ref] = {}
        for name, value in bound.arguments.items():
            kind = inspect.signature(function).parameters[name].kind
            if kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY):
                raise InvalidInputError(
                    f"stage function {function.__name__} must take its arguments by name, not {name}"
                )
            inputs.update(find_refs(value, name))
            if kind is inspect.Parameter.VAR_KEYWORD:
                arguments.update({key: _placeholder(item, f"{name}.{key}", inputs) for key, item in value.items()})
            else:
                arguments[name] = _placeholder(value, name, inputs)
        try:
            json.dumps(arguments)
        except TypeError as error:
            raise InvalidInputError(
                f"an argument of stage function {function.__name__} is not a JSON value ({error}); "
                "pass numbers, strings, lists, dicts or outputs of other stages"
            ) from error
        return cls(function, arguments, row_id, deterministic, lazy, row_wise), inputs

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {
            "function": locate(self.function),
            "arguments": self.arguments,
            "row_id": self.row_id,
            "deterministic": self._deterministic,
            "lazy": self.lazy,
            "row_wise": self.row_wise,
        }

    def identity(self) -> dict[str, Any]:
        """See :class:`Stage`: the function counts by its code, not by where it lives.

        One that is declared random is not the one that was not when it ran before.
        """
        identity = {"arguments": self.arguments, "row_id": self.row_id}
        return identity if self.deterministic else {**identity, "deterministic": False}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        """See :class:`Stage`."""
        function = find(params["function"])
        lazy, row_wise = params.get("lazy", True), params.get("row_wise", False)
        return cls(function, params["arguments"], params["row_id"], params["deterministic"], lazy, row_wise)

    def functions(self) -> Sequence[Callable[..., Any]]:
        """See :class:`Stage`."""
        return (self.function,)

    def packages(self) -> Sequence[str]:
        """See :class:`Stage`."""
        return ("numpy", "pandas", *sorted(imported_packages(self.function)))

    def label(self) -> str:
        """See :class:`Stage`."""
        return str(self.function.__name__)

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Call the function; what it learned before is not handed to it."""
        arguments = {name: _fill(value, inputs) for name, value in self.arguments.items()}
        result = as_stage_result(self.function(**arguments), self.function.__name__)
        if self.is_source:
            result.frames = {
                name: with_row_id(frame, self.row_id, f"the output of {self.function.__name__}")
                for name, frame in result.frames.items()
            }
            result.streams = {
                name: stream_with_row_ids(frames, self.row_id, f"the output of {self.function.__name__}")
                for name, frames in result.streams.items()
            }
        result.metrics_input = next(iter(inputs), None)
        return result


def as_stage_result(value: Any, name: str) -> StageResult:
    """Sort what a function returned into frames, fitted objects and metrics.

    Raises
    ------
    InvalidInputError
        If it returned anything else.
    """
    result = StageResult()
    items = value if isinstance(value, dict) else {"": value}
    for key, item in items.items():
        if not isinstance(key, str):
            raise InvalidInputError(f"stage function {name} returned a dict with the key {key!r}; use strings")
        if isinstance(item, pd.DataFrame):
            result.frames[key] = item
        elif isinstance(item, Iterator):
            result.streams[key] = checked_frames(item, f"stage function {name}")
        elif is_fitted_object(item):
            result.fitted[key or _OUTPUT] = item
            result.hyperparameters.update(hyperparameters_of(item))
        elif key and isinstance(item, (int, float, np.number)) and not isinstance(item, bool):
            if not math.isfinite(item):
                raise InvalidInputError(f"metric {key!r} of stage function {name} is {item}; return a finite number")
            result.metrics[key] = float(item)
        else:
            what = f"{type(item).__name__} under {key!r}" if key else type(item).__name__
            raise InvalidInputError(
                f"stage function {name} returned a {what}; return a DataFrame, a fitted estimator, "
                "or a dict of DataFrames, fitted estimators and numbers"
            )
    return result


def _placeholder(value: Any, path: str, inputs: Mapping[str, Ref]) -> Any:
    if path in inputs:
        return {_INPUT: path}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InvalidInputError(
                    f"argument {path!r} has the key {key!r}; JSON has string keys only: pass a list of pairs, "
                    "or build the dict inside the function"
                )
        return {key: _placeholder(item, f"{path}.{key}", inputs) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_placeholder(item, f"{path}.{position}", inputs) for position, item in enumerate(value)]
    return value


def _fill(value: Any, inputs: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {_INPUT}:
            return inputs[value[_INPUT]]
        return {key: _fill(item, inputs) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, inputs) for item in value]
    return value


def _mentions_input(value: Any) -> bool:
    if isinstance(value, Mapping):
        return set(value) == {_INPUT} or any(map(_mentions_input, value.values()))
    return isinstance(value, list) and any(map(_mentions_input, value))
