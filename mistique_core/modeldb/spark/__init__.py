"""The Spark ML client of ModelDB: calls of PySpark become events, by ``_sync`` calls or by ``autolog``."""

from mistique_core.modeldb.spark.multiclass_metrics import ComputeMulticlassMetrics, compute_multiclass_metrics
from mistique_core.modeldb.spark.saved_models import load

__all__ = ["ComputeMulticlassMetrics", "compute_multiclass_metrics", "load"]
