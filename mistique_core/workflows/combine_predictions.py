"""Combine the predictions of several models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.model import Stage, StageResult
from mistique_core.workflows.inputs import require_columns, require_frame, require_numbers


class CombinePredictionsStage(Stage):
    """Add up predictions with weights, aligned by row id, as float64; the weights usually add up to 1.

    Parameters
    ----------
    weights
        Input name -> weight. The inputs are added in this order, and the first one's row ids and order stay.
    column
        Column with the predictions, in every input and in the result.
    keep
        Columns of the first input, such as the label, to keep beside them.
    """

    outputs = ("",)
    row_wise = True

    def __init__(self, weights: Mapping[str, float], column: str = "prediction", keep: Sequence[str] = ()) -> None:
        if not weights:
            raise InvalidInputError("weights={} combines nothing; pass {input: weight, ...}")
        for name, weight in weights.items():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)):
                raise InvalidInputError(f"weight {weight!r} of input {name!r} is not a number; pass one such as 0.5")
        self.weights = dict(weights)
        self.column = column
        self.keep = list(keep)

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"weights": self.weights, "column": self.column, "keep": self.keep}

    def identity(self) -> dict[str, Any]:
        """See :class:`Stage`: the order of the inputs decides the last bits of the sum."""
        return {**self.params(), "weights": list(self.weights.items())}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return the combined predictions.

        Raises
        ------
        InvalidInputError
            If the inputs are not those of `weights`, or have other row ids than the first.
        """
        for name in self.weights.keys() ^ inputs.keys():
            if name in inputs:
                raise InvalidInputError(f"input {name!r} has no weight; {did_you_mean(name, self.weights)}")
            raise InvalidInputError(f"weight of {name!r} has no input; {did_you_mean(name, inputs)}")
        first = require_frame(inputs[next(iter(self.weights))], "first")
        total = pd.Series(0.0, index=first.index).to_numpy(copy=True)
        for name, weight in self.weights.items():
            frame = require_frame(inputs[name], name)
            values = require_numbers(frame, self.column, "prediction")
            if not frame.index.equals(first.index):
                places = frame.index.get_indexer(first.index)
                if len(frame) != len(first) or (places < 0).any():
                    raise InvalidInputError(
                        f"input {name!r} has other rows than {next(iter(self.weights))!r} ({len(frame)} and "
                        f"{len(first)}); combine predictions of the same rows"
                    )
                values = values[places]
            total += weight * values
        kept = require_columns(first, self.keep, "kept")
        combined = pd.DataFrame({self.column: total}, index=first.index)
        return StageResult(frames={"": pd.concat([combined, pd.DataFrame(kept)], axis=1)})
