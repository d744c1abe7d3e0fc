"""A DataFrame that executors write is the very intermediate that pandas would have logged."""

import datetime
import decimal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.captures import CaptureEndedError
from mistique_core.catalogue.tables import intermediate
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.spark import log_spark_frame, with_row_ids
from mistique_core.spark.columns import _element_names
from tests.spark.comparing import address_of, assert_clean, open_captures

ALL_TYPES = (
    "byte tinyint, short smallint, whole int, long bigint, single float, double double, yes boolean, text string, "
    "day date, moment timestamp, local timestamp_ntz, money decimal(12,2)"
)


def numbers(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(rows)
    return pd.DataFrame(
        {
            "id": np.arange(rows, dtype=np.int64) * 3 + 7,
            "a": random.normal(size=rows),
            "b": random.integers(0, 5, rows, dtype=np.int64),
            "c": pd.Series([f"text {n % 13}" for n in range(rows)], dtype="str"),
        }
    )


@pytest.mark.parametrize(
    ("rows", "partitions"),
    [(1, 1), (7, 3), (999, 2), (1_000, 4), (1_001, 1), (3_000, 3), (4_321, 2), (5_500, 9), (10_007, 5)],
)
def test_rows_and_partitions(spark: Any, store: Mistique, rows: int, partitions: int) -> None:
    frame = numbers(rows)
    given = spark.createDataFrame(
        spark.sparkContext.parallelize(frame.values.tolist(), partitions), "id long, a double, b long, c string"
    )
    assert given.rdd.getNumPartitions() == partitions
    with store.run("test", "model") as run:
        report = log_spark_frame(run, "spark", given)
        run.log_frame("pandas", frame)
        named = log_spark_frame(run, "named", given, row_id="id")
        run.log_frame("pandas_named", frame, row_id="id")
    assert address_of(store, "test.model.spark") == address_of(store, "test.model.pandas")
    assert address_of(store, "test.model.named") == address_of(store, "test.model.pandas_named")
    assert report.names == ("spark",)
    assert report.intermediates[0].ref.rows == rows
    assert report.left_out == {"spark": {}}
    assert named.intermediates[0].columns == 4
    assert_clean(store)


def test_types_with_and_without_missing_values(spark: Any, store: Mistique) -> None:
    def row(n: int, missing: bool) -> tuple[Any, ...]:
        if missing:
            return (None,) * 12
        moment = datetime.datetime(2026, 3, 1, 12, n % 60, 1, 250_000 + n)
        return (
            n % 100, n, -n, n * 10**12, n / 3, n / 7, n % 2 == 0, f"é{n}", datetime.date(2020, 1, 1 + n % 28),
            moment, moment, decimal.Decimal(n),
        )  # fmt: skip

    whole = [row(n, False) for n in range(2_500)]
    holes = [row(n, n % 1_100 == 3) for n in range(2_500)]
    with store.run("test", "types") as run:
        for name, rows in (("whole", whole), ("holes", holes)):
            given = spark.createDataFrame(rows, ALL_TYPES).coalesce(2)
            log_spark_frame(run, name, given)
    made = {name: store.get_intermediates(f"test.types.{name}").to_pandas() for name in ("whole", "holes")}
    found, missing = made["whole"], made["holes"]
    assert [str(dtype) for dtype in found.dtypes] == [
        "int8", "int16", "int32", "int64", "float32", "float64", "bool", "str", "datetime64[s]",
        "datetime64[us, UTC]", "datetime64[us]", "float64",
    ]  # fmt: skip
    assert [str(dtype) for dtype in missing.dtypes] == [
        "Int8", "Int16", "Int32", "Int64", "float32", "float64", "boolean", "str", "datetime64[s]",
        "datetime64[us, UTC]", "datetime64[us]", "float64",
    ]  # fmt: skip
    for place, name in enumerate(found.columns):
        expected = [values[place] for values in whole]
        if name == "single":
            np.testing.assert_array_equal(found[name], np.array(expected, dtype=np.float32))
        elif name == "moment":
            assert found[name].dt.tz_localize(None).dt.to_pydatetime().tolist() == expected
        elif name in ("day", "local"):
            assert found[name].tolist() == [pd.Timestamp(value) for value in expected]
        else:
            assert found[name].tolist() == expected
        lost = missing[name].isna().to_numpy()
        assert lost.nonzero()[0].tolist() == [3, 1_103, 2_203]
        assert missing[name][~lost].tolist() == found[name][~lost].tolist()
    assert_clean(store)


def test_rows_keep_their_ids_through_shuffles(spark: Any, store: Mistique) -> None:
    frame = numbers(6_000)
    source = with_row_ids(spark.createDataFrame(frame))
    regions = spark.createDataFrame(pd.DataFrame({"b": np.arange(5), "region": [f"r{n}" for n in range(5)]}))
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    try:
        joined = source.join(regions, "b").repartition(3, "c").orderBy("a")
        with store.run("test", "shuffled") as run:
            log_spark_frame(run, "joined", joined)
    finally:
        spark.conf.unset("spark.sql.autoBroadcastJoinThreshold")
    found = store.get_intermediates("test.shuffled.joined").to_pandas().sort_index()
    expected = frame.assign(region=[f"r{n}" for n in frame["b"]])[["b", "id", "a", "c", "region"]]
    pd.testing.assert_frame_equal(found, expected.rename_axis("row_id"), check_dtype=False)
    asked = store.get_intermediates("test.shuffled.joined", row_id=[17, 4_242]).to_pandas()
    assert sorted(asked["a"]) == sorted(frame["a"][[17, 4_242]])
    assert_clean(store)


def test_what_vectors_become(spark: Any, store: Mistique) -> None:
    from pyspark.ml.feature import HashingTF, Tokenizer, VectorAssembler
    from pyspark.ml.linalg import Vectors

    rows = [
        (n, n / 2, Vectors.sparse(3, [(n % 3, float(n))]) if n % 2 else Vectors.dense([n, 0, 1]), f"a b {n}")
        for n in range(2_100)
    ]
    given = spark.createDataFrame(rows, ["n", "half", "v", "words"]).coalesce(3)
    given = VectorAssembler(inputCols=["n", "half"], outputCol="features").transform(given)
    given = HashingTF(inputCol="tokens", outputCol="tf").transform(
        Tokenizer(inputCol="words", outputCol="tokens").transform(given)
    )
    with store.run("test", "vectors") as run:
        report = log_spark_frame(run, "frame", given)
    found = store.get_intermediates("test.vectors.frame").to_pandas()
    assert list(found.columns) == ["n", "half", "v[0]", "v[1]", "v[2]", "words", "features[n]", "features[half]"]
    np.testing.assert_array_equal(found[["v[0]", "v[1]", "v[2]"]], [row[2].toArray() for row in rows])
    np.testing.assert_array_equal(found["features[half]"], [row[1] for row in rows])
    left_out = report.left_out["frame"]
    assert sorted(left_out) == ["tf", "tokens"]
    assert "262,144 elements" in left_out["tf"]
    assert "array<string>" in left_out["tokens"]
    with store.run("test", "vectors") as run, pytest.raises(InvalidInputError, match=r"'tokens'.* cannot be stored"):
        log_spark_frame(run, "asked", given, columns=["n", "tokens"])


def test_no_rows(spark: Any, store: Mistique) -> None:
    from pyspark.sql import functions

    given = spark.createDataFrame(numbers(10)).where(functions.col("a") > 1e9)
    with store.run("test", "empty") as run:
        report = log_spark_frame(run, "frame", given, row_id="id")
        run.log_frame("pandas", numbers(0), row_id="id")
    assert report.intermediates[0].ref.rows == 0
    assert address_of(store, "test.empty.frame") == address_of(store, "test.empty.pandas")
    assert_clean(store)


def with_ids(spark: Any, ids: list[Any], kind: str = "long") -> Any:
    return spark.createDataFrame(
        [(item, float(place)) for place, item in enumerate(ids)], f"id {kind}, a double"
    ).coalesce(2)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([*range(2_500), 1_200], "1200 occurs 2 times"),
        ([0, 1, 1, *range(2, 2_400)], "1 occurs 2 times"),
        ([*range(1_500), None], "no row id in 'id'"),
    ],
)
def test_row_ids_that_cannot_be(spark: Any, store: Mistique, ids: list[Any], message: str) -> None:
    run = store.run("test", "ids")
    with pytest.raises(InvalidInputError, match=message):
        log_spark_frame(run, "frame", with_ids(spark, ids), row_id="id")
    run.finish("refused")
    assert_clean(store)
    with store.catalogue.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(intermediate)) == 0


