"""What an estimator, a transformer or a model of Spark is, and which columns it takes and makes."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

from mistique_core.model.fit_facts import ProblemType
from mistique_core.modeldb.spark.params import column_params

_INPUTS = ("inputCol", "inputCols", "featuresCol", "itemsCol", "userCol", "itemCol")
_OUTPUTS = ("predictionCol", "probabilityCol", "rawPredictionCol", "topicDistributionCol")
_LABELS = ("labelCol", "ratingCol")
_CLASSIFIERS = ("DecisionTree", "FM", "GBT", "MultilayerPerceptron", "RandomForest")
"""Estimators whose names end otherwise than those of their models."""
_PROBLEMS = {
    "pyspark.ml.regression": ProblemType.REGRESSION,
    "pyspark.ml.clustering": ProblemType.CLUSTERING,
    "pyspark.ml.recommendation": ProblemType.RECOMMENDATION,
}


def _class(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, ())


def is_stage(value: Any) -> bool:
    """Return whether a value is an estimator, a transformer or a model of Spark."""
    return isinstance(value, (_class("pyspark.ml.base", "Estimator"), _class("pyspark.ml.base", "Transformer")))


def is_estimator(value: Any) -> bool:
    """Return whether a value is an estimator of Spark."""
    return isinstance(value, _class("pyspark.ml.base", "Estimator"))


def is_model(value: Any) -> bool:
    """Return whether a value is what an estimator of Spark has fitted."""
    return isinstance(value, _class("pyspark.ml.base", "Model"))


def is_pipeline(value: Any) -> bool:
    """Return whether a value is a pipeline of Spark, fitted or not."""
    kinds = (_class("pyspark.ml.pipeline", "Pipeline"), _class("pyspark.ml.pipeline", "PipelineModel"))
    return isinstance(value, kinds)


def is_search(value: Any) -> bool:
    """Return whether a value searches hyperparameters: a cross-validator, or a split into training and validation."""
    names = ("CrossValidator", "TrainValidationSplit")
    return isinstance(value, tuple(_class("pyspark.ml.tuning", name) for name in names))


def inner_model(model: Any) -> Any:
    """Return what predicts in a model: the best model of a search, the last stage of a pipeline that predicts."""
    while True:
        best, stages = getattr(model, "bestModel", None), getattr(model, "stages", None)
        if best is not None:
            model = best
        elif is_pipeline(model) and isinstance(stages, list) and any(map(predicts, stages)):
            model = next(stage for stage in reversed(stages) if predicts(stage))
        else:
            return model


def predicts(stage: Any) -> bool:
    """Return whether a stage predicts, or fits what does; others transform."""
    if is_search(stage):
        return True
    if is_pipeline(stage):
        stages = stage.getStages() if is_estimator(stage) else stage.stages
        return any(map(predicts, stages))
    if getattr(stage, "bestModel", None) is not None:
        return True
    return bool(stage.hasParam("predictionCol")) or type(stage).__module__ == "pyspark.ml.clustering"


def specification_name(model: Any) -> str:
    """Return the name of the estimator that fits a kind of models, such as ``RandomForestClassifier``."""
    name = type(model).__name__.removesuffix("Model")
    if name.startswith(_CLASSIFIERS):
        name = name.replace("Classification", "Classifier").replace("Regression", "Regressor")
    return name


def problem_type_of(model: Any) -> ProblemType:
    """Return what a model solves."""
    modules = [base.__module__ for base in type(model).__mro__]
    if "pyspark.ml.classification" in modules:
        members = getattr(model, "models", None)
        classes = len(members) if members is not None else int(model.numClasses)
        return ProblemType.BINARY_CLASSIFICATION if classes <= 2 else ProblemType.MULTICLASS_CLASSIFICATION
    return next((_PROBLEMS[name] for name in modules if name in _PROBLEMS), ProblemType.UNDEFINED)


def inputs_of(stage: Any) -> tuple[str, ...]:
    """Return the columns that a stage says it takes; none where it does not say."""
    return column_params(stage, _INPUTS)


def predictions_of(stage: Any) -> tuple[str, ...]:
    """Return the columns of a model's predictions, the prediction itself first."""
    return column_params(stage, _OUTPUTS)


def label_of(stage: Any, columns: Collection[str]) -> str | None:
    """Return the column that an estimator learns to predict, if the data has it."""
    return next((name for name in column_params(stage, _LABELS) if name in columns), None)
