"""The stage operators: each wraps the stage of the same name in :mod:`mistique_core.workflows`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from operators.stage import StageOperator

if TYPE_CHECKING:
    from mistique_core.model import Stage


class ReadCsvOperator(StageOperator):
    """Read a CSV file.

    Parameters
    ----------
    path
        The file; templated.
    row_id
        Column of unique integers that identifies an example; default: rows are numbered from 0.
    options
        Further arguments of :func:`pandas.read_csv`; templated.
    """

    template_fields = (*StageOperator.template_fields, "path", "options")

    def __init__(
        self, *, path: str, row_id: str | None = None, options: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.row_id = row_id
        self.options = options

    def make_stage(self) -> Stage:
        """See :class:`StageOperator`."""
        from mistique_core.workflows import ReadCsvStage

        return ReadCsvStage(self.path, self.row_id, self.options)


class ReadSklearnOperator(StageOperator):
    """Load a dataset that ships inside scikit-learn.

    Parameters
    ----------
    dataset
        ``breast_cancer``, ``diabetes``, ``digits``, ``iris`` or ``wine``; templated.
    """

    template_fields = (*StageOperator.template_fields, "dataset")

    def __init__(self, *, dataset: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset

    def make_stage(self) -> Stage:
        """See :class:`StageOperator`."""
        from mistique_core.workflows import ReadSklearnStage

        return ReadSklearnStage(self.dataset)


class SplitOperator(StageOperator):
    """Split rows into the outputs ``train`` and ``test``.

    Parameters
    ----------
    test_size
        Share of rows in the test set, between 0 and 1 exclusive.
    seed
        Seed of the shuffle; ``None`` draws a new split each time, which is never reused.
    stratify
        Column whose class shares both sets keep.
    """

    def __init__(
        self, *, test_size: float = 0.25, seed: int | None = 0, stratify: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.test_size = test_size
        self.seed = seed
        self.stratify = stratify

    def make_stage(self) -> Stage:
        """See :class:`StageOperator`."""
        from mistique_core.workflows import SplitStage

        return SplitStage(self.test_size, self.seed, self.stratify)


class TransformOperator(StageOperator):
    """Learn a scikit-learn transformer on one input and apply it to all; one output an input.

    Parameters
    ----------
    transformer
        Import path, such as ``sklearn.preprocessing.StandardScaler``.
    transformer_params
        Arguments of its constructor; templated.
    columns, exclude
        Columns to transform (default: all), and columns that pass through.
    label
        Column handed to ``fit`` as target; passes through.
    fit_on
        Input to learn from; default ``train`` where there is one.
    """

    template_fields = (*StageOperator.template_fields, "transformer_params")

    def __init__(
        self,
        *,
        transformer: str,
        transformer_params: Mapping[str, Any] | None = None,
        columns: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        label: str | None = None,
        fit_on: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.transformer = transformer
        self.transformer_params = transformer_params
        self.columns = columns
        self.exclude = exclude
        self.label_column = label
        self.fit_on = fit_on

    def make_stage(self) -> Stage:
        """See :class:`StageOperator`."""
        from mistique_core.workflows import TransformStage

        return TransformStage(
            self.transformer, self.transformer_params, self.columns, self.exclude, self.label_column, self.fit_on
        )


class FitOperator(StageOperator):
    """Fit an estimator of scikit-learn or XGBoost; the output is the fitted model.

    Parameters
    ----------
    estimator
        Import path, such as ``sklearn.linear_model.LogisticRegression``.
    label
        Target column.
    estimator_params
        Arguments of its constructor; templated.
    features
        Columns to learn from; default all but `label`.
    """

    template_fields = (*StageOperator.template_fields, "estimator_params")

    def __init__(
        self,
        *,
        estimator: str,
        label: str,
        estimator_params: Mapping[str, Any] | None = None,
        features: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.estimator = estimator
        self.label_column = label
        self.estimator_params = estimator_params
        self.features = features

    def make_stage(self) -> Stage:
        """See :class:`StageOperator`."""
        from mistique_core.workflows import FitStage

        return FitStage(self.estimator, self.label_column, self.estimator_params, self.features)


class PredictOperator(StageOperator):
    """Predict every row of the input ``data`` with the input ``model``.

    Parameters
    ----------
    keep
        Columns of the data, such as the label, to keep beside the predictions.
    """

    def __init__(self, *, keep: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep = keep

    def make_stage(self) -> Stage:
        """See :class:`StageOperator`."""
        from mistique_core.workflows import PredictStage

        return PredictStage(self.keep)


class EvaluateOperator(StageOperator):
    """Compute metrics from a frame of predictions.

    Parameters
    ----------
    label
        Column with the truth.
    metrics
        Names, such as ``accuracy`` and ``roc_auc``.
    prediction, probability
        Columns with the predictions and with the probability of the positive class.
    """

    def __init__(
        self,
        *,
        label: str,
        metrics: Sequence[str] = ("accuracy", "f1", "roc_auc"),
        prediction: str = "prediction",
        probability: str = "probability_1",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.label_column = label
        self.metrics = metrics
        self.prediction = prediction
        self.probability = probability

    def make_stage(self) -> Stage:
        """See :class:`StageOperator`."""
        from mistique_core.workflows import EvaluateStage

        return EvaluateStage(self.label_column, self.metrics, self.prediction, self.probability)
