"""Tables and pipelines of Spark: executors write the row blocks themselves; needs the extra ``spark`` and Java."""

from mistique_core.spark.log_frame import log_spark_frame
from mistique_core.spark.log_pipeline import log_spark_pipeline
from mistique_core.spark.report import SparkReport
from mistique_core.spark.row_ids import with_row_ids

__all__ = ["SparkReport", "log_spark_frame", "log_spark_pipeline", "with_row_ids"]
