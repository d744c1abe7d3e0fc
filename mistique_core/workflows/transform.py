"""Apply a scikit-learn transformer that is learned once, on the training input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.model import Stage, StageResult
from mistique_core.workflows.estimators import hyperparameters_of, is_seeded, make_estimator
from mistique_core.workflows.inputs import require_column, require_columns, require_frame

_LEARNED = "transformer"


class TransformStage(Stage):
    """Learn a transformer on one input and apply it to every input.

    Parameters
    ----------
    transformer
        Import path, such as ``sklearn.preprocessing.StandardScaler``.
    params
        Arguments of its constructor.
    columns
        Columns to transform; default all but `label` and those in `exclude`. The others pass
        through unchanged.
    exclude
        Columns that pass through unchanged.
    label
        Column handed to ``fit`` as target, where the transformer needs one; passes through.
    fit_on
        Input that the transformer learns from; default ``train`` where there is one.
    """

    outputs = ("*", _LEARNED)

    def __init__(
        self,
        transformer: str,
        params: Mapping[str, Any] | None = None,
        columns: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        label: str | None = None,
        fit_on: str | None = None,
    ) -> None:
        self.transformer = transformer
        self.transformer_params = dict(params or {})
        self.columns = None if columns is None else list(columns)
        self.exclude = list(exclude)
        self.label_column = label
        self.fit_on = fit_on

    @property
    def deterministic(self) -> bool:
        """See :class:`Stage`."""
        return is_seeded(make_estimator(self.transformer, self.transformer_params))

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {
            "transformer": self.transformer,
            "params": self.transformer_params,
            "columns": self.columns,
            "exclude": self.exclude,
            "label": self.label_column,
            "fit_on": self.fit_on,
        }

    def packages(self) -> tuple[str, ...]:
        """See :class:`Stage`."""
        return ("numpy", "pandas", "sklearn")

    def label(self) -> str:
        """See :class:`Stage`."""
        return self.transformer.rpartition(".")[2]

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return one frame an input, under the input's name (or alone, when there is one input)."""
        frames = {name: require_frame(value, name) for name, value in inputs.items()}
        source = self._fit_input(frames)
        columns = self._columns_of(frames[source])
        if learned is None:
            transformer = make_estimator(self.transformer, self.transformer_params)
            target = None if self.label_column is None else require_column(frames[source], self.label_column, "label")
            transformer.fit(require_columns(frames[source], columns, "transformed"), target)
        else:
            transformer = learned[_LEARNED]
        outputs = {
            name if len(frames) > 1 else "": _apply(transformer, frame, columns, self.transformer)
            for name, frame in frames.items()
        }
        return StageResult(
            frames=outputs, fitted={_LEARNED: transformer}, hyperparameters=hyperparameters_of(transformer)
        )

    def _fit_input(self, frames: Mapping[str, pd.DataFrame]) -> str:
        if not frames:
            raise InvalidInputError(f"transformer {self.label()} got no input; pass inputs={{'train': ...}}")
        if self.fit_on is not None:
            if self.fit_on not in frames:
                raise InvalidInputError(f"fit_on={self.fit_on!r} is not an input; {did_you_mean(self.fit_on, frames)}")
            return self.fit_on
        if "train" in frames or len(frames) == 1:
            return "train" if "train" in frames else next(iter(frames))
        raise InvalidInputError(f"say which input to learn from: fit_on= one of {', '.join(frames)}")

    def _columns_of(self, frame: pd.DataFrame) -> list[str]:
        if self.columns is not None:
            return self.columns
        kept = {*self.exclude, self.label_column}
        return [str(name) for name in frame.columns if name not in kept]


def _apply(transformer: Any, frame: pd.DataFrame, columns: list[str], path: str) -> pd.DataFrame:
    values = transformer.transform(require_columns(frame, columns, "transformed"))
    names = [str(name) for name in transformer.get_feature_names_out()]
    if hasattr(values, "toarray"):
        raise InvalidInputError(f"{path} returned a sparse matrix; set its parameter for dense output")
    if isinstance(values, pd.DataFrame):
        changed = values.set_axis(frame.index, axis=0)
    else:
        changed = pd.DataFrame(np.asarray(values), index=frame.index, columns=names)
    passed = frame.drop(columns=columns)
    return pd.concat([changed, passed], axis=1)
