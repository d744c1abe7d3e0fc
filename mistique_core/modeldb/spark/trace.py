"""Tracing of Spark: what ``autolog`` records of it. PySpark is not imported here, only watched for."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from mistique_core.modeldb.client.after_import import when_imported
from mistique_core.modeldb.client.replaced import Replaced
from mistique_core.modeldb.client.traced_method import traced_method
from mistique_core.modeldb.client.tracker import Step, Tracker
from mistique_core.modeldb.spark.derived_frames import follow_frames
from mistique_core.modeldb.spark.fit_events import prepare_fit, record_fit
from mistique_core.modeldb.spark.memory import SparkMemory
from mistique_core.modeldb.spark.metric_events import record_evaluation
from mistique_core.modeldb.spark.read_events import READERS, follow_options, record_read
from mistique_core.modeldb.spark.search_events import keep_folds
from mistique_core.modeldb.spark.split_events import prepare_split, record_split
from mistique_core.modeldb.spark.transform_events import record_transform

FRAMES, READER = "pyspark.sql.classic.dataframe", "pyspark.sql.readwriter"
BASE, EVALUATION, TUNING = "pyspark.ml.base", "pyspark.ml.evaluation", "pyspark.ml.tuning"


def follow_spark(replaced: Replaced, tracker: Tracker) -> None:
    """Follow what the script makes of data frames, and what fits inside searches measure; nothing is recorded of it."""

    def frames(module: ModuleType) -> None:
        follow_frames(replaced, tracker, module.DataFrame)

    def reader(module: ModuleType) -> None:
        follow_options(replaced, tracker, module.DataFrameReader)

    def tuning(module: ModuleType) -> None:
        keep_folds(replaced, tracker, module.CrossValidator)

    when_imported(replaced, FRAMES, "DataFrame", frames)
    when_imported(replaced, READER, "DataFrameReader", reader)
    when_imported(replaced, TUNING, "CrossValidator", tuning)


def trace_spark(replaced: Replaced, tracker: Tracker, *, count_rows: bool = False) -> None:
    """Trace reading, splitting, fits, transformations and evaluations of Spark, now or once it is imported.

    Parameters
    ----------
    replaced, tracker
        Of the run.
    count_rows
        Whether rows of data frames are counted, each time by a job of Spark.
    """
    tracker.memory(SparkMemory).counts_rows = count_rows
    follow_spark(replaced, tracker)

    def trace(cls: Any, name: str, record: Step, prepare: Step | None = None) -> None:
        replaced.attribute(cls, name, traced_method(tracker, getattr(cls, name), name, record, prepare))

    def frames(module: ModuleType) -> None:
        trace(module.DataFrame, "randomSplit", record_split, prepare_split)

    def reader(module: ModuleType) -> None:
        for name in READERS:
            trace(module.DataFrameReader, name, record_read)

    def base(module: ModuleType) -> None:
        trace(module.Estimator, "fit", record_fit, prepare_fit)
        trace(module.Transformer, "transform", record_transform)

    def evaluation(module: ModuleType) -> None:
        trace(module.Evaluator, "evaluate", record_evaluation)

    when_imported(replaced, FRAMES, "DataFrame", frames)
    when_imported(replaced, READER, "DataFrameReader", reader)
    when_imported(replaced, BASE, "Model", base)
    when_imported(replaced, EVALUATION, "RankingEvaluator", evaluation)
