"""What executors write of each stage of a pipeline is what pandas logs of the same stages, and what NumPy computes."""

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError
from mistique_core.modeldb import ModelDB
from mistique_core.spark import log_spark_pipeline, with_row_ids
from tests.spark.comparing import address_of, assert_clean, chunk_addresses, pandas_of

ROWS = 4_500
NUMBERS = ["area", "rooms", "age"]


@pytest.fixture(scope="module")
def homes(spark: Any) -> Any:
    random = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "parcelid": np.arange(ROWS, dtype=np.int64) * 2 + 10,
            "area": random.gamma(3, 500, ROWS),
            "rooms": random.integers(1, 9, ROWS).astype(float),
            "age": random.uniform(0, 100, ROWS),
            "region": [f"region {n}" for n in random.integers(0, 4, ROWS)],
        }
    )
    frame["sold"] = (frame["area"] / 1_500 + random.normal(size=ROWS) > 1).astype(float)
    return spark.createDataFrame(frame).coalesce(3)


@pytest.fixture(scope="module")
def fitted(homes: Any) -> Any:
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import OneHotEncoder, StandardScaler, StringIndexer, VectorAssembler

    prepared = Pipeline(
        stages=[
            StringIndexer(inputCol="region", outputCol="region_index"),
            OneHotEncoder(inputCols=["region_index"], outputCols=["region_of"]),
        ]
    )
    stages = [
        prepared,
        VectorAssembler(inputCols=[*NUMBERS, "region_of"], outputCol="features"),
        StandardScaler(inputCol="features", outputCol="scaled", withMean=True),
        LogisticRegression(featuresCol="scaled", labelCol="sold", maxIter=20),
    ]
    return Pipeline(stages=stages).fit(homes)


NAMES = ["1_StringIndexer", "2_OneHotEncoder", "3_VectorAssembler", "4_StandardScaler", "5_LogisticRegression"]


def test_each_stage_is_what_pandas_logs(store: Mistique, homes: Any, fitted: Any) -> None:
    with store.run("zillow", "spark") as run:
        report = log_spark_pipeline(run, fitted, homes, row_id="parcelid")
    assert report.names == ("input", *NAMES)
    written = chunk_addresses(store)

    stages = [*fitted.stages[0].stages, *fitted.stages[1:]]
    given, frames = homes, {"input": homes}
    for name, stage in zip(NAMES, stages, strict=True):
        frames[name] = given = stage.transform(given)
    labels = fitted.stages[0].stages[0].labels
    elements = [*NUMBERS, *(f"region_of_{label}" for label in labels[:-1])]
    vectors = {
        "region_of": [f"region_of[{label}]" for label in labels[:-1]],
        "features": [f"features[{name}]" for name in elements],
        "scaled": [f"scaled[{place}]" for place in range(len(elements))],
        **{name: [f"{name}[0]", f"{name}[1]"] for name in ("rawPrediction", "probability")},
    }
    with store.run("zillow", "pandas") as run:
        for name, frame in frames.items():
            run.log_frame(name, pandas_of(frame, vectors), row_id="parcelid")
    for name in frames:
        found = store.get_intermediates(f"zillow.spark.{name}").to_pandas()
        expected = store.get_intermediates(f"zillow.pandas.{name}").to_pandas()
        pd.testing.assert_frame_equal(found, expected)
        assert address_of(store, f"zillow.spark.{name}") == address_of(store, f"zillow.pandas.{name}")
    assert chunk_addresses(store) == written  # pandas added nothing
    assert_clean(store)


def test_values_are_those_of_numpy(store: Mistique, homes: Any, fitted: Any) -> None:
    with store.run("zillow", "spark") as run:
        log_spark_pipeline(run, fitted, homes, row_id="parcelid", names=list("abcde"))
    found = store.get_intermediates("zillow.spark.e").to_pandas()
    plain = pandas_of(homes)
    assert found.index.tolist() == plain["parcelid"].tolist()
    dummies = [(plain["region"] == label).to_numpy(float) for label in fitted.stages[0].stages[0].labels[:-1]]
    features = np.column_stack([plain[NUMBERS].to_numpy(), *dummies])
    scaled = (features - features.mean(axis=0)) / features.std(axis=0, ddof=1)
    model = fitted.stages[-1]
    raw = scaled @ model.coefficients.toArray() + model.intercept
    np.testing.assert_allclose(found.filter(like="scaled["), scaled, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found["probability[1]"], 1 / (1 + np.exp(-raw)), rtol=1e-9)
    np.testing.assert_array_equal(found["prediction"], (raw > 0).astype(float))


