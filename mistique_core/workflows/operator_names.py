"""The operators of workflow specifications by name, as in Table 5.3 of the thesis.

A name stands for a stage class that is imported only when it is asked for, so that reading a
specification loads neither scikit-learn nor a boosting library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.model import Stage

_PACKAGE = "mistique_core.workflows"


@dataclass(frozen=True)
class OperatorEntry:
    """What an operator's name stands for.

    Attributes
    ----------
    module
        Module of the stage class.
    class_name
        Name of the stage class in it.
    summary
        One line for people.
    fixed
        Constructor arguments that the name decides; a specification gives the others.
    """

    module: str
    class_name: str
    summary: str
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def stage_class(self) -> type[Stage]:
        """Import and return the stage class."""
        cls = getattr(import_module(self.module), self.class_name)
        assert isinstance(cls, type)
        assert issubclass(cls, Stage)
        return cls

    def make(self, params: Mapping[str, Any]) -> Stage:
        """Return the stage with the given constructor arguments and the fixed ones.

        Raises
        ------
        InvalidInputError
            If an argument is fixed by the name, or the stage rejects a value.
        TypeError
            If the stage has no such argument.
        """
        for name in params:
            if name in self.fixed:
                raise InvalidInputError(
                    f"parameter {name!r} is {self.fixed[name]!r} in this operator; leave it out, "
                    f"or use the operator of {self.class_name} that takes it"
                )
        return self.stage_class()(**self.fixed, **params)


def _entry(module: str, class_name: str, summary: str, **fixed: Any) -> OperatorEntry:
    return OperatorEntry(f"{_PACKAGE}.{module}", class_name, summary, MappingProxyType(fixed))


OPERATORS: Mapping[str, OperatorEntry] = MappingProxyType(
    {
        "ReadCsv": _entry("read", "ReadCsvStage", "Read a CSV file"),
        "ReadZillow": _entry("zillow", "ReadZillowStage", "Read or generate a table of the Zillow Prize"),
        "ReadSklearn": _entry("read", "ReadSklearnStage", "Load a dataset that ships inside scikit-learn"),
        "Join": _entry("join", "JoinStage", "Join the columns of one frame to the rows of another"),
        "SelectColumn": _entry("select_column", "SelectColumnStage", "Keep some columns"),
        "DropColumns": _entry("drop_columns", "DropColumnsStage", "Leave out some columns"),
        "TrainTestSplit": _entry("split", "SplitStage", "Split rows into the outputs train and test"),
        "OneHotEncoding": _entry("one_hot", "OneHotEncodingStage", "One column of zeros and ones a category"),
        "FillNa": _entry("fill_na", "FillNaStage", "Fill missing values"),
        "Avg": _entry("avg", "AvgStage", "Add the mean of several columns"),
        "GetConstructionRecency": _entry(
            "construction_recency", "ConstructionRecencyStage", "Add the years since construction"
        ),
        "ComputeNeighborhood": _entry("neighborhood", "NeighborhoodStage", "Add a neighborhood from coordinates"),
        "IsResidential": _entry("is_residential", "IsResidentialStage", "Add whether people live there"),
        "Scale": _entry("scale", "ScaleStage", "Scale columns of numbers"),
        "LabelIndex": _entry("label_index", "LabelIndexStage", "Texts as numbers"),
        "Transform": _entry("transform", "TransformStage", "Learn any scikit-learn transformer and apply it"),
        "Fit": _entry("fit", "FitStage", "Fit an estimator named by its import path"),
        "TrainLightGBM": _entry("fit", "FitStage", "Fit a LightGBM regressor", estimator="lightgbm.LGBMRegressor"),
        "TrainXGBoost": _entry("fit", "FitStage", "Fit an XGBoost regressor", estimator="xgboost.XGBRegressor"),
        "TrainElasticNet": _entry("fit", "FitStage", "Fit an elastic net", estimator="sklearn.linear_model.ElasticNet"),
        "TrainKeras": _entry("train_keras", "TrainKerasStage", "Train a Keras network on data that a function gives"),
        "Predict": _entry("predict", "PredictStage", "Predict every row of the input data with the input model"),
        "CombinePredictions": _entry(
            "combine_predictions", "CombinePredictionsStage", "Add up predictions of several models with weights"
        ),
        "Evaluate": _entry("evaluate", "EvaluateStage", "Compute metrics from a frame of predictions"),
        "Function": _entry("function_stage", "FunctionStage", "Call a function of your own"),
    }
)
"""Name -> entry."""


def stage_class(name: str) -> type[Stage]:
    """Return the stage class of an operator's name.

    Raises
    ------
    InvalidInputError
        If there is no such operator.
    """
    if name not in OPERATORS:
        raise InvalidInputError(f"operator {name!r} is unknown; {did_you_mean(name, OPERATORS)}")
    return OPERATORS[name].stage_class()
