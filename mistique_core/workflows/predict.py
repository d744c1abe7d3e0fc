"""Predict with a fitted model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.model import Need, Stage, StageKind, StageResult
from mistique_core.workflows.inputs import require_columns, require_frame

_BLOCK_ROWS = 4_096
_ROW_BY_ROW = ("lightgbm", "xgboost")
_TREES = ("DecisionTree", "ExtraTree", "RandomForest", "GradientBoosting", "HistGradientBoosting")

_Call = Callable[[Callable[[pd.DataFrame], Any], pd.DataFrame], npt.NDArray[Any]]


class PredictStage(Stage):
    """Predict every row of a frame; takes the inputs ``model`` and ``data``.

    A prediction depends on its own row only, bit for bit. Trees are like that by themselves. The last bits of other
    models can depend on how many rows are multiplied at once and how these lie in memory: they get blocks of 4,096
    rows, column after column, of which the last is filled up. Up to 4,096 rows are predicted in one call instead, as
    plain code does it; a few of them are then re-run with all.

    Parameters
    ----------
    keep
        Columns of the data, such as the label, to keep beside the predictions.
    """

    kind = StageKind.PREDICT
    outputs = ("",)
    row_wise = True
    whole_up_to_rows = _BLOCK_ROWS

    def __init__(self, keep: Sequence[str] = ()) -> None:
        self.keep = list(keep)
        self._is_one_call = False

    def needs(self, output: str, inputs: Collection[str]) -> Mapping[str, Need]:
        """See :class:`Stage`: what was predicted in one call is predicted in one call again."""
        return dict.fromkeys(inputs, Need.WHOLE if self._is_one_call else Need.ROWS)

    def execute_rows(self, output: str, inputs: Mapping[str, Any], learned: Mapping[str, Any]) -> pd.DataFrame:
        """See :class:`Stage`."""
        model, data = _checked(inputs)
        return self._predicted(model, data, _by_rows(model) or _in_blocks)

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
        model, data = _checked(inputs)
        call = _by_rows(model)
        self._is_one_call = call is None and len(data) <= _BLOCK_ROWS
        if call is None:
            call = _in_one_call if self._is_one_call else _in_blocks
        return StageResult(frames={"": self._predicted(model, data, call)})

    def _predicted(self, model: Any, data: pd.DataFrame, call: _Call) -> pd.DataFrame:
        features = pd.DataFrame(require_columns(data, [str(name) for name in model.feature_names_in_], "feature"))
        with _one_after_the_other(model):
            columns = {"prediction": pd.Series(call(model.predict, features), index=data.index)}
            probabilities = call(model.predict_proba, features) if hasattr(model, "predict_proba") else None
        if probabilities is not None:
            for position, label in enumerate(model.classes_):
                columns[f"probability_{label}"] = pd.Series(probabilities[:, position], index=data.index)
        kept = require_columns(data, self.keep, "kept")
        return pd.concat([pd.DataFrame(columns), kept], axis=1)


def _checked(inputs: Mapping[str, Any]) -> tuple[Any, pd.DataFrame]:
    if set(inputs) != {"model", "data"}:
        raise InvalidInputError(f"predict takes the inputs 'model' and 'data' but got: {', '.join(inputs) or 'none'}")
    model, data = inputs["model"], require_frame(inputs["data"], "data")
    if isinstance(model, pd.DataFrame):
        raise InvalidInputError("input 'model' is a frame; pass the output 'model' of a fit stage")
    return model, data


def _by_rows(model: Any) -> _Call | None:
    """Return how to call a model whose predictions depend on their own row only, or ``None`` for any other."""
    kind = type(model)
    is_tree = kind.__module__.startswith("sklearn.") and kind.__name__.startswith(_TREES)
    return _in_one_call if is_tree or kind.__module__.partition(".")[0] in _ROW_BY_ROW else None


def _in_one_call(method: Callable[[pd.DataFrame], Any], features: pd.DataFrame) -> npt.NDArray[Any]:
    """Return what a method of a model gives for each row, shape (n_rows, ...)."""
    return np.asarray(method(features))


@contextmanager
def _one_after_the_other(model: Any) -> Iterator[None]:
    """Let scikit-learn's models work in one thread: of a forest's trees, the one that is ready first is added first."""
    given: dict[str, Any] = {}
    if type(model).__module__.partition(".")[0] not in _ROW_BY_ROW:
        given = {name: value for name, value in model.get_params().items() if name.rpartition("__")[2] == "n_jobs"}
    if not given:
        yield
        return
    model.set_params(**dict.fromkeys(given, 1))
    try:
        yield
    finally:
        model.set_params(**given)


def _in_blocks(method: Callable[[pd.DataFrame], Any], features: pd.DataFrame) -> npt.NDArray[Any]:
    """Return what a method of a model gives for each row, shape (n_rows, ...), block by block."""
    if not len(features):
        return _in_one_call(method, features)
    matrix = _matrix(features)
    starts = range(0, len(features), _BLOCK_ROWS)
    parts = [_in_one_call(method, _block(features, matrix, start)) for start in starts]
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
