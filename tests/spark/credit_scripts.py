"""The thesis's credit-default listing (Listings 4.2 and 4.3): with Spark, and the same steps with scikit-learn."""

from __future__ import annotations

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression as SklearnRegression
from sklearn.metrics import roc_auc_score

from mistique_core.modeldb import Syncer
from mistique_core.modeldb.sync import compute_metrics, read_csv_sync, train_test_split_sync

FEATURES = ["LIMIT_BAL", "SEX", "EDUCATION", "MARRIAGE", "AGE"]
LABEL = "DEFAULT"
SEED = 20_180_615


def plain_listing(spark: Any, path: str, seed: int | None = SEED) -> dict[str, Any]:
    """Listing 4.2: nothing in it knows of ModelDB."""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.evaluation import BinaryClassificationEvaluator
    from pyspark.ml.feature import VectorAssembler

    df = spark.read.option("header", True).option("inferSchema", True).csv(path)
    assembler = VectorAssembler().setInputCols(FEATURES).setOutputCol("features")
    transformed = assembler.transform(df)
    regression = LogisticRegression().setLabelCol(LABEL)
    train, test = transformed.randomSplit([0.7, 0.3], seed)
    model = regression.fit(train)
    predictions = model.transform(test)
    evaluator = BinaryClassificationEvaluator().setLabelCol(LABEL)
    metric = evaluator.evaluate(predictions)
    return {"model": model, "metric": metric, "predictions": predictions, "train": train}


def listing(spark: Any, path: str, seed: int | None = SEED) -> dict[str, Any]:
    """Listing 4.3: with the calls of ModelDB."""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.evaluation import BinaryClassificationEvaluator
    from pyspark.ml.feature import VectorAssembler

    df = spark.read.option("header", True).option("inferSchema", True).csvSync(path)
    assembler: Any = VectorAssembler().setInputCols(FEATURES).setOutputCol("features")
    transformed = assembler.transformSync(df)
    regression: Any = LogisticRegression().setLabelCol(LABEL)
    train, test = transformed.randomSplitSync([0.7, 0.3], seed)
    model = regression.fitSync(train)
    predictions = model.transformSync(test)
    evaluator: Any = BinaryClassificationEvaluator().setLabelCol(LABEL)
    metric = evaluator.evaluateSync(predictions, model)
    return {"model": model, "metric": metric, "predictions": predictions, "train": train}


def with_spark(store: Any, spark: Any, path: str, model: str, **options: Any) -> dict[str, Any]:
    with Syncer("credit", model, store=store, **options):
        return listing(spark, path)


def with_sklearn(store: Any, path: str, model: str) -> None:
    with Syncer("credit", model, store=store):
        frame = read_csv_sync(path)
        assembler: Any = ColumnTransformer(
            [("features", "passthrough", FEATURES)], remainder="passthrough", verbose_feature_names_out=False
        ).set_output(transform="pandas")
        transformed = assembler.fit_transform_sync(frame)
        train, test = train_test_split_sync(transformed, test_size=0.3, random_state=SEED)
        regression: Any = SklearnRegression(solver="newton-cholesky")
        fitted = regression.fit_sync(train[FEATURES], train[LABEL])
        fitted.predict_sync(test[FEATURES])
        probabilities = fitted.predict_proba_sync(test[FEATURES])
        compute_metrics(fitted, roc_auc_score, test[LABEL], probabilities[:, 1], test[FEATURES])
