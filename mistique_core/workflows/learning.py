"""The base of stages that learn from one input and apply what they learned to every input."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.fitted.facts.hyperparameters import hyperparameters_of
from mistique_core.model import Stage, StageResult
from mistique_core.model.need import Need
from mistique_core.workflows.estimators import is_fitted_object
from mistique_core.workflows.inputs import require_frame


class LearningStage(Stage):
    """Learns on one input; gives one output an input, under the input's name (alone, when there is one input).

    What it has learned is one fitted object, named by :attr:`learns`. A row of an output needs that and the
    row of the input of the same name; the other inputs are not looked at.

    Parameters
    ----------
    fit_on
        Input to learn from; default ``train`` where there is one.
    """

    learns: tuple[str, ...] = ("learned",)
    row_wise = True

    outputs = ("*",)

    def __init__(self, fit_on: str | None = None) -> None:
        self.fit_on = fit_on

    @abstractmethod
    def learn(self, frame: pd.DataFrame) -> Any:
        """Return what is learned from a frame with at least one row, in a form that can be stored."""

    @abstractmethod
    def apply(self, frame: pd.DataFrame, learned: Any) -> pd.DataFrame:
        """Return the frame as the stage hands it on; it may have no rows."""

    def needs(self, output: str, inputs: Collection[str]) -> Mapping[str, Need]:
        """See :class:`Stage`: only the input of the output's name is needed."""
        wanted = Need.ROWS if self.row_wise else Need.WHOLE
        return {name: wanted if output in ("", name) else Need.NOTHING for name in inputs}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return one frame an input, and what was learned.

        Raises
        ------
        InvalidInputError
            If the input to learn from is missing or has no rows, or a column does not exist.
        """
        frames = {name: require_frame(value, name) for name, value in inputs.items()}
        (state_name,) = self.learns
        if learned is None:
            source = self._fit_input(frames)
            if frames[source].empty:
                raise InvalidInputError(
                    f"{self.label()} cannot learn from input {source!r}, which has {len(frames[source])} rows and "
                    f"{len(frames[source].columns)} columns; pass a frame with rows, or name another with fit_on"
                )
            state = self.learn(frames[source])
        else:
            state = learned[state_name]
        single = len(frames) == 1
        outputs = {"" if single else name: self.apply(frame, state) for name, frame in frames.items()}
        hyperparameters = hyperparameters_of(state) if is_fitted_object(state) else {}
        return StageResult(frames=outputs, fitted={state_name: state}, hyperparameters=hyperparameters)

    def execute_rows(self, output: str, inputs: Mapping[str, Any], learned: Mapping[str, Any]) -> pd.DataFrame:
        """See :class:`Stage`."""
        name = output or next(iter(inputs))
        return self.apply(require_frame(inputs[name], name), learned[self.learns[0]])

    def _fit_input(self, frames: Mapping[str, pd.DataFrame]) -> str:
        if not frames:
            raise InvalidInputError(f"{self.label()} got no input; pass inputs={{'train': ...}}")
        if self.fit_on is not None:
            if self.fit_on not in frames:
                raise InvalidInputError(f"fit_on={self.fit_on!r} is not an input; {did_you_mean(self.fit_on, frames)}")
            return self.fit_on
        if "train" in frames or len(frames) == 1:
            return "train" if "train" in frames else next(iter(frames))
        raise InvalidInputError(f"say which input to learn from: fit_on= one of {', '.join(frames)}")
