"""Predict with a fitted model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.model import Stage, StageResult
from mistique_core.workflows.inputs import require_columns, require_frame

_BLOCK_ROWS = 4_096
_ROW_BY_ROW = ("lightgbm", "xgboost")


class PredictStage(Stage):
    """Predict every row of a frame; takes the inputs ``model`` and ``data``.

    A prediction depends on its own row only, bit for bit: models that multiply matrices, whose last bits can depend on
    how many rows they are given and how these lie in memory, always get blocks of 4,096 rows, column after column, of
    which the last is filled up.

    Parameters
    ----------
    keep
        Columns of the data, such as the label, to keep beside the predictions.
    """

    outputs = ("",)
    row_wise = True

    def __init__(self, keep: Sequence[str] = ()) -> None:
        self.keep = list(keep)

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"keep": self.keep}

    def packages(self) -> tuple[str, ...]:
        """See :class:`Stage`."""
        return ("lightgbm", "numpy", "pandas", "sklearn", "xgboost")

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
        features = pd.DataFrame(features)
        columns = {"prediction": pd.Series(_by_blocks(model, "predict", features), index=data.index)}
        if hasattr(model, "predict_proba"):
            probabilities = _by_blocks(model, "predict_proba", features)
            for position, label in enumerate(model.classes_):
                columns[f"probability_{label}"] = pd.Series(probabilities[:, position], index=data.index)
        kept = require_columns(data, self.keep, "kept")
        return StageResult(frames={"": pd.concat([pd.DataFrame(columns), kept], axis=1)})


def _by_blocks(model: Any, method: str, features: pd.DataFrame) -> npt.NDArray[Any]:
    """Return what a method of the model gives for each row, shape (n_rows, ...)."""
    call = getattr(model, method)
    if type(model).__module__.partition(".")[0] in _ROW_BY_ROW or not len(features):
        return np.asarray(call(features))
    starts = range(0, len(features), _BLOCK_ROWS)
    parts = [np.asarray(call(_block(features.iloc[start : start + _BLOCK_ROWS]))) for start in starts]
    return np.concatenate(parts)[: len(features)]


def _block(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows filled up to a whole block by the last one, in one memory layout: that decides bits, too."""
    places = np.minimum(np.arange(_BLOCK_ROWS), len(rows) - 1)
    if not all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in rows.dtypes):
        return rows.iloc[places]
    values = np.empty((_BLOCK_ROWS, len(rows.columns)), np.result_type(*rows.dtypes), order="F")
    for number, name in enumerate(rows.columns):
        values[:, number] = rows[name].to_numpy()[places]
    return pd.DataFrame(values, columns=rows.columns, copy=False)
