"""Look at models, runs, experiments and projects."""

from mistique_core.modeldb.browse.browser import Browser
from mistique_core.modeldb.browse.key_suggestions import suggest_keys
from mistique_core.modeldb.browse.records import (
    ExperimentSummary,
    MetricSummary,
    ModelDetail,
    ProjectOverview,
    RunContents,
)
from mistique_core.modeldb.browse.stored import (
    StoredIntermediate,
    StoredVersion,
    stored_intermediates,
    stored_versions,
)

__all__ = [
    "Browser",
    "ExperimentSummary",
    "MetricSummary",
    "ModelDetail",
    "ProjectOverview",
    "RunContents",
    "StoredIntermediate",
    "StoredVersion",
    "stored_intermediates",
    "stored_versions",
    "suggest_keys",
]
