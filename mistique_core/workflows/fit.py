"""Fit a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mistique_core.fitted.facts import fit_facts
from mistique_core.fitted.facts.hyperparameters import hyperparameters_of
from mistique_core.model import Stage, StageKind, StageResult
from mistique_core.workflows.estimators import is_seeded, make_estimator
from mistique_core.workflows.inputs import only_input, require_column, require_columns
from mistique_core.workflows.scale import scaler_path

MODEL = "model"


class FitStage(Stage):
    """Fit an estimator of scikit-learn, XGBoost or LightGBM.

    Parameters
    ----------
    estimator
        Import path, such as ``sklearn.linear_model.LogisticRegression``.
    label
        Target column.
    params
        Arguments of its constructor. Without ``random_state`` an estimator that draws random
        numbers is fitted anew each time.
    features
        Columns to learn from; default all but `label`.
    normalize
        ``standard``, ``minmax`` or ``robust``: the model is a pipeline that scales its features first.
    """

    kind = StageKind.FIT
    learns = (MODEL,)
    outputs = (MODEL,)

    def __init__(
        self,
        estimator: str,
        label: str,
        params: Mapping[str, Any] | None = None,
        features: Sequence[str] | None = None,
        normalize: str | None = None,
    ) -> None:
        if normalize is not None:
            scaler_path(normalize)
        self.normalize = normalize
        self.estimator = estimator
        self.label_column = label
        self.estimator_params = dict(params or {})
        self.features = None if features is None else list(features)

    @property
    def deterministic(self) -> bool:
        """See :class:`Stage`."""
        return is_seeded(make_estimator(self.estimator, self.estimator_params))

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {
            "estimator": self.estimator,
            "label": self.label_column,
            "params": self.estimator_params,
            "features": self.features,
            **({} if self.normalize is None else {"normalize": self.normalize}),
        }

    def packages(self) -> tuple[str, ...]:
        """See :class:`Stage`."""
        return ("numpy", "pandas", "sklearn", self.estimator.partition(".")[0])

    def label(self) -> str:
        """See :class:`Stage`."""
        return self.estimator.rpartition(".")[2]

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return the fitted object ``model``."""
        if learned is not None:
            return StageResult(fitted=dict(learned))
        frame = only_input(inputs, "fit")
        target = require_column(frame, self.label_column, "label")
        features = frame.drop(columns=self.label_column)
        if self.features is not None:
            features = require_columns(frame, self.features, "feature")
        estimator = make_estimator(self.estimator, self.estimator_params)
        model = estimator
        if self.normalize is not None:
            from sklearn.pipeline import make_pipeline

            model = make_pipeline(make_estimator(scaler_path(self.normalize), {}), estimator)
        model.fit(features, target)
        return StageResult(
            fitted={MODEL: model},
            hyperparameters=hyperparameters_of(estimator),
            about={MODEL: fit_facts(model, features, target)},
        )
