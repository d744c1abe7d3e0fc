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
    matrix = _matrix(features)
    parts = [np.asarray(call(_block(features, matrix, start))) for start in range(0, len(features), _BLOCK_ROWS)]
    return np.concatenate(parts)[: len(features)]


def _matrix(features: pd.DataFrame) -> npt.NDArray[Any] | None:
    """Return plain numbers as one array, filled up to whole blocks by the last row; ``None`` for anything else."""
    if not all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in features.dtypes):
        return None
    rows = len(features)
    matrix = np.empty(
        (-(-rows // _BLOCK_ROWS) * _BLOCK_ROWS, len(features.columns)), np.result_type(*features.dtypes), "F"
    )
    for number, name in enumerate(features.columns):
        matrix[:rows, number] = features[name].to_numpy()
    matrix[rows:] = matrix[rows - 1]
    return matrix


def _block(features: pd.DataFrame, matrix: npt.NDArray[Any] | None, start: int) -> pd.DataFrame:
    """Return one whole block of rows in one memory layout, column after column: that decides bits, too."""
    if matrix is None:
        return features.iloc[np.minimum(np.arange(start, start + _BLOCK_ROWS), len(features) - 1)]
    values = np.asfortranarray(matrix[start : start + _BLOCK_ROWS])
    return pd.DataFrame(values, columns=features.columns, copy=False)
