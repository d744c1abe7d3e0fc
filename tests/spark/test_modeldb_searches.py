"""Pipelines and searches of Spark: parts, cells, folds and the best fit; nothing is fitted twice."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mistique_core.model.event import StageEvent, StageKind
from mistique_core.modeldb.client.autolog import trace
from mistique_core.modeldb.sync import Syncer
from tests.spark.modeldb_data import assembler, jobs_of, read, write_table
from tests.unit.modeldb.client.recorded import Sink

pyspark = pytest.importorskip("pyspark")


@pytest.fixture(scope="module")
def frame(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    frame = read(spark, write_table(tmp_path_factory.mktemp("data"))).cache()
    frame.count()
    return frame


def parts_of(sink: Sink, event: StageEvent) -> list[StageEvent]:
    return [part for part in sink.events if part.parent is event]


def make_pipeline(**params: Any) -> Any:
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import StandardScaler, StringIndexer

    return Pipeline(
        stages=[
            StringIndexer(inputCol="kind", outputCol="k"),
            assembler("a", "b", "k", output="raw"),
            StandardScaler(inputCol="raw", outputCol="features", withMean=True),
            LogisticRegression(maxIter=4, **params),
        ]
    )


def test_a_pipeline_has_its_stages_as_parts(spark: Any, frame: Any) -> None:
    pipeline = make_pipeline()
    without = jobs_of(spark, lambda: pipeline.fit(frame))
    sink = Sink()
    with Syncer(sink=sink):
        made: list[Any] = []
        # Defect 2 of the original: every stage was fitted twice.
        assert jobs_of(spark, lambda: made.append(pipeline.fitSync(frame))) == without
        (model,) = made
        guess = model.transformSync(frame)
    assert guess.count() == frame.count()
    assert sink.top() == ["Pipeline", "predict"]
    whole = sink.only("Pipeline")
    assert (whole.kind, whole.operator) == (StageKind.PIPELINE, "pyspark.ml:Pipeline.fit")
    parts = parts_of(sink, whole)
    assert [(part.kind, part.name, part.facts["position"]) for part in parts] == [
        (StageKind.TRANSFORM, "StringIndexer", 0), (StageKind.TRANSFORM, "VectorAssembler", 1),
        (StageKind.TRANSFORM, "StandardScaler", 2), (StageKind.FIT, "LogisticRegression", 3),
    ]  # fmt: skip
    assert [(part.facts["input_columns"], part.facts["output_columns"]) for part in parts[:3]] == [
        (["kind"], ["k"]), (["a", "b", "k"], ["raw"]), (["raw"], ["features"]),
    ]  # fmt: skip
    assert parts[0].inputs == whole.inputs
    for before, after in pairwise(parts):
        assert after.inputs == {"data": before.frames[""]}
    columns = parts[2].frames[""].columns
    assert columns is not None
    assert [name for name, _ in columns][-3:] == ["k", "raw", "features"]
    facts = whole.fitted["model"].facts
    assert facts.type_name == "LogisticRegression"
    assert [feature.name for feature in facts.features] == ["kind", "a", "b"]
    assert facts.label_columns == ("label",)
    assert facts.linear is not None
    assert facts.linear.is_standardized is True
    regression = model.stages[-1]
    assert [(term.name, term.coefficient) for term in facts.linear.terms[1:]] == list(
        zip(["a", "b", "k"], regression.coefficients, strict=True)
    )
    assert whole.hyperparameters == parts[3].hyperparameters
    assert [item["estimator"].rpartition(".")[2] for item in whole.params["params"]["stages"]] == [
        part.name for part in parts
    ]
    assert sink.only("predict").inputs["model"] is whole.fitted["model"]


def test_a_pipeline_with_overrides_and_without_a_model(frame: Any) -> None:
    from pyspark.ml import Pipeline

    sink = Sink()
    with trace(sink):
        pipeline = make_pipeline()
        pipeline.fit(frame, {pipeline.getStages()[-1].regParam: 0.25})
        features = Pipeline(stages=make_pipeline().getStages()[:3]).fit(frame)
        features.transform(frame)
        Pipeline(stages=[]).fit(frame)
    assert sink.top() == ["Pipeline", "Pipeline", "transform", "Pipeline"]
    first, second, empty = [event for event in sink.events if event.kind is StageKind.PIPELINE]
    assert first.hyperparameters["regParam"] == 0.25
    assert second.fitted["model"].facts.type_name == "StandardScaler"
    assert [feature.name for feature in second.fitted["model"].facts.features] == ["kind", "a", "b"]
    assert len(parts_of(sink, empty)) == 0
    assert sink.only("transform").inputs["transformer"] is second.fitted["model"]


def test_a_cross_validation_has_cells_folds_and_the_best_fit(spark: Any, frame: Any) -> None:
    from pyspark.ml.evaluation import BinaryClassificationEvaluator
    from pyspark.ml.tuning import CrossValidator, ParamGridBuilder

    pipeline = make_pipeline()
    regression = pipeline.getStages()[-1]
    grid = ParamGridBuilder().addGrid(regression.regParam, [10.0, 0.01]).addGrid(regression.maxIter, [3]).build()
    search: Any = CrossValidator(
        estimator=pipeline, estimatorParamMaps=grid, evaluator=BinaryClassificationEvaluator(), numFolds=3, seed=5,
        parallelism=2, collectSubModels=True,
    )  # fmt: skip
    plain = search.fit(frame)
    sink = Sink()
    with Syncer(sink=sink):
        model = search.fitSync(frame)
        model.transformSync(frame)
        model.bestModel.transformSync(frame)
    assert model.avgMetrics == plain.avgMetrics
    event = sink.only("CrossValidator")
    assert event.kind is StageKind.GRID_SEARCH
    assert event.facts == {"folds": 3, "seed": 5, "evaluator": "roc_auc"}
    assert event.metrics == {"best_roc_auc": max(model.avgMetrics)}
    parts = parts_of(sink, event)
    cells = [part for part in parts if part.kind is StageKind.CROSS_VALIDATION]
    assert [cell.hyperparameters for cell in cells] == [
        {"regParam": 10.0, "maxIter": 3},
        {"regParam": 0.01, "maxIter": 3},
    ]
    for number, cell in enumerate(cells):
        folds = [part.metrics["roc_auc"] for part in parts_of(sink, cell)]
        assert len(folds) == 3
        assert np.mean(folds) == pytest.approx(model.avgMetrics[number])
        assert np.std(folds) == pytest.approx(model.stdMetrics[number])
    (best,) = [part for part in parts if part.kind is StageKind.FIT]
    assert best.hyperparameters["regParam"] == grid[int(np.argmax(model.avgMetrics))][regression.regParam]
    assert event.hyperparameters == best.hyperparameters
    for guess in [item for item in sink.events if item.name == "predict"]:
        assert guess.inputs["model"] is best.fitted["model"]
    order = {id(item): number for number, item in enumerate(sink.events)}
    assert all(order[id(item.parent)] < order[id(item)] for item in sink.events if item.parent is not None)


def test_without_the_folds_there_are_means(frame: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spark's model keeps means and deviations only; the folds come from a function that another version may lack."""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.ml.tuning import CrossValidator, ParamGridBuilder

    monkeypatch.setattr("mistique_core.modeldb.spark.search_events._AVERAGES", "_gone")
    regression = LogisticRegression(maxIter=2)
    grid = ParamGridBuilder().addGrid(regression.regParam, [0.0, 1.0]).build()
    evaluator = MulticlassClassificationEvaluator(metricName="logLoss")
    search = CrossValidator(estimator=regression, estimatorParamMaps=grid, evaluator=evaluator, numFolds=2, seed=1)
    sink = Sink()
    with trace(sink):
        model = search.fit(assembler().transform(frame))
    event = sink.only("CrossValidator")
    assert event.metrics == {"best_log_loss": min(model.avgMetrics)}
    cells = [part for part in parts_of(sink, event) if part.kind is StageKind.CROSS_VALIDATION]
    assert [cell.metrics for cell in cells] == [
        {"mean_log_loss": mean, "std_log_loss": deviation}
        for mean, deviation in zip(model.avgMetrics, model.stdMetrics, strict=True)
    ]
    assert all(parts_of(sink, cell) == [] for cell in cells)


