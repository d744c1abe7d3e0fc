"""Re-create a run from its record, and tell whether it gives what was recorded."""

from mistique_core.modeldb.reproduce.recorded_workflow import RecordedWorkflow, recorded_workflow
from mistique_core.modeldb.reproduce.rerun_run import RerunReport, rerun_run
from mistique_core.modeldb.reproduce.verdict import Verdict, compare_workflows, verdict_of_version
from mistique_core.modeldb.reproduce.workflow_yaml import workflow_yaml

__all__ = [
    "RecordedWorkflow",
    "RerunReport",
    "Verdict",
    "compare_workflows",
    "recorded_workflow",
    "rerun_run",
    "verdict_of_version",
    "workflow_yaml",
]
