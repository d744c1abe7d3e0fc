"""Apply a scikit-learn transformer that is learned once, on the training input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.estimators import is_seeded, make_estimator
from mistique_core.workflows.inputs import require_column, require_columns
from mistique_core.workflows.learning import LearningStage

_ROW_WISE = frozenset(
    {
        "sklearn.feature_selection.SelectKBest",
        "sklearn.feature_selection.VarianceThreshold",
        "sklearn.impute.SimpleImputer",
        "sklearn.preprocessing.Binarizer",
        "sklearn.preprocessing.KBinsDiscretizer",
        "sklearn.preprocessing.MaxAbsScaler",
        "sklearn.preprocessing.MinMaxScaler",
        "sklearn.preprocessing.OneHotEncoder",
        "sklearn.preprocessing.OrdinalEncoder",
        "sklearn.preprocessing.RobustScaler",
        "sklearn.preprocessing.StandardScaler",
    }
)
"""Transformers that handle each value on its own, so that a row's bits do not depend on the other rows."""


class TransformStage(LearningStage):
    """Learn a transformer on one input and apply it to every input.

    Only transformers that are known to handle each value on its own (scalers, encoders, imputers by constants,
    selectors) are row-wise. All others need whole inputs: a matrix product such as that of ``PCA`` adds up in
    an order that depends on the number of rows, and so in the last bits of its result.

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

    learns = ("transformer",)

    def __init__(
        self,
        transformer: str,
        params: Mapping[str, Any] | None = None,
        columns: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        label: str | None = None,
        fit_on: str | None = None,
    ) -> None:
        super().__init__(fit_on)
        self.transformer = transformer
        self.transformer_params = dict(params or {})
        self.columns = None if columns is None else list(columns)
        self.exclude = list(exclude)
        self.label_column = label
        self.row_wise = transformer in _ROW_WISE
        self._facts: dict[str, Any] = {}

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

    def facts(self) -> dict[str, Any]:
        """Return ``input_columns``, what was transformed, and ``output_columns``, what came of it."""
        return self._facts

    def packages(self) -> tuple[str, ...]:
        """See :class:`Stage`."""
        return ("numpy", "pandas", "sklearn")

    def label(self) -> str:
        """See :class:`Stage`."""
        return self.transformer.rpartition(".")[2]

    def learn(self, frame: pd.DataFrame) -> Any:
        """See :class:`LearningStage`."""
        transformer = make_estimator(self.transformer, self.transformer_params)
        target = None if self.label_column is None else require_column(frame, self.label_column, "label")
        return transformer.fit(require_columns(frame, self._columns_of(frame), "transformed"), target)

    def apply(self, frame: pd.DataFrame, learned: Any) -> pd.DataFrame:
        """See :class:`LearningStage`: the transformed columns, then the others."""
        if frame.empty:
            raise InvalidInputError(
                f"{self.transformer} cannot transform {len(frame)} rows of {len(frame.columns)} columns; "
                "leave the empty input out"
            )
        columns = [str(name) for name in getattr(learned, "feature_names_in_", self._columns_of(frame))]
        values = learned.transform(require_columns(frame, columns, "transformed"))
        if hasattr(values, "toarray"):
            raise InvalidInputError(f"{self.transformer} returned a sparse matrix; set its parameter for dense output")
        if isinstance(values, pd.DataFrame):
            changed = values.set_axis(frame.index, axis=0)
        else:
            names = [str(name) for name in learned.get_feature_names_out()]
            changed = pd.DataFrame(np.asarray(values), index=frame.index, columns=names)
        self._facts = {"input_columns": columns, "output_columns": [str(name) for name in changed.columns]}
        return pd.concat([changed, frame.drop(columns=columns)], axis=1)

    def _columns_of(self, frame: pd.DataFrame) -> list[str]:
        if self.columns is not None:
            return self.columns
        kept = {*self.exclude, self.label_column}
        return [str(name) for name in frame.columns if name not in kept]