def test_columns_are_stored_once(store: Mistique, homes: Any, fitted: Any) -> None:
    with store.run("zillow", "spark") as run:
        report = log_spark_pipeline(run, fitted, homes, row_id="parcelid")
        last = report.intermediates[-1]
    before = chunk_addresses(store)
    with store.run("zillow", "again") as run:
        again = log_spark_pipeline(run, fitted, homes, row_id="parcelid")
    assert chunk_addresses(store) == before
    assert again.stored_bytes == 0
    assert report.stored_bytes == last.stored_bytes > 0
    columns = {item.ref.intermediate: item.columns for item in report.intermediates}
    assert columns == dict(zip(report.names, [6, 7, 10, 16, 22, 27], strict=True))


def test_what_is_recorded(store: Mistique, homes: Any, fitted: Any) -> None:
    with store.run("zillow", "spark") as run:
        log_spark_pipeline(run, fitted, homes, row_id="parcelid")
    details = ModelDB(store).browse.run(run.id)
    stages = {event.name: event for event in details.events}
    assert list(stages) == ["input", *NAMES]
    assert [str(stage.kind) for stage in stages.values()] == ["read", *["transform"] * 4, "predict"]
    assert stages["4_StandardScaler"].params["withMean"] is True
    assert details.run.hyperparameters["maxIter"] == 20
    assert "withMean" not in details.run.hyperparameters
    made = {name: stage.frames for name, stage in stages.items()}
    for before, name in itertools.pairwise(stages):
        assert [number for _, number in stages[name].frame_inputs] == list(made[before])
    answer = store.get_intermediates("zillow.spark.4_StandardScaler", row_id=[10, 12])
    assert len(answer.to_pandas()) == 2
    assert [item.strategy for item in answer.plan.targets] == ["read"]


def test_stages_that_drop_rows_or_columns(spark: Any, store: Mistique, homes: Any) -> None:
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import Bucketizer, SQLTransformer, VectorAssembler

    stages = [
        Bucketizer(splits=[0, 25, 50, 101], inputCol="age", outputCol="era"),
        SQLTransformer(statement="SELECT parcelid, area, rooms, era FROM __THIS__ WHERE area > 1000"),
        VectorAssembler(inputCols=["area", "rooms"], outputCol="features"),
    ]
    with store.run("zillow", "drops") as run:
        report = log_spark_pipeline(run, PipelineModel(stages), homes, row_id="parcelid")
    plain = pandas_of(homes).set_index("parcelid")
    large = plain[plain["area"] > 1_000]
    assert [item.ref.rows for item in report.intermediates] == [ROWS, ROWS, len(large), len(large)]
    last = store.get_intermediates("zillow.drops.3_VectorAssembler").to_pandas()
    assert list(last.columns) == ["parcelid", "area", "rooms", "era", "features[area]", "features[rooms]"]
    assert last.index.tolist() == large.index.tolist()
    np.testing.assert_array_equal(last["features[area]"], large["area"])
    np.testing.assert_array_equal(last["era"], np.digitize(large["age"], [25, 50]).astype(float))
    assert_clean(store)


def test_stages_that_overwrite_columns(spark: Any, store: Mistique) -> None:
    from pyspark.ml.feature import Imputer

    given = spark.createDataFrame([(n, float(n) if n % 3 else None) for n in range(90)], "id long, a double")
    with store.run("zillow", "overwrites") as run:
        log_spark_pipeline(run, Imputer(inputCols=["a"], outputCols=["a"]).fit(given), given, row_id="id")
    before = store.get_intermediates("zillow.overwrites.input").to_pandas()
    after = store.get_intermediates("zillow.overwrites.1_Imputer").to_pandas()
    assert before["a"].isna().tolist() == [n % 3 == 0 for n in range(90)]
    assert after["a"][0] == before["a"].mean()


def test_what_is_reported_of_each_stage(spark: Any, store: Mistique) -> None:
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import Bucketizer, Tokenizer

    given = spark.createDataFrame([(n, float(n), f"a {n}") for n in range(9)], "id long, a double, t string")
    stages = [
        Bucketizer(splits=[-math.inf, 3, math.inf], inputCol="a", outputCol="part"),
        Tokenizer(inputCol="t", outputCol="words"),
    ]
    with store.run("zillow", "reported") as run:
        report = log_spark_pipeline(run, PipelineModel(stages), given, row_id="id")
    details = ModelDB(store).browse.run(run.id)
    assert {event.name: event for event in details.events}["1_Bucketizer"].params["splits"] == ["-inf", 3.0, "inf"]
    assert {name: list(columns) for name, columns in report.left_out.items()} == {
        "input": [],
        "1_Bucketizer": [],
        "2_Tokenizer": ["words"],
    }


