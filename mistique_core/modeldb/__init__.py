"""ModelDB: ExperimentRuns, their stages, hyperparameters, metrics and lineage (thesis chapter 4).

What only some need is imported on first use: the scheduler's listener, which only records, and pages need no client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mistique_core.modeldb.queries import record_query
from mistique_core.modeldb.recorder import RunReport, record_run
from mistique_core.modeldb.run_recorder import RunRecorder

if TYPE_CHECKING:
    from mistique_core.modeldb.client.autolog import autolog
    from mistique_core.modeldb.model_db import ModelDB
    from mistique_core.modeldb.sync import Syncer

__all__ = ["ModelDB", "RunRecorder", "RunReport", "Syncer", "autolog", "record_query", "record_run"]

_LATER = {
    "ModelDB": "mistique_core.modeldb.model_db",
    "Syncer": "mistique_core.modeldb.sync",
    "autolog": "mistique_core.modeldb.client.autolog",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
