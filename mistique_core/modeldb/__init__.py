"""ModelDB: ExperimentRuns, their stages, hyperparameters, metrics and lineage (thesis chapter 4)."""

from mistique_core.modeldb.queries import record_query
from mistique_core.modeldb.recorder import RunReport, record_run
from mistique_core.modeldb.run_recorder import RunRecorder

__all__ = ["RunRecorder", "RunReport", "record_query", "record_run"]
