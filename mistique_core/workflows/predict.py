"""Predict with a fitted model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.model import Stage, StageResult
from mistique_core.workflows.inputs import require_columns, require_frame


class PredictStage(Stage):
    """Predict every row of a frame; takes the inputs ``model`` and ``data``.

    Parameters
    ----------
    keep
        Columns of the data, such as the label, to keep beside the predictions.
    """

    outputs = ("",)

    def __init__(self, keep: Sequence[str] = ()) -> None:
        self.keep = list(keep)

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"keep": self.keep}

    def packages(self) -> tuple[str, ...]:
        """See :class:`Stage`."""
        return ("numpy", "pandas", "sklearn", "xgboost")

    def imports(self) -> tuple[str, ...]:
        """See :class:`Stage`: loading the model has imported its library."""
        return ()

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return ``prediction``, ``probability_<class>`` for classifiers, and the kept columns."""
        if set(inputs) != {"model", "data"}:
            raise InvalidInputError(
                f"predict takes the inputs 'model' and 'data' but got: {', '.join(inputs) or 'none'}"
            )
        model, data = inputs["model"], require_frame(inputs["data"], "data")
        if isinstance(model, pd.DataFrame):
            raise InvalidInputError("input 'model' is a frame; pass the output 'model' of a fit stage")
        features = require_columns(data, [str(name) for name in model.feature_names_in_], "feature")
        columns = {"prediction": pd.Series(model.predict(features), index=data.index)}
        if hasattr(model, "predict_proba"):
            probabilities = model.predict_proba(features)
            for position, label in enumerate(model.classes_):
                columns[f"probability_{label}"] = pd.Series(probabilities[:, position], index=data.index)
        kept = require_columns(data, self.keep, "kept")
        return StageResult(frames={"": pd.concat([pd.DataFrame(columns), kept], axis=1)})
