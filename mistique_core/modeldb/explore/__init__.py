"""What charts and tables over thousands of runs ask for: counts of groups, values of a few names, main models."""

from mistique_core.modeldb.explore.explorer import Explorer
from mistique_core.modeldb.explore.records import MainModel, NamedValues, RunGroup, RunGroups, RunValues

__all__ = ["Explorer", "MainModel", "NamedValues", "RunGroup", "RunGroups", "RunValues"]
