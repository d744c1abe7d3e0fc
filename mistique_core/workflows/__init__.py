"""The stages that ship with MISTIQUE; the same objects serve Airflow, plain Python and re-runs.

Names are imported on first use, so that reading a specification at DAG parsing loads no pandas.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mistique_core.workflows.evaluate import EvaluateStage
    from mistique_core.workflows.fit import FitStage
    from mistique_core.workflows.function_stage import FunctionStage
    from mistique_core.workflows.predict import PredictStage
    from mistique_core.workflows.read import ReadCsvStage, ReadSklearnStage
    from mistique_core.workflows.specification import WorkflowSpec, load_workflow
    from mistique_core.workflows.split import SplitStage
    from mistique_core.workflows.transform import TransformStage

_HOMES = {
    "EvaluateStage": "mistique_core.workflows.evaluate",
    "FitStage": "mistique_core.workflows.fit",
    "FunctionStage": "mistique_core.workflows.function_stage",
    "PredictStage": "mistique_core.workflows.predict",
    "ReadCsvStage": "mistique_core.workflows.read",
    "ReadSklearnStage": "mistique_core.workflows.read",
    "SplitStage": "mistique_core.workflows.split",
    "TransformStage": "mistique_core.workflows.transform",
    "WorkflowSpec": "mistique_core.workflows.specification",
    "load_workflow": "mistique_core.workflows.specification",
}

__all__ = [
    "EvaluateStage",
    "FitStage",
    "FunctionStage",
    "PredictStage",
    "ReadCsvStage",
    "ReadSklearnStage",
    "SplitStage",
    "TransformStage",
    "WorkflowSpec",
    "load_workflow",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