def test_row_ids_in_any_order(spark: Any, store: Mistique) -> None:
    ids = np.random.default_rng(1).permutation(3_300).tolist()
    with store.run("test", "ids") as run:
        log_spark_frame(run, "spark", with_ids(spark, ids), row_id="id")
        run.log_frame("pandas", pd.DataFrame({"id": ids, "a": np.arange(3_300.0)}), row_id="id")
    assert address_of(store, "test.ids.spark") == address_of(store, "test.ids.pandas")


def test_what_is_refused_at_once(spark: Any, store: Mistique) -> None:
    given = spark.createDataFrame(numbers(10))
    run = store.run("test", "refused")
    with pytest.raises(InvalidInputError, match="holds no integers"):
        log_spark_frame(run, "frame", given, row_id="c")
    with pytest.raises(NotFoundError, match=r"'idd'.*id"):
        log_spark_frame(run, "frame", given, row_id="idd")
    with pytest.raises(InvalidInputError, match="two columns named 'a'"):
        log_spark_frame(run, "frame", given.select("a", "b", "a"))
    with pytest.raises(InvalidInputError, match=r"use run\.log_frame"):
        log_spark_frame(run, "frame", numbers(3))
    with pytest.raises(InvalidInputError, match="is a stream"):
        log_spark_frame(run, "frame", spark.readStream.format("rate").load())
    with pytest.raises(InvalidInputError, match=r"another order.*checkpoint"):
        with_row_ids(given.repartition(3, "a"))
    with pytest.raises(InvalidInputError, match="already"):
        with_row_ids(given, "id")
    assert open_captures(store) == 0


