"""autolog of plain PySpark: the record of the _sync calls, no job more, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from mistique_core.modeldb.client.autolog import trace
from mistique_core.modeldb.sync import Syncer
from tests.spark.modeldb_data import assembler, jobs_of, read
from tests.unit.modeldb.client.recorded import Sink, plain

pyspark = pytest.importorskip("pyspark")
ROOT = Path(__file__).parents[2]


def script(spark: Any, path: str) -> dict[str, Any]:
    """Calls of every kind that is recorded."""
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import DecisionTreeClassifier, LogisticRegression
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator, RegressionEvaluator
    from pyspark.ml.feature import StandardScaler, StringIndexer
    from pyspark.ml.regression import GeneralizedLinearRegression, LinearRegression
    from pyspark.ml.tuning import CrossValidator, ParamGridBuilder

    frame = (
        spark.read.option("header", True)
        .csv(path, inferSchema=True)
        .filter("a > 0")
        .withColumn("d", spark_col("a") * 2)
    )
    frame = StringIndexer(inputCol="kind", outputCol="kind_number").fit(frame).transform(frame)
    frame = assembler("a", "b", "c", "kind_number").transform(frame)
    train, test = frame.randomSplit([0.7, 0.3], 4)
    scaling = StandardScaler(inputCol="features", outputCol="scaled", withMean=True).fit(train)
    train, test = scaling.transform(train), scaling.transform(test)
    logistic = LogisticRegression(featuresCol="scaled", maxIter=3).fit(train)
    guess = logistic.transform(test)
    evaluator = MulticlassClassificationEvaluator(metricName="accuracy")
    found: dict[str, Any] = {"accuracy": evaluator.evaluate(guess), "coefficients": logistic.coefficients}
    linear = LinearRegression(labelCol="price").fit(train)
    found["rmse"] = RegressionEvaluator(labelCol="price").evaluate(linear.transform(test))
    found["linear"] = linear.coefficients
    general = GeneralizedLinearRegression(labelCol="label", family="binomial", maxIter=3).fit(train)
    found["general"] = general.coefficients
    tree = DecisionTreeClassifier(featuresCol="x", maxDepth=2)
    pipeline = Pipeline(stages=[assembler(output="x"), tree])
    fitted = pipeline.fit(train)
    found["depth"] = fitted.stages[-1].depth
    found["tree"] = evaluator.evaluate(fitted.transform(test))
    grid = ParamGridBuilder().addGrid(tree.maxDepth, [1, 2]).build()
    search = CrossValidator(estimator=pipeline, estimatorParamMaps=grid, evaluator=evaluator, numFolds=2, seed=3)
    found["averages"] = search.fit(train).avgMetrics
    return found


def spark_col(name: str) -> Any:
    from pyspark.sql import functions

    return functions.col(name)


def test_recording_starts_no_job_and_changes_no_result(spark: Any, path: str) -> None:
    found: list[dict[str, Any]] = []

    def run() -> None:
        found.append(script(spark, path))

    without = jobs_of(spark, run)
    sink = Sink()
    with trace(sink):
        recorded = jobs_of(spark, run)
    assert recorded == without > 30
    assert found[0] == found[1]
    assert sink.top() == [
        "read_csv", "derived", "StringIndexer", "VectorAssembler", "randomSplit", "StandardScaler",
        "LogisticRegression", "predict", "evaluate", "LinearRegression", "predict", "evaluate",
        "GeneralizedLinearRegression", "Pipeline", "predict", "evaluate", "CrossValidator",
    ]  # fmt: skip
    assert all(event.error is None for event in sink.events)


def test_counting_rows_starts_jobs(spark: Any, path: str) -> None:
    sink = Sink()
    with trace(sink, count_rows=True):
        frame = read(spark, path)
        assert jobs_of(spark, lambda: assembler().transform(frame)) > 0
    assert sink.only("VectorAssembler").frames[""].rows == 400


def test_calls_inside_calls_are_not_events(spark: Any, path: str) -> None:
    from pyspark.ml.classification import LogisticRegression, OneVsRest

    frame = assembler().transform(read(spark, path))
    sink = Sink()
    with trace(sink):
        model = OneVsRest(classifier=LogisticRegression(maxIter=2), labelCol="level", parallelism=2).fit(frame)
        model.transform(frame)
    assert sink.top() == ["OneVsRest", "predict"]
    facts = sink.events[0].fitted["model"].facts
    assert facts.problem_type.value == "multiclass classification"
    assert facts.hyperparameters["classifier"] == "LogisticRegression"


def test_both_ways_leave_the_same_record(spark: Any, path: str) -> None:
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.evaluation import BinaryClassificationEvaluator

    evaluator: Any = BinaryClassificationEvaluator()
    regression: Any = LogisticRegression(maxIter=3)
    stage = assembler()
    ours, theirs = Sink(), Sink()
    with trace(ours):
        train, test = stage.transform(read(spark, path).select("a", "b", "c", "label")).randomSplit([0.5, 0.5], 2)
        guess = regression.fit(train).transform(test)
        evaluator.evaluate(guess)
    with Syncer(sink=theirs):
        table = spark.read.csvSync(path, header=True, inferSchema=True).select("a", "b", "c", "label")
        train, test = stage.transformSync(table).randomSplitSync([0.5, 0.5], 2)
        guess = regression.fitSync(train).transformSync(test)
        evaluator.evaluateSync(guess)
    assert plain(ours.events) == plain(theirs.events)
    assert ours.top() == ["read_csv", "VectorAssembler", "randomSplit", "LogisticRegression", "predict", "evaluate"]


def test_everything_is_put_back(spark: Any) -> None:
    from pyspark.ml import Estimator, Transformer
    from pyspark.ml.evaluation import Evaluator
    from pyspark.ml.tuning import CrossValidator
    from pyspark.ml.util import MLWritable
    from pyspark.sql import DataFrameReader
    from pyspark.sql.classic.dataframe import DataFrame

    classes = [Estimator, Transformer, Evaluator, CrossValidator, MLWritable, DataFrameReader, DataFrame]
    before = [dict(vars(cls)) for cls in classes]
    finders = list(sys.meta_path)
    for begin in (lambda: trace(Sink()), lambda: Syncer(sink=Sink())):
        with begin():
            assert [dict(vars(cls)) for cls in classes] != before
        assert [dict(vars(cls)) for cls in classes] == before
    assert sys.meta_path == finders
    assert not hasattr(Estimator, "fitSync")


def test_pyspark_is_watched_for_and_not_imported(tmp_path: Path) -> None:
    """Neither client imports PySpark; both are there once the script does. And neither needs scikit-learn."""
    text = """
        import sys
        sys.modules["sklearn"] = None  # not installed
        from mistique_core.modeldb import Syncer
        from mistique_core.modeldb.client.autolog import trace
        from mistique_core.modeldb.spark import load

        class Sink:
            begin = lambda self: None
            record = lambda self, events: None
            finish = lambda self, error=None, events=(): None

        run = trace(Sink())
        assert not any(name.startswith("pyspark") for name in sys.modules)
        from pyspark.sql import SparkSession
        from pyspark.sql.readwriter import DataFrameReader
        assert hasattr(DataFrameReader.csv, "__wrapped__")
        assert "pyspark.ml" not in sys.modules
        from pyspark.ml.classification import LogisticRegression
        assert hasattr(LogisticRegression.fit, "__wrapped__")
        from pyspark.sql.classic.dataframe import DataFrame
        assert hasattr(DataFrame.randomSplit, "__wrapped__")
        run.stop()
        assert not hasattr(LogisticRegression.fit, "__wrapped__")
        assert not hasattr(DataFrameReader.csv, "__wrapped__")
        with Syncer(sink=Sink()):
            assert hasattr(LogisticRegression, "fitSync")
            assert hasattr(DataFrameReader, "csv_sync")
        assert not hasattr(LogisticRegression, "fitSync")
    """
    file = tmp_path / "script.py"
    file.write_text(textwrap.dedent(text))
    ended = subprocess.run(
        [sys.executable, str(file)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