def test_the_best_pipeline_of_a_search(spark: Any, store: Mistique, homes: Any) -> None:
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import StringIndexer, VectorAssembler
    from pyspark.ml.tuning import TrainValidationSplitModel

    stages = [
        StringIndexer(inputCol="region", outputCol="place", handleInvalid="skip"),
        VectorAssembler(inputCols=["place", "area"], outputCol="features"),
        LogisticRegression(labelCol="sold", maxIter=2, regParam=0.5),
    ]
    known = homes.where("region != 'region 0'")
    search = TrainValidationSplitModel(Pipeline(stages=stages).fit(known), [0.75])
    with store.run("zillow", "search") as run:
        report = log_spark_pipeline(run, search, homes, row_id="parcelid")
    assert report.names == ("input", "1_StringIndexer", "2_VectorAssembler", "3_LogisticRegression")
    assert [item.ref.rows for item in report.intermediates] == [ROWS, *[known.count()] * 3]
    assert ModelDB(store).browse.run(run.id).run.hyperparameters["regParam"] == 0.5


def test_rows_are_numbered_where_none_are_named(spark: Any, store: Mistique, homes: Any, fitted: Any) -> None:
    with store.run("zillow", "numbered") as run:
        log_spark_pipeline(run, fitted, homes)
    found = store.get_intermediates("zillow.numbered.5_LogisticRegression").to_pandas()
    assert found.index.tolist() == list(range(ROWS))
    assert found["parcelid"].tolist() == pandas_of(homes)["parcelid"].tolist()
    run = store.run("zillow", "numbered")
    with pytest.raises(InvalidInputError, match="with_row_ids"):
        log_spark_pipeline(run, fitted, homes.repartition(4, "region"))
    kept = with_row_ids(homes).repartition(4, "region")
    log_spark_pipeline(run, fitted, kept)
    run.finish()
    shuffled = store.get_intermediates("zillow.numbered.5_LogisticRegression").to_pandas().sort_index()
    pd.testing.assert_frame_equal(shuffled, found)


def test_one_stage_fails_and_nothing_is_kept(spark: Any, store: Mistique, homes: Any) -> None:
    from py4j.protocol import Py4JJavaError
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import Bucketizer, SQLTransformer

    stages = [
        SQLTransformer(statement="SELECT *, area / 2 AS half FROM __THIS__"),
        Bucketizer(splits=[0, 10, 20], inputCol="age", outputCol="era"),
    ]
    with pytest.raises(Py4JJavaError, match="out of Bucketizer bounds"), store.run("zillow", "fails") as run:
        log_spark_pipeline(run, PipelineModel(stages), homes, row_id="parcelid")
    assert_clean(store)
    assert not chunk_addresses(store)


def test_what_is_refused(spark: Any, store: Mistique, homes: Any, fitted: Any) -> None:
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import StandardScaler

    run = store.run("zillow", "refused")
    with pytest.raises(InvalidInputError, match="is not fitted"):
        log_spark_pipeline(run, StandardScaler(), homes, row_id="parcelid")
    with pytest.raises(InvalidInputError, match="is not fitted"):
        log_spark_pipeline(run, Pipeline(stages=[]), homes, row_id="parcelid")
    with pytest.raises(InvalidInputError, match="2 names for 5 stages"):
        log_spark_pipeline(run, fitted, homes, row_id="parcelid", names=["a", "b"])
    with pytest.raises(InvalidInputError, match="same name"):
        log_spark_pipeline(run, fitted, homes, row_id="parcelid", names=list("abcda"))
    with pytest.raises(InvalidInputError, match="uid of no stage"):
        log_spark_pipeline(run, fitted, homes, row_id="parcelid", names={"x": "y"})
    with pytest.raises(InvalidInputError, match="no column 'id'"):
        log_spark_pipeline(run, fitted, homes, row_id="id")
    with pytest.raises(InvalidInputError, match="input_name"):
        log_spark_pipeline(run, fitted, homes, row_id="parcelid", input_name=NAMES[0])
    with pytest.raises(InvalidInputError, match=r"'ROW_ID' already.*row_id="):
        log_spark_pipeline(run, fitted, homes.withColumnRenamed("parcelid", "ROW_ID"))
