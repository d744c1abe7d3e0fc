"""Every entry point of the original Spark client, on a real Spark."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.model.event import StageKind
from mistique_core.modeldb import ModelDB, Syncer
from mistique_core.modeldb.spark import ComputeMulticlassMetrics, compute_multiclass_metrics, load
from tests.spark.modeldb_data import ROWS, assembler, read
from tests.unit.modeldb.client.recorded import Sink

pyspark = pytest.importorskip("pyspark")


def classifier(**params: Any) -> Any:
    from pyspark.ml.classification import LogisticRegression

    return LogisticRegression(maxIter=5, **params)


def test_csv_sync(spark: Any, path: str) -> None:
    sink = Sink()
    with Syncer(sink=sink):
        frame = spark.read.option("header", True).options(inferSchema=True).csvSync(path)
        again = spark.read.schema("a double").csv_sync([path], header="true")
        with pytest.raises(Exception, match="PATH_NOT_FOUND"):
            spark.read.csvSync(f"{path}.gone")
    assert frame.columns == ["a", "b", "c", "kind", "label", "level", "price"]
    assert again.columns == ["a"]
    first, second, failed = sink.events
    assert (first.kind, first.name, first.operator) == (StageKind.READ, "read_csv", "pyspark.sql:DataFrameReader.csv")
    assert first.params == {"path": path, "options": {"header": True, "inferSchema": True}}
    entity = first.frames[""]
    assert (entity.rows, entity.filepath) == (None, path)
    assert entity.columns is not None
    assert dict(entity.columns) == {
        "a": "double", "b": "double", "c": "int", "kind": "string", "label": "int", "level": "int", "price": "double",
    }  # fmt: skip
    assert second.params["options"] == {"header": "true", "schema": "a double"}
    assert (failed.frames, failed.params["path"]) == ({}, f"{path}.gone")
    assert failed.error is not None
    assert "pyspark" in first.libraries


def test_other_readers(spark: Any, path: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "table.parquet")
    read(spark, path).write.parquet(folder)
    sink = Sink()
    with Syncer(sink=sink, count_rows=True):
        frames = [spark.read.parquetSync(folder), spark.read.format("parquet").loadSync(folder)]
        frames.append(spark.read.load_sync(folder, format="parquet"))
    assert [event.name for event in sink.events] == ["read_parquet", "read_load", "read_load"]
    assert {event.params["path"] for event in sink.events} == {folder}
    assert [event.params["options"] for event in sink.events] == [{}, {"format": "parquet"}, {"format": "parquet"}]
    assert {event.frames[""].rows for event in sink.events} == {ROWS}
    assert all(frame.count() == ROWS for frame in frames)
    failed = Sink()
    with Syncer(sink=failed):
        reader = spark.read.format("gone").option("password", "hidden").options(url="jdbc:x://me:hidden@host/db")
        with pytest.raises(Exception, match="gone"):
            reader.loadSync()
    assert failed.events[0].params["options"] == {
        "format": "gone", "password": "*****", "url": "jdbc:x://me:*****@host/db",
    }  # fmt: skip


def test_random_split_sync(spark: Any, path: str) -> None:
    sink = Sink()
    with Syncer(sink=sink):
        frame: Any = read(spark, path)
        random.seed(5)
        train, test = frame.randomSplitSync([3.0, 1.0])
        parts = frame.random_split_sync([1.0, 1.0, 2.0], seed=7)
        given = frame.randomSplitSync([0.5, 0.5], 9)
    first, second, third = sink.events
    random.seed(5)
    seed = random.randint(0, sys.maxsize)
    # Defect 1 of the original: what it recorded of a split without a seed did not make the same split.
    assert first.facts == {"seed": seed, "weights": [0.75, 0.25]}
    assert list(first.frames) == ["train", "test"]
    repeated = frame.randomSplit(first.params["weights"], first.facts["seed"])
    assert repeated[0].collect() == train.collect()
    assert repeated[1].collect() == test.collect()
    assert (list(second.frames), second.facts["seed"]) == (["part_0", "part_1", "part_2"], 7)
    assert len(parts) == 3
    assert given[0].count() == frame.randomSplit([0.5, 0.5], 9)[0].count()
    assert third.facts == {"seed": 9, "weights": [0.5, 0.5]}
    assert first.inputs["data"] is second.inputs["data"]


def test_fit_transform_and_evaluate_sync(spark: Any, path: str) -> None:
    from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator
    from pyspark.ml.feature import StandardScaler

    sink = Sink()
    with Syncer(sink=sink):
        table = spark.read.csvSync(path, None, header=True, inferSchema=True)
        train, test = assembler().transformSync(table).randomSplitSync([0.8, 0.2], 1)
        scaler: Any = StandardScaler(inputCol="features", outputCol="scaled", withMean=True)
        scaling = scaler.fitSync(train)
        scaled, scaled_test = scaling.transformSync(train), scaling.transform_sync(test)
        regression = classifier(featuresCol="scaled")
        model = regression.fitSync(scaled, {regression.regParam: 0.5})
        guess = model.transformSync(scaled_test)
        evaluator: Any = MulticlassClassificationEvaluator()
        accuracy = evaluator.evaluateSync(guess, model, {evaluator.metricName: "accuracy"})
        area = BinaryClassificationEvaluator().evaluate_sync(guess)
        assert evaluator.evaluateSync(guess, params={evaluator.metricName: "accuracy"}) == accuracy
    assert type(model).__name__ == "LogisticRegressionModel"
    assert sink.top() == [
        "read_csv", "VectorAssembler", "randomSplit", "StandardScaler", "LogisticRegression", "predict", "evaluate",
        "evaluate",
    ]  # fmt: skip
    _, assembled, split, scale, fit, predict, evaluate, again = sink.events
    assert (assembled.kind, list(assembled.fitted)) == (StageKind.TRANSFORM, ["transformer"])
    assert assembled.facts == {"input_columns": ["a", "b", "c"], "output_columns": ["features"]}
    assert scale.kind is StageKind.TRANSFORM
    assert scale.inputs == split.frames
    assert list(scale.frames) == ["train", "test"]
    assert scale.operator == "pyspark.ml.feature:StandardScaler.fit"
    assert fit.operator == "pyspark.ml.classification:LogisticRegression.fit"
    assert fit.inputs == {"data": scale.frames["train"]}
    assert fit.params == {
        "estimator": "pyspark.ml.classification.LogisticRegression",
        "params": {"featuresCol": "scaled", "maxIter": 5, "regParam": 0.5},
        "features": ["a", "b", "c"], "label": "label",
    }  # fmt: skip
    facts = fit.fitted["model"].facts
    assert facts.type_name == "LogisticRegression"
    assert facts.label_columns == ("label",)
    assert facts.prediction_columns == ("prediction", "probability", "rawPrediction")
    assert facts.hyperparameters == fit.hyperparameters
    assert (facts.hyperparameters["regParam"], facts.hyperparameters["tol"]) == (0.5, 1e-6)
    assert facts.linear is not None
    assert facts.linear.is_standardized is True
    assert predict.inputs == {"model": fit.fitted["model"], "data": scale.frames["test"]}
    assert evaluate.metrics == {"accuracy": accuracy, "roc_auc": area}
    assert (evaluate.metrics_of, evaluate.metrics_on) == (fit.fitted["model"], scale.frames["test"])
    assert evaluate.params["label"] == "label"
    assert again.metrics == {"accuracy": accuracy}


def test_a_failing_fit_is_recorded_as_failed(spark: Any, path: str, store: Mistique) -> None:
    with Syncer("p", "m", store=store):
        frame: Any = assembler().transformSync(read(spark, path))
        with pytest.raises(Exception, match="gone"):
            classifier(labelCol="gone").fitSync(frame)
        model = classifier().fitSync(frame)
        assert model.numClasses == 2
    with store.catalogue.read() as connection:
        found = connection.exec_driver_sql("SELECT name, state, error FROM stage ORDER BY id").all()
    assert [(row.name, row.state) for row in found] == [
        ("VectorAssembler", "success"), ("LogisticRegression", "failed"), ("LogisticRegression_2", "success"),
    ]  # fmt: skip
    assert "gone" in found[1].error


def test_a_list_of_param_maps_is_a_fit_each(spark: Any, path: str) -> None:
    sink = Sink()
    with Syncer(sink=sink):
        frame = assembler().transform(read(spark, path))
        regression = classifier()
        models = regression.fitSync(frame, [{regression.regParam: 0.0}, {regression.regParam: 1.0}])
    assert len(models) == 2
    assert [event.hyperparameters["regParam"] for event in sink.events] == [0.0, 1.0]
    assert [event.fitted["model"].facts.linear.terms[1].coefficient for event in sink.events] == [  # type: ignore[union-attr]
        model.coefficients[0] for model in models
    ]


def test_compute_multiclass_metrics(spark: Any, path: str) -> None:
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator

    sink = Sink()
    with Syncer(sink=sink):
        train, test = assembler().transform(read(spark, path)).randomSplitSync([0.7, 0.3], 1)  # type: ignore[attr-defined]
        model = classifier(labelCol="level").fitSync(train)
        guess = model.transformSync(test)
        found = ComputeMulticlassMetrics(guess, model, label_col="level")
    event = sink.only("evaluate")
    assert event.operator == "pyspark.mllib.evaluation:MulticlassMetrics"
    evaluator = MulticlassClassificationEvaluator(labelCol="level")
    for name, metric in {
        "accuracy": "accuracy", "precision_weighted": "weightedPrecision", "recall_weighted": "weightedRecall",
        "f1_weighted": "f1",
    }.items():  # fmt: skip
        assert event.metrics[name] == pytest.approx(evaluator.evaluate(guess, {evaluator.metricName: metric}))
    assert event.metrics["precision_2"] == found.precision(2.0)
    assert {"recall_0", "f1_1"} <= set(event.metrics)
    assert event.metrics_of is sink.only("LogisticRegression").fitted["model"]
    assert event.metrics_on is sink.only("randomSplit").frames["test"]
    assert compute_multiclass_metrics(guess, label_col="level").accuracy == found.accuracy == event.metrics["accuracy"]
    assert found.confusionMatrix().toArray().sum() == guess.count()


def test_tag(spark: Any, path: str, store: Mistique) -> None:
    with Syncer("p", "m", store=store) as syncer:
        frame: Any = read(spark, path)
        assert frame.tag("the table") is frame
        stage = assembler().tag("three columns")
        made = stage.transformSync(frame).tag("assembled")
        regression = classifier().tag("few steps")
        model = regression.fitSync(made)
        syncer.sync()
        model.tag("renamed")
        tagged = frame.selectExpr("a AS tag")
        assert tagged.tag.desc() is not None  # a column of that name is a column
        syncer.add_tag(tagged, "a column")
    with store.catalogue.read() as connection:
        frames = connection.exec_driver_sql("SELECT tag FROM data_frame ORDER BY id").scalars().all()
        models = connection.exec_driver_sql("SELECT tag FROM transformer ORDER BY id").scalars().all()
    assert {"the table", "assembled"} <= set(frames)
    assert models == ["three columns", "renamed"]
    assert not hasattr(type(model), "tag")


def test_annotate(spark: Any, path: str, store: Mistique) -> None:
    with Syncer("p", "m", store=store) as syncer:
        frame: Any = assembler().transformSync(read(spark, path))
        regression = classifier()
        model = regression.fitSync(frame)
        syncer.annotate("five steps of", regression, "on", frame, "gave", model)
        with pytest.raises(InvalidInputError, match="a LogisticRegression is not recorded in this run"):
            syncer.annotate("about", classifier())
        run = syncer.run.id
    (written,) = ModelDB(store).annotations.of_run(run)
    texts = [part.message for part in written.fragments]
    assert texts == ["five steps of", None, "on", None, "gave", None]
    kinds = [(part.spec_id, part.frame_id, part.model_id) for part in written.fragments if part.message is None]
    assert [[value is not None for value in row] for row in kinds] == [
        [True, False, False], [False, True, False], [False, False, True],
    ]  # fmt: skip
    model_id = kinds[2][2]
    assert model_id is not None
    assert ModelDB(store).annotations.of_model(model_id) == (written,)


def test_save_sync_and_load(spark: Any, path: str, store: Mistique, tmp_path: Path) -> None:
    from pyspark.ml import Pipeline

    place, other = str(tmp_path / "model"), str(tmp_path / "pipeline")
    with Syncer("p", "m", store=store) as syncer:
        frame: Any = assembler().transformSync(read(spark, path))
        model = classifier().fitSync(frame)
        assert model.saveSync(place) is None
        syncer.sync()
        pipeline = Pipeline(stages=[assembler(output="x"), classifier(featuresCol="x")]).fitSync(frame)  # type: ignore[attr-defined]
        syncer.sync()
        pipeline.save_sync(other)
        same = load(place)
        assert same.coefficients == model.coefficients
        same.transformSync(frame)
    with store.catalogue.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT id, filepath FROM transformer WHERE filepath IS NOT NULL ORDER BY id"
        ).all()
        inputs = (
            connection.exec_driver_sql(
                "SELECT i.transformer_id FROM stage_input i JOIN stage s ON s.id = i.stage_id WHERE s.kind = 'predict' "
                "AND i.transformer_id IS NOT NULL"
            )
            .scalars()
            .all()
        )
    assert [row.filepath for row in rows] == [place, other]
    assert inputs == [rows[0].id]
    with Syncer("p", "later", store=store) as syncer:
        found = syncer.load(rows[0].id)
        assert found.coefficients == model.coefficients
        found.transformSync(frame)
        assert [type(stage).__name__ for stage in syncer.load(other).stages] == [
            "VectorAssembler", "LogisticRegressionModel",
        ]  # fmt: skip
        with pytest.raises(NotFoundError, match="not recorded where it was saved"):
            syncer.load(10_000)
    with store.catalogue.read() as connection:
        loaded = connection.exec_driver_sql("SELECT filepath, stage_id FROM transformer ORDER BY id DESC").all()[0]
    assert (loaded.filepath, loaded.stage_id) == (place, None)
    assert load(place).intercept == model.intercept


def test_errors_of_ours_do_not_reach_the_script(
    spark: Any, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("ours")

    monkeypatch.setattr("mistique_core.modeldb.spark.transform_events.view_of", broken)
    monkeypatch.setattr("mistique_core.modeldb.spark.model_facts.problem_type_of", broken)
    sink = Sink()
    with Syncer(sink=sink):
        frame = assembler().transformSync(read(spark, path))
        model = classifier().fitSync(frame)
    assert model.numFeatures == 3
    assert "the script goes on" in caplog.text
    assert "nothing is known about the inside of a LogisticRegressionModel" in caplog.text
    assert [event.name for event in sink.events] == ["LogisticRegression"]
    assert sink.events[0].fitted["model"].facts.hyperparameters["maxIter"] == 5