def test_a_split_into_training_and_validation(frame: Any) -> None:
    from pyspark.ml.evaluation import RegressionEvaluator
    from pyspark.ml.regression import LinearRegression
    from pyspark.ml.tuning import ParamGridBuilder, TrainValidationSplit

    regression = LinearRegression(labelCol="price")
    grid = ParamGridBuilder().addGrid(regression.regParam, [5.0, 0.0]).build()
    evaluator = RegressionEvaluator(labelCol="price")
    search: Any = TrainValidationSplit(
        estimator=regression, estimatorParamMaps=grid, evaluator=evaluator, trainRatio=0.6, seed=2
    )
    sink = Sink()
    with Syncer(sink=sink):
        model = search.fit_sync(assembler().transform(frame))
    event = sink.only("TrainValidationSplit")
    assert event.kind is StageKind.GRID_SEARCH
    assert event.facts == {
        "folds": 1, "seed": 2, "evaluator": "root_mean_squared_error", "train_ratio": 0.6,
        "input_columns": ["features"],
    }  # fmt: skip
    assert event.metrics == {"best_root_mean_squared_error": min(model.validationMetrics)}
    cells = [part for part in parts_of(sink, event) if part.kind is StageKind.CROSS_VALIDATION]
    found = [part.metrics["root_mean_squared_error"] for cell in cells for part in parts_of(sink, cell)]
    assert found == model.validationMetrics
    (best,) = [part for part in parts_of(sink, event) if part.kind is StageKind.FIT]
    assert best.hyperparameters["regParam"] == 0.0
    assert best.fitted["model"].facts.label_columns == ("price",)


def test_a_failing_search_is_recorded_as_failed(frame: Any) -> None:
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.evaluation import BinaryClassificationEvaluator
    from pyspark.ml.tuning import CrossValidator

    search = CrossValidator(
        estimator=LogisticRegression(labelCol="gone"),
        estimatorParamMaps=[{}],
        evaluator=BinaryClassificationEvaluator(),
    )
    sink = Sink()
    with trace(sink), pytest.raises(Exception, match="gone"):
        search.fit(assembler().transform(frame))
    event = sink.only("CrossValidator")
    assert event.error is not None
    assert "gone" in event.error
    assert parts_of(sink, event) == []
    assert event.params["params"]["estimator"] == "LogisticRegression"
