"""The stages that ship with MISTIQUE; the same objects serve Airflow, plain Python and re-runs."""

from mistique_core.workflows.evaluate import EvaluateStage
from mistique_core.workflows.fit import FitStage
from mistique_core.workflows.function_stage import FunctionStage
from mistique_core.workflows.predict import PredictStage
from mistique_core.workflows.read import ReadCsvStage, ReadSklearnStage
from mistique_core.workflows.split import SplitStage
from mistique_core.workflows.transform import TransformStage

__all__ = [
    "EvaluateStage",
    "FitStage",
    "FunctionStage",
    "PredictStage",
    "ReadCsvStage",
    "ReadSklearnStage",
    "SplitStage",
    "TransformStage",
]
