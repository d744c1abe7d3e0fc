"""What is taken out of Spark's models: coefficients with their statistics, trees, importances, histories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core.model.event import StageEvent, StageKind
from mistique_core.model.fit_facts import FitFacts, ProblemType
from mistique_core.modeldb.client.autolog import trace
from mistique_core.modeldb.spark import model_facts
from tests.spark.modeldb_data import assembler, jobs_of, read, write_table
from tests.unit.modeldb.client.recorded import Sink

pyspark = pytest.importorskip("pyspark")


@pytest.fixture(scope="module")
def frame(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return assembler().transform(read(spark, write_table(tmp_path_factory.mktemp("data"))))


def fitted(estimator: Any, frame: Any) -> tuple[FitFacts, Any, StageEvent]:
    sink = Sink()
    with trace(sink):
        model = estimator.fit(frame)
    (event,) = [event for event in sink.events if event.parent is None]
    (entity,) = event.fitted.values()
    return entity.facts, model, event


def test_linear_regression(frame: Any) -> None:
    from pyspark.ml.regression import LinearRegression

    facts, model, event = fitted(LinearRegression(labelCol="price"), frame)
    assert facts.problem_type is ProblemType.REGRESSION
    assert facts.linear is not None
    summary = model.summary
    assert [(term.index, term.name) for term in facts.linear.terms] == [(0, "intercept"), (1, "a"), (2, "b"), (3, "c")]
    assert [term.coefficient for term in facts.linear.terms] == [model.intercept, *model.coefficients]
    assert [term.std_err for term in facts.linear.terms[1:]] == summary.coefficientStandardErrors[:3]
    assert facts.linear.terms[0].std_err == summary.coefficientStandardErrors[3]
    assert [term.t_stat for term in facts.linear.terms[1:]] == summary.tValues[:3]
    assert [term.p_value for term in facts.linear.terms[1:]] == summary.pValues[:3]
    assert (facts.linear.rmse, facts.linear.r2) == (summary.rootMeanSquaredError, summary.r2)
    assert facts.linear.explained_variance == facts.linear.r2
    assert [feature.importance for feature in facts.features] == np.abs(model.coefficients.toArray()).tolist()
    assert facts.prediction_columns == ("prediction",)
    assert facts.history == {}
    assert event.hyperparameters["solver"] == "auto"


def test_statistics_are_those_of_least_squares(frame: Any) -> None:
    from pyspark.ml.regression import LinearRegression
    from sklearn.linear_model import LinearRegression as Sklearn

    from mistique_core.fitted.facts import fit_facts

    table = pd.DataFrame(frame.select("a", "b", "c", "price").collect(), columns=["a", "b", "c", "price"])
    expected = fit_facts(Sklearn().fit(table[["a", "b", "c"]], table["price"]), table[["a", "b", "c"]], table["price"])
    facts, _, _ = fitted(LinearRegression(labelCol="price"), frame)
    assert facts.linear is not None
    assert expected.linear is not None
    for one, other in zip(facts.linear.terms, expected.linear.terms, strict=True):
        assert (one.index, one.name, one.target) == (other.index, other.name, other.target)
        for name in ("coefficient", "std_err", "t_stat", "p_value"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-6, abs=1e-12)
    assert facts.linear.explained_variance == pytest.approx(expected.linear.explained_variance)


def test_an_iterative_solver_has_a_history_and_no_statistics(frame: Any) -> None:
    from pyspark.ml.regression import LinearRegression

    estimator = LinearRegression(labelCol="price", solver="l-bfgs", regParam=0.1, elasticNetParam=0.5, maxIter=6)
    facts, model, _ = fitted(estimator, frame)
    assert facts.linear is not None
    assert {term.std_err for term in facts.linear.terms} == {None}
    assert facts.history == {"objective": tuple(model.summary.objectiveHistory)}
    assert facts.linear.explained_variance is None


@pytest.mark.parametrize(("family", "has_statistics"), [("binomial", True), ("gaussian", False)])
def test_generalized_linear_regression(frame: Any, family: str, has_statistics: bool) -> None:
    """The dispersion of other families takes a job, which is only started where rows may be counted."""
    from pyspark.ml.regression import GeneralizedLinearRegression

    facts, model, _ = fitted(GeneralizedLinearRegression(family=family), frame)
    assert facts.linear is not None
    errors = [term.std_err for term in facts.linear.terms]
    assert (errors != [None] * 4) == has_statistics
    sink = Sink()
    with trace(sink, count_rows=True):
        GeneralizedLinearRegression(family=family).fit(frame)
    (entity,) = sink.events[-1].fitted.values()
    assert entity.facts.linear is not None
    found = [term.std_err for term in entity.facts.linear.terms]
    known = model.summary.coefficientStandardErrors
    assert found == pytest.approx([known[3], *known[:3]])


def test_logistic_regression_of_several_classes(frame: Any) -> None:
    from pyspark.ml.classification import LogisticRegression

    facts, model, _ = fitted(LogisticRegression(labelCol="level", maxIter=4), frame)
    assert facts.problem_type is ProblemType.MULTICLASS_CLASSIFICATION
    assert facts.linear is not None
    assert [term.target for term in facts.linear.terms] == ["0"] * 4 + ["1"] * 4 + ["2"] * 4
    matrix = model.coefficientMatrix.toArray()
    assert [term.coefficient for term in facts.linear.terms if term.index] == matrix.ravel().tolist()
    assert [feature.importance for feature in facts.features] == np.abs(matrix).mean(axis=0).tolist()
    assert facts.history == {"objective": tuple(model.summary.objectiveHistory)}


def test_trees(frame: Any) -> None:
    from pyspark.ml.classification import DecisionTreeClassifier, GBTClassifier
    from pyspark.ml.regression import RandomForestRegressor

    facts, model, _ = fitted(DecisionTreeClassifier(maxDepth=3), frame)
    assert facts.type_name == "DecisionTreeClassifier"
    assert facts.trees is not None
    assert (facts.trees.model_type, facts.trees.weights, facts.trees.sizes) == (
        "Decision Tree",
        (1.0,),
        (model.numNodes,),
    )
    (tree,) = facts.trees.components
    assert len(tree.left) == model.numNodes
    root = model._java_obj.rootNode()
    assert (tree.gain[0], tree.impurity[0]) == (root.gain(), root.impurity())
    assert (tree.feature[0], tree.threshold[0]) == (root.split().featureIndex(), root.split().threshold())
    table = np.asarray(frame.select("a", "b", "c").collect())
    expected = [row.prediction for row in model.transform(frame).select("prediction").collect()]
    assert [predicted(tree, row) for row in table] == expected
    leaves = tree.left < 0
    assert np.isnan(tree.gain[leaves]).all()
    assert np.isnan(tree.threshold[leaves]).all()
    assert (tree.right[leaves] == -1).all()
    assert [feature.importance for feature in facts.features] == model.featureImportances.toArray().tolist()

    forest, model, _ = fitted(RandomForestRegressor(labelCol="price", numTrees=4, maxDepth=3, seed=1), frame)
    assert forest.trees is not None
    assert (forest.trees.model_type, forest.trees.weights) == ("Random Forest", (0.25,) * 4)
    assert sum(forest.trees.sizes) == model.totalNumNodes
    guess = np.mean([[predicted(tree, row) for row in table] for tree in forest.trees.components], axis=0)
    expected = [row.prediction for row in model.transform(frame).select("prediction").collect()]
    np.testing.assert_allclose(guess, expected)

    boosted, model, _ = fitted(GBTClassifier(maxIter=3, maxDepth=2, seed=1), frame)
    assert boosted.trees is not None
    assert (boosted.type_name, boosted.trees.model_type) == ("GBTClassifier", "GBT")
    assert boosted.trees.weights == tuple(model.treeWeights)
    assert boosted.problem_type is ProblemType.BINARY_CLASSIFICATION


def predicted(tree: Any, row: Any) -> float:
    node = 0
    while tree.left[node] >= 0:
        node = tree.left[node] if row[tree.feature[node]] <= tree.threshold[node] else tree.right[node]
    return float(tree.prediction[node])


def test_large_trees_keep_their_sizes_only(frame: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.ml.classification import RandomForestClassifier

    monkeypatch.setattr(model_facts, "NODE_LIMIT", 10)
    facts, model, _ = fitted(RandomForestClassifier(numTrees=3, maxDepth=4, seed=1), frame)
    assert facts.trees is not None
    assert facts.trees.components == ()
    assert sum(facts.trees.sizes) == model.totalNumNodes


def test_clusters_and_recommendations(spark: Any, frame: Any) -> None:
    from pyspark.ml.clustering import KMeans
    from pyspark.ml.recommendation import ALS

    facts, _, event = fitted(KMeans(k=2, seed=1, maxIter=3), frame)
    assert (facts.problem_type, event.kind) == (ProblemType.CLUSTERING, StageKind.FIT)
    assert [feature.name for feature in facts.features] == ["a", "b", "c"]
    assert (facts.label_columns, event.params["label"]) == ((), None)
    ratings = spark.createDataFrame([(0, 1, 4.0), (1, 0, 2.0), (1, 1, 3.0)], "user int, item int, rating double")
    facts, _, event = fitted(ALS(rank=2, maxIter=2, seed=1), ratings)
    assert (facts.problem_type, facts.label_columns) == (ProblemType.RECOMMENDATION, ("rating",))
    assert event.params["features"] == ["user", "item"]


def test_names_of_features_pass_through_transformers(frame: Any) -> None:
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import MinMaxScaler, OneHotEncoder, StandardScaler, StringIndexer, VectorSlicer

    sink = Sink()
    with trace(sink):
        scaled = StandardScaler(inputCol="features", outputCol="s", withMean=True).fit(frame).transform(frame)
        sliced = VectorSlicer(inputCol="s", outputCol="two", indices=[2, 0]).transform(scaled)
        LogisticRegression(featuresCol="two", maxIter=2).fit(sliced)
        LogisticRegression(featuresCol="s", maxIter=2).fit(scaled.filter("a > 3"))
        ranged = MinMaxScaler(inputCol="features", outputCol="r").fit(frame).transform(frame)
        LogisticRegression(featuresCol="r", maxIter=2).fit(ranged)
        indexed = StringIndexer(inputCol="kind", outputCol="k").fit(ranged).transform(ranged)
        coded = OneHotEncoder(inputCol="k", outputCol="v").fit(indexed).transform(indexed)
        LogisticRegression(featuresCol="all", maxIter=2).fit(assembler("a", "v", output="all").transform(coded))
    fits = [event.fitted["model"].facts for event in sink.events if event.kind is StageKind.FIT]
    assert [[feature.name for feature in facts.features] for facts in fits] == [
        ["c", "a"], ["a", "b", "c"], ["a", "b", "c"], ["a", "v_low"],
    ]  # fmt: skip
    assert [facts.linear is not None and facts.linear.is_standardized for facts in fits] == [True, True, None, None]


def test_a_long_vector_is_one_feature(spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import HashingTF, Tokenizer

    texts = spark.createDataFrame([("a b c", 0.0), ("b d", 1.0), ("a e", 0.0)], "text string, label double")
    words = HashingTF(inputCol="words", outputCol="features").transform(
        Tokenizer(inputCol="text", outputCol="words").transform(texts)
    )
    facts, _, _ = fitted(LogisticRegression(maxIter=2), words)
    assert [feature.name for feature in facts.features] == ["features"]
    assert facts.linear is None


def test_facts_of_a_known_model_start_no_job(spark: Any, frame: Any) -> None:
    from pyspark.ml.regression import LinearRegression

    model = LinearRegression(labelCol="price").fit(frame)
    assert jobs_of(spark, lambda: model_facts.model_facts(model)) == 0
