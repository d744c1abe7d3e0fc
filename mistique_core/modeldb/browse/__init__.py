"""Look at models, runs, experiments and projects."""

from mistique_core.modeldb.browse.browser import Browser
from mistique_core.modeldb.browse.records import (
    ExperimentSummary,
    MetricSummary,
    ModelDetail,
    ProjectOverview,
    RunContents,
)

__all__ = ["Browser", "ExperimentSummary", "MetricSummary", "ModelDetail", "ProjectOverview", "RunContents"]
