"""All of pyspark.ml, and stages of a script's own, are recorded without a word of complaint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mistique_core.model.event import StageKind
from mistique_core.modeldb.client.autolog import trace
from mistique_core.modeldb.spark.model_facts import model_facts
from tests.spark.modeldb_data import assembler, jobs_of, read, write_table
from tests.unit.modeldb.client.recorded import Sink

pyspark = pytest.importorskip("pyspark")


@pytest.fixture(scope="module")
def frame(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    table = read(spark, write_table(tmp_path_factory.mktemp("data"))).limit(80)
    table = table.selectExpr(
        "*", "abs(a) AS positive", "CAST(label AS double) AS censor", "split(concat(kind, ' ', level), ' ') AS words",
        "concat(kind, ' of ', level) AS text", "array(level, level + 3) AS items", "IF(level = 0, NULL, a) AS gaps",
    )  # fmt: skip
    vectors = assembler("positive", "c", "level").transform(table)
    return vectors.repartition(1).cache()


def models() -> list[Any]:
    from pyspark.ml import classification, clustering, fpm, recommendation, regression

    short = {"maxIter": 2}
    price = {"labelCol": "price"}
    return [
        classification.FMClassifier(**short),
        classification.GBTClassifier(maxDepth=2, **short),
        classification.LinearSVC(**short),
        classification.MultilayerPerceptronClassifier(layers=[3, 2], **short),
        classification.NaiveBayes(labelCol="level"),
        classification.RandomForestClassifier(numTrees=2, maxDepth=2),
        classification.OneVsRest(classifier=classification.LinearSVC(**short), labelCol="level"),
        clustering.BisectingKMeans(k=2, **short),
        clustering.GaussianMixture(k=2, **short),
        clustering.LDA(k=2, **short),
        fpm.FPGrowth(itemsCol="items"),
        recommendation.ALS(userCol="c", itemCol="level", ratingCol="a", rank=2, **short),
        regression.AFTSurvivalRegression(labelCol="positive", **short),
        regression.DecisionTreeRegressor(maxDepth=2, **price),
        regression.FMRegressor(**price, **short),
        regression.GBTRegressor(maxDepth=2, **price, **short),
        regression.IsotonicRegression(**price),
    ]


def learned() -> list[Any]:
    from pyspark.ml import feature

    vector: dict[str, Any] = {"inputCol": "features", "outputCol": "made"}
    words: dict[str, Any] = {"inputCol": "words", "outputCol": "made"}
    selector = feature.UnivariateFeatureSelector(outputCol="made", labelCol="level")
    return [
        feature.BucketedRandomProjectionLSH(bucketLength=2.0, **vector),
        feature.CountVectorizer(**words),
        feature.IDF(**vector),
        feature.Imputer(inputCols=["gaps"], outputCols=["made"]),
        feature.MaxAbsScaler(**vector),
        feature.MinHashLSH(**vector),
        feature.PCA(k=2, **vector),
        feature.QuantileDiscretizer(inputCol="a", outputCol="made", numBuckets=3),
        feature.RFormula(formula="label ~ a + kind", featuresCol="made", labelCol="is"),
        feature.RobustScaler(**vector),
        selector.setFeatureType("continuous").setLabelType("categorical").setSelectionThreshold(2),
        feature.VarianceThresholdSelector(outputCol="made"),
        feature.VectorIndexer(maxCategories=3, **vector),
        feature.Word2Vec(minCount=0, maxIter=1, vectorSize=2, **words),
    ]


def plain() -> list[Any]:
    from pyspark.ml import feature
    from pyspark.ml.linalg import Vectors

    vector: dict[str, Any] = {"inputCol": "features", "outputCol": "made"}
    words: dict[str, Any] = {"inputCol": "words", "outputCol": "made"}
    return [
        feature.Binarizer(inputCol="a", outputCol="made"),
        feature.Bucketizer(splits=[-99.0, 5.0, 99.0], inputCol="a", outputCol="made"),
        feature.DCT(**vector),
        feature.ElementwiseProduct(scalingVec=Vectors.dense(1.0, 2.0, 3.0), **vector),
        feature.FeatureHasher(inputCols=["a", "kind"], outputCol="made", numFeatures=8),
        feature.HashingTF(numFeatures=8, **words),
        feature.IndexToString(inputCol="level", outputCol="made", labels=["x", "y", "z"]),
        feature.Interaction(inputCols=["a", "features"], outputCol="made"),
        feature.NGram(**words),
        feature.Normalizer(**vector),
        feature.PolynomialExpansion(**vector),
        feature.RegexTokenizer(inputCol="text", outputCol="made"),
        feature.SQLTransformer(statement="SELECT a, b + 1 AS made FROM __THIS__"),
        feature.StopWordsRemover(**words),
        feature.VectorSizeHint(inputCol="features", size=3),
    ]


@pytest.mark.parametrize("stages", [pytest.param(models, marks=pytest.mark.whole), learned, plain])
def test_every_stage_is_recorded(
    spark: Any, frame: Any, stages: Callable[[], list[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    given = stages()
    sink = Sink()
    with trace(sink):
        made = [stage.fit(frame) if hasattr(stage, "fit") else stage for stage in given]
        for stage in made:
            stage.transform(frame)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("mistique")] == []
    assert jobs_of(spark, lambda: [model_facts(stage) for stage in made]) == 0
    assert [event.name for event in sink.events if event.fitted] == [type(stage).__name__ for stage in given]
    assert all(event.error is None for event in sink.events)
    for event in sink.events:
        for entity in event.fitted.values():
            assert entity.facts.type_name == event.name
            assert entity.facts.features or event.name in ("RFormula", "SQLTransformer"), event.name
        if event.kind is StageKind.TRANSFORM and event.name not in ("VectorSizeHint", "SQLTransformer"):
            assert "made" in event.facts["output_columns"], event.name


def test_stages_of_a_script_of_its_own(spark: Any, frame: Any) -> None:
    from pyspark.ml import Estimator, Pipeline, Transformer
    from pyspark.ml.evaluation import Evaluator
    from pyspark.ml.param.shared import HasInputCol, HasOutputCol
    from pyspark.sql import functions

    class Plus(Transformer, HasInputCol, HasOutputCol):
        def __init__(self, by: float) -> None:
            super().__init__()
            self.by = by
            self._set(inputCol="a", outputCol="more")

        def _transform(self, dataset: Any) -> Any:
            return dataset.withColumn("more", functions.col("a") + self.by)

    class Learned(Estimator):  # type: ignore[type-arg]
        def _fit(self, dataset: Any) -> Plus:
            return Plus(float(dataset.count()))

    class Largest(Evaluator):
        def _evaluate(self, dataset: Any) -> float:
            return float(dataset.agg({"more": "max"}).first()[0])

    sink = Sink()
    with trace(sink):
        made = Plus(1.0).transform(frame)
        Learned().fit(frame).transform(frame)
        Largest().evaluate(made)
        Pipeline(stages=[Plus(2.0), assembler("a", "b", output="x")]).fit(frame)
    assert sink.top() == ["Plus", "Learned", "evaluate", "Pipeline"]
    assert sink.events[0].facts == {"input_columns": ["a"], "output_columns": ["more"]}
    assert list(sink.only("evaluate").metrics) == ["Largest"]
    whole = sink.only("Pipeline")
    parts = [event for event in sink.events if event.parent is whole]
    assert [part.name for part in parts] == ["Plus", "VectorAssembler"]
    assert parts[0].frames[""].columns is None  # only the JVM tells schemas without data
    assert [feature.name for feature in whole.fitted["model"].facts.features] == ["a", "b"]
