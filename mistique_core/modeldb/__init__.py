"""ModelDB: ExperimentRuns, their stages, hyperparameters, metrics and lineage (thesis chapter 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mistique_core.modeldb.queries import record_query
from mistique_core.modeldb.recorder import RunReport, record_run
from mistique_core.modeldb.run_recorder import RunRecorder

if TYPE_CHECKING:
    from mistique_core.modeldb.client.autolog import autolog
    from mistique_core.modeldb.sync import Syncer

__all__ = ["RunRecorder", "RunReport", "Syncer", "autolog", "record_query", "record_run"]


def __getattr__(name: str) -> Any:
    """Import the clients when they are asked for: pages and the scheduler do not need them."""
    if name == "autolog":
        from mistique_core.modeldb.client.autolog import autolog

        return autolog
    if name == "Syncer":
        from mistique_core.modeldb.sync import Syncer

        return Syncer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
