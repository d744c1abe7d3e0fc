"""ModelDB: ExperimentRuns, their stages, hyperparameters, metrics and lineage (thesis chapter 4).

:class:`ModelDB` is imported on first use: the scheduler's listener, which only records, needs none of it.
"""

from typing import TYPE_CHECKING, Any

from mistique_core.modeldb.queries import record_query
from mistique_core.modeldb.recorder import RunReport, record_run
from mistique_core.modeldb.run_recorder import RunRecorder

if TYPE_CHECKING:
    from mistique_core.modeldb.model_db import ModelDB

__all__ = ["ModelDB", "RunRecorder", "RunReport", "record_query", "record_run"]


def __getattr__(name: str) -> Any:
    if name == "ModelDB":
        from mistique_core.modeldb.model_db import ModelDB

        return ModelDB
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
