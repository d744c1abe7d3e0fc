"""Where Spark's data frames and features come from, and what ModelDB answers about Spark's models."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from mistique_core import Mistique
from mistique_core.errors import IllegalOperationError
from mistique_core.model.event import StageKind
from mistique_core.modeldb import ModelDB, autolog
from mistique_core.modeldb.client.autolog import trace
from mistique_core.modeldb.spark.memory import SparkMemory
from tests.spark.modeldb_data import ROWS, assembler, read
from tests.unit.modeldb.client.recorded import Sink

pyspark = pytest.importorskip("pyspark")


def logistic(**params: Any) -> Any:
    from pyspark.ml.classification import LogisticRegression

    return LogisticRegression(maxIter=3, **params)


def test_columns_of_a_data_frame_are_no_data_of_their_own(spark: Any, path: str) -> None:
    sink = Sink()
    with trace(sink):
        frame = read(spark, path)
        same = frame.cache().repartition(2).orderBy("a").alias("t").select("*")
        some = frame.select("a", "b", "label").drop("nothing").drop("label")[["a", "b"]]
        assembler("a", "b").transform(same)
        assembler("a", "b", output="x").transform(some)
        frame.unpersist()
    first, second = (event for event in sink.events if event.kind is StageKind.TRANSFORM)
    assert first.inputs["data"] is second.inputs["data"] is sink.only("read_csv").frames[""]


def test_what_is_made_of_known_data_is_derived_from_it(spark: Any, path: str) -> None:
    from pyspark.sql import functions

    sink = Sink()
    with trace(sink):
        frame = read(spark, path)
        wide = frame.withColumn("d", functions.col("a") + 1).withColumnRenamed("b", "e")
        few = frame.where("a > 2").dropna().limit(100)
        both = few.join(wide.select("a", "d"), "a")
        unknown = spark.createDataFrame([(1.0,)], "a double").filter("a > 0")
        frame.filter("a > 1000")  # is used nowhere
        assembler("a", "d").transform(wide)
        assembler("a", "b", output="x").transform(few)
        assembler("a", "d", output="y").transform(both)
        assembler("a", output="z").transform(unknown)
        assembler("a", output="u").transform(wide.union(wide.sample(0.5)))
        frame.groupBy("kind").count()
    made = [event for event in sink.events if event.kind is StageKind.OTHER]
    assert [(event.name, event.params["calls"]) for event in made] == [
        ("columns_changed", ["withColumn", "withColumnRenamed"]),
        ("derived", ["where", "dropna", "limit"]),
        ("derived", ["where", "dropna", "limit", "withColumn", "withColumnRenamed", "select", "join"]),
        ("derived", ["sample", "union"]),
    ]
    source = sink.only("read_csv").frames[""]
    assert made[0].inputs == made[1].inputs == made[2].inputs == {"data": source}
    # What was used by itself is data of its own from then on.
    assert made[3].inputs == {"data": made[0].frames[""]}
    columns = made[0].frames[""].columns
    assert columns is not None
    assert [name for name, _ in columns] == ["a", "e", "c", "kind", "label", "level", "price", "d"]
    last = [event for event in sink.events if event.kind is StageKind.TRANSFORM][-2]
    assert last.inputs["data"].columns == (("a", "double"),)  # type: ignore[union-attr]


def test_a_loop_of_derived_data_frames_stays_small(spark: Any, path: str) -> None:
    with trace(Sink()) as run:
        frame = read(spark, path)
        for _ in range(12):
            frame = frame.union(frame)
        derived = run.tracker.memory(SparkMemory).derived(frame)
    assert derived is not None
    assert len(derived.inputs) == 1
    assert len(derived.calls) == 100


def test_nothing_is_kept_alive(spark: Any, path: str) -> None:
    with trace(Sink()) as run:
        frame = read(spark, path)
        made = frame.filter("a > 0")
        model = logistic().fit(assembler().transform(made))
        memory = run.tracker.memory(SparkMemory)
        assert len(memory._derived) == 1
        del frame, made, model
        gc.collect()
        assert memory._derived == {}
        assert run.tracker.views._seen == {}
        assert len(memory.specifications) == 0


def test_a_transformer_joins_what_it_learned_only_with_data_that_was_there(spark: Any, path: str) -> None:
    from pyspark.ml.feature import StandardScaler

    sink = Sink()
    with trace(sink):
        frame = read(spark, path)
        train, test = frame.randomSplit([0.5, 0.5], 1)
        stage = assembler()
        train, test = stage.transform(train), stage.transform(test)
        scaling = StandardScaler(inputCol="features", outputCol="s").fit(train)
        scaling.transform(train)
        later = stage.transform(scaling.transform(test).drop("features", "s"))
        assert later.count() > 0
    assert sink.top() == [
        "read_csv", "randomSplit", "VectorAssembler", "StandardScaler", "transform",
    ]  # fmt: skip
    assembled = sink.only("VectorAssembler")
    assert assembled.inputs == sink.only("randomSplit").frames
    assert list(assembled.frames) == list(sink.only("StandardScaler").frames) == ["train", "test"]
    assert sink.only("transform").inputs["transformer"] is assembled.fitted["transformer"]


def test_original_features_pass_through_vectors(spark: Any, path: str, store: Mistique) -> None:
    from pyspark.ml.feature import OneHotEncoder, StandardScaler, StringIndexer

    with autolog("p", "m", store=store) as run:
        frame = read(spark, path)
        frame = StringIndexer(inputCol="kind", outputCol="k").fit(frame).transform(frame)
        frame = OneHotEncoder(inputCol="k", outputCol="v").fit(frame).transform(frame)
        frame = assembler("a", "v", output="raw").transform(frame).filter("a > 1")
        frame = StandardScaler(inputCol="raw", outputCol="features", withMean=True).fit(frame).transform(frame)
        logistic().fit(frame)
    db = ModelDB(store)
    model = fitted(store, run.run.version_id)[-1]
    found = db.lineage.original_features(model)
    assert [item.column for item in found.columns] == ["a", "kind"]
    assert {item.frame.filepath for item in found.columns} == {path}
    steps = db.lineage.extract_pipeline(model)
    assert [step.event.label for step in steps] == [
        "StringIndexer", "OneHotEncoder", "VectorAssembler", "DataFrame", "StandardScaler", "LogisticRegression",
    ]  # fmt: skip
    assert steps[-1].spec is not None
    assert steps[-1].spec.hyperparameters["maxIter"] == 3
    assert set(db.compare.linear_feature_importances(model)) == {"a", "v_low"}


def test_questions_about_models_of_spark(spark: Any, path: str, store: Mistique) -> None:
    from pyspark.ml import Pipeline
    from pyspark.ml.evaluation import BinaryClassificationEvaluator, RegressionEvaluator
    from pyspark.ml.feature import StandardScaler
    from pyspark.ml.regression import LinearRegression, RandomForestRegressor

    with autolog("p", "m", store=store, count_rows=True) as run:
        train, test = assembler().transform(read(spark, path)).randomSplit([0.75, 0.25], 1)
        scaler = StandardScaler(inputCol="features", outputCol="s", withMean=True)
        logit = Pipeline(stages=[scaler, logistic(featuresCol="s")]).fit(train)
        BinaryClassificationEvaluator().evaluate(logit.transform(test))
        linear = LinearRegression(labelCol="price", regParam=0.0).fit(train)
        RegressionEvaluator(labelCol="price").evaluate(linear.transform(test))
        RandomForestRegressor(labelCol="price", numTrees=3, seed=1).fit(train)
    db = ModelDB(store)
    models = fitted(store, run.run.version_id)
    of_pipeline, regression, forest = models[0], *models[-2:]
    compared = db.compare.hyperparameters(regression, forest)
    assert compared.shared["labelCol"] == ("price", "price")
    assert "regParam" in compared.only_1
    assert "numTrees" in compared.only_2
    assert set(db.compare.linear_feature_importances(of_pipeline)) == {"a", "b", "c"}
    with pytest.raises(IllegalOperationError, match="not fitted on standardised features"):
        db.compare.linear_feature_importances(regression)
    assert [item.feature for item in db.compare.feature_importances(regression, forest)] == ["a", "b", "c"]
    assert db.compare.features(regression, forest).shared == ("a", "b", "c")
    rows = db.compare.training_rows_count(regression)
    assert 0.6 * ROWS < rows < ROWS
    intervals = db.compare.confidence_intervals(regression, 0.05)
    assert [item.name for item in intervals] == ["intercept", "a", "b", "c"]
    assert 2.8 < intervals[1].low < intervals[1].high < 3.1
    steps = db.lineage.extract_pipeline(of_pipeline)
    assert [step.event.label for step in steps][:2] == ["VectorAssembler", "StandardScaler"]
    (page,) = db.search("metrics.roc_auc > 0.5").runs
    assert page.id == run.run.id
    assert db.compare.iterations_until_convergence([of_pipeline], 0.0)[0] > 1
    ancestor = db.lineage.common_ancestor_of_models(regression, forest)
    assert ancestor.ancestor is not None
    assert (ancestor.steps_1, ancestor.steps_2) == (0, 0)


def fitted(store: Mistique, version: int) -> list[int]:
    """The models and transformers of a version, in order."""
    with store.catalogue.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT t.id FROM transformer t JOIN stage s ON s.id = t.stage_id "
            f"WHERE s.model_version_id = {version} AND s.kind IN ('fit', 'pipeline') ORDER BY t.id"
        )
        return list(rows.scalars())