def test_plans_that_shuffle_without_an_exchange_and_columns_called_so(spark: Any, store: Mistique) -> None:
    source = spark.range(0, 3_000, numPartitions=3)
    rates = with_row_ids(source.withColumn("ExchangeRate", source["id"] / 2))
    assert rates.columns == ["id", "ExchangeRate", "row_id"]
    shuffled = spark.createDataFrame(source.rdd.repartition(2), "id long")
    for given in (source.limit(10), source.orderBy("id").limit(10), shuffled):
        with pytest.raises(InvalidInputError, match="another order"):
            with_row_ids(given)
    with store.run("test", "shuffled") as run:
        log_spark_frame(run, "frame", shuffled, row_id="id")
    assert sorted(store.get_intermediates("test.shuffled.frame").to_pandas()["id"]) == list(range(3_000))


def test_names_that_spark_takes_for_one(spark: Any, store: Mistique) -> None:
    given = spark.createDataFrame([(n, 2 * n) for n in range(9)], ["id", "ROW_ID"])
    with pytest.raises(InvalidInputError, match=r"'ROW_ID' already.*another name"):
        with_row_ids(given)
    capitals = spark.createDataFrame([(n, 2 * n) for n in range(9)], ["a", "A"])
    run = store.run("test", "capitals")
    with pytest.raises(InvalidInputError, match=r"'a' and 'A'.*caseSensitive"):
        log_spark_frame(run, "frame", capitals)
    spark.conf.set("spark.sql.caseSensitive", "true")
    try:
        log_spark_frame(run, "frame", capitals)
        log_spark_frame(run, "numbered", with_row_ids(given))
    finally:
        spark.conf.unset("spark.sql.caseSensitive")
    run.finish()
    assert store.get_intermediates("test.capitals.frame").to_pandas()["A"].tolist() == [2 * n for n in range(9)]
    assert list(store.get_intermediates("test.capitals.numbered").to_pandas()) == ["id", "ROW_ID"]


def test_row_ids_beside_others(spark: Any, store: Mistique) -> None:
    given = spark.createDataFrame([(n, 100 - n) for n in range(9)], ["id", "row_id"])
    run = store.run("test", "ids")
    with pytest.raises(InvalidInputError, match=r"'row_id' beside its row ids in 'id'"):
        log_spark_frame(run, "frame", given, row_id="id")
    log_spark_frame(run, "frame", given, row_id="id", columns=["id"])
    log_spark_frame(run, "others", given)
    run.finish()
    assert store.get_intermediates("test.ids.frame").to_pandas().index.tolist() == list(range(9))
    assert store.get_intermediates("test.ids.others").to_pandas().index.tolist() == list(range(100, 91, -1))


def test_texts_of_all_kinds(spark: Any, store: Mistique) -> None:
    given = spark.sql(
        "SELECT id, concat('T', id) COLLATE UTF8_LCASE AS text, cast('ab' AS varchar(5)) AS v FROM range(1200)"
    )
    broken = spark.sql("SELECT id, cast(X'61FF' AS string) AS broken FROM range(3)")
    spark.conf.set("spark.sql.execution.arrow.useLargeVarTypes", "true")
    try:
        with store.run("test", "texts") as run:
            report = log_spark_frame(run, "frame", given)
            with pytest.raises(InvalidInputError, match=r"'broken'.* not UTF-8.*make_valid_utf8"):
                log_spark_frame(run, "broken", broken)
    finally:
        spark.conf.unset("spark.sql.execution.arrow.useLargeVarTypes")
    found = store.get_intermediates("test.texts.frame").to_pandas()
    assert [str(dtype) for dtype in found.dtypes] == ["int64", "str", "str"]
    assert found["text"].tolist() == [f"T{n}" for n in range(1_200)]
    assert report.left_out == {"frame": {}}


