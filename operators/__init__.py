"""Airflow operators, hook and decorator of MISTIQUE.

Names are imported on first use: Airflow loads :mod:`operators.provider` while it is still reading
its own configuration, so nothing of Airflow may be imported here.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from operators.check_up import CheckUpQuestionOperator, CheckUpReportOperator, PlanCheckUpOperator
    from operators.diagnose import DiagnoseOperator
    from operators.function import FunctionOperator
    from operators.hook import MistiqueHook
    from operators.log_intermediates import LogIntermediatesOperator
    from operators.maintenance import MaintenanceOperator, MaintenanceReportOperator
    from operators.materialize import MaterializeOperator
    from operators.named_stage import NamedStageOperator
    from operators.rerun_blocks import PlanRerunOperator, RerunBlocksOperator
    from operators.stage import StageOperator
    from operators.stages import (
        EvaluateOperator,
        FitOperator,
        PredictOperator,
        ReadCsvOperator,
        ReadSklearnOperator,
        SplitOperator,
        TransformOperator,
    )
    from operators.train_keras import TrainKerasOperator
    from operators.workflow_dags import dags_from_yaml
    from operators.workflow_stage import WorkflowStageOperator

_HOMES = {
    "CheckUpQuestionOperator": "operators.check_up",
    "CheckUpReportOperator": "operators.check_up",
    "DiagnoseOperator": "operators.diagnose",
    "EvaluateOperator": "operators.stages",
    "FitOperator": "operators.stages",
    "FunctionOperator": "operators.function",
    "LogIntermediatesOperator": "operators.log_intermediates",
    "MaintenanceOperator": "operators.maintenance",
    "MaintenanceReportOperator": "operators.maintenance",
    "MaterializeOperator": "operators.materialize",
    "MistiqueHook": "operators.hook",
    "NamedStageOperator": "operators.named_stage",
    "PlanCheckUpOperator": "operators.check_up",
    "PlanRerunOperator": "operators.rerun_blocks",
    "PredictOperator": "operators.stages",
    "ReadCsvOperator": "operators.stages",
    "ReadSklearnOperator": "operators.stages",
    "RerunBlocksOperator": "operators.rerun_blocks",
    "SplitOperator": "operators.stages",
    "StageOperator": "operators.stage",
    "TrainKerasOperator": "operators.train_keras",
    "TransformOperator": "operators.stages",
    "WorkflowStageOperator": "operators.workflow_stage",
    "dags_from_yaml": "operators.workflow_dags",
}

__all__ = [
    "CheckUpQuestionOperator",
    "CheckUpReportOperator",
    "DiagnoseOperator",
    "EvaluateOperator",
    "FitOperator",
    "FunctionOperator",
    "LogIntermediatesOperator",
    "MaintenanceOperator",
    "MaintenanceReportOperator",
    "MaterializeOperator",
    "MistiqueHook",
    "NamedStageOperator",
    "PlanCheckUpOperator",
    "PlanRerunOperator",
    "PredictOperator",
    "ReadCsvOperator",
    "ReadSklearnOperator",
    "RerunBlocksOperator",
    "SplitOperator",
    "StageOperator",
    "TrainKerasOperator",
    "TransformOperator",
    "WorkflowStageOperator",
    "dags_from_yaml",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
