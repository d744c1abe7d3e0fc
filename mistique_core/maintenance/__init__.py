"""Deleting, collecting garbage, checking and repairing: the layer between the facade and the engine."""

from mistique_core.maintenance.check import check
from mistique_core.maintenance.collect import DEFAULT_GRACE_SECONDS, GcReport, collect_garbage
from mistique_core.maintenance.compact import DEFAULT_MAX_DEAD, DEFAULT_SMALL_BYTES, CompactReport, compact
from mistique_core.maintenance.delete import DeleteReport, delete
from mistique_core.maintenance.materialize import MaterializeReport, materialize
from mistique_core.maintenance.problems import CheckReport, Problem
from mistique_core.maintenance.progress import Progress, no_progress
from mistique_core.maintenance.rebuild import RebuildReport, rebuild

__all__ = [
    "CheckReport",
    "CompactReport",
    "DEFAULT_GRACE_SECONDS",
    "DEFAULT_MAX_DEAD",
    "DEFAULT_SMALL_BYTES",
    "DeleteReport",
    "GcReport",
    "Problem",
    "MaterializeReport",
    "Progress",
    "RebuildReport",
    "check",
    "collect_garbage",
    "compact",
    "delete",
    "materialize",
    "no_progress",
    "rebuild",
]