def test_names_and_number_of_the_elements_of_vectors(spark: Any, store: Mistique) -> None:
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import OneHotEncoder, StringIndexer
    from pyspark.ml.linalg import Vectors

    rows = [(n, str(2 - n % 3 // 2), Vectors.dense([])) for n in range(90)]
    given = spark.createDataFrame(rows, ["id", "bedrooms", "nothing"])
    stages = [
        StringIndexer(inputCol="bedrooms", outputCol="place"),
        OneHotEncoder(inputCol="place", outputCol="of", dropLast=False),
    ]
    with store.run("test", "elements") as run:
        report = log_spark_frame(run, "frame", Pipeline(stages=stages).fit(given).transform(given))
    found = store.get_intermediates("test.elements.frame").to_pandas()
    assert list(found.columns) == ["id", "bedrooms", "place", "of[2]", "of[1]"]
    assert found["of[1]"].tolist() == (found["bedrooms"] == "1").astype(float).tolist()
    assert report.left_out == {"frame": {"nothing": "its vectors have no elements"}}


def test_names_of_very_long_vectors_take_no_time() -> None:
    from pyspark.sql.types import LongType, StructField

    attributes = [{"name": f"word {n}", "idx": n} for n in range(100_000)]
    noted = {"ml_attr": {"attrs": {"numeric": attributes}, "num_attrs": 100_000}}
    start = time.process_time()
    assert _element_names(StructField("words", LongType(), metadata=noted))[-1] == "word 99999"
    assert time.process_time() - start < 5


def test_what_was_given_up_meanwhile(spark: Any, store: Mistique, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(connection: sa.Connection, capture_id: int) -> Any:
        return {}

    with monkeypatch.context() as patch, store.run("test", "gone") as run:
        patch.setattr("mistique_core.spark.frame_write.load_numbered_blocks", gone)
        with pytest.raises(CaptureEndedError, match=r"given up before it became visible.*log it again"):
            log_spark_frame(run, "frame", spark.range(10))
    assert_clean(store)


def test_a_catalogue_whose_url_is_relative(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Mistique.open("store", "sqlite:///here.db") as store:
        with store.run("test", "relative") as run:
            log_spark_frame(run, "frame", spark.range(10))
        assert len(store.get_intermediates("test.relative.frame").to_pandas()) == 10


def test_rows_that_change_whenever_they_are_computed(spark: Any, store: Mistique) -> None:
    from pyspark.sql import functions

    @functions.udf("boolean")
    def kept(_):  # type: ignore[no-untyped-def]  # PySpark would read the annotations
        import random

        return random.SystemRandom().random() < 0.5

    kept = kept.asNondeterministic()
    run = store.run("test", "random")
    with pytest.raises(InvalidInputError, match="other rows each time"):
        log_spark_frame(run, "narrow", spark.range(5_000).where(kept("id")))
    with pytest.raises(InvalidInputError, match="other rows each time"):
        log_spark_frame(run, "wide", spark.range(5_000).repartition(3).where(kept("id")), row_id="id")
    report = log_spark_frame(run, "shuffled once", spark.range(5_000).where(kept("id")).repartition(3), row_id="id")
    run.finish()
    found = store.get_intermediates("test.random.shuffled once").to_pandas()
    assert len(found) == report.intermediates[0].ref.rows
    assert found["id"].is_unique
    assert_clean(store)


def test_values_that_change_are_noticed_where_rows_may_be_recomputed(spark: Any, store: Mistique) -> None:
    from pyspark.sql import functions

    @functions.udf("double")
    def noise(_):  # type: ignore[no-untyped-def]
        import random

        return random.SystemRandom().random()

    run = store.run("test", "random")
    changing = spark.range(5_000).repartition(3).withColumn("noise", noise("id"))
    with pytest.raises(InvalidInputError, match=r"other rows each time.*checkpoint"):
        log_spark_frame(run, "frame", changing, row_id="id")
    assert_clean(store)


def test_object_storage_and_postgresql(spark: Any, s3_location: str, postgres_url: str) -> None:
    frame = numbers(5_200)
    with Mistique.open(s3_location, postgres_url, block_rows=1_000) as store:
        with store.run("test", "s3") as run:
            log_spark_frame(run, "spark", spark.createDataFrame(frame).repartitionByRange(4, "id"), row_id="id")
            run.log_frame("pandas", frame, row_id="id")
        assert address_of(store, "test.s3.spark") == address_of(store, "test.s3.pandas")
        assert_clean(store)
