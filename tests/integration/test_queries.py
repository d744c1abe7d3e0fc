"""Diagnostic questions asked through the DAG ``mistique_query``."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest

from operators.demo.client import DagRunError
from tests.integration.airflow_site import Site
from tests.integration.expected import expected

pytestmark = pytest.mark.airflow

QUERY = "mistique_query"


def ask(site: Site, **request: Any) -> dict[str, Any]:
    assert site.run({QUERY: request}) == {QUERY: "success"}
    answer: dict[str, Any] = site.client.task_result(QUERY, site.runs[QUERY][-1], "answer")
    return answer


def table(answer: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(answer["rows"], columns=answer["columns"])


def test_pointq_equals_plain_pandas(pipelines: Site) -> None:
    wanted = expected("logistic_regression").frames["scaled_train"].loc[[7, 14], ["mean radius", "target"]]
    answer = ask(
        pipelines,
        technique="pointq",
        keys=[f"cancer.logistic_regression.scaled_train.{column}" for column in ("mean radius", "target")],
        row_id=[7, 14],
    )
    assert table(answer).set_index("row_id").to_numpy().tolist() == wanted.to_numpy().tolist()
    assert answer["strategy"] == "read"
    assert "re-running" in answer["why"]


def test_topk_equals_plain_pandas(pipelines: Site) -> None:
    column = expected("random_forest").frames["predictions"]["probability_1"].sort_index()
    wanted = column.sort_values(ascending=False, kind="stable").head(5)
    answer = ask(pipelines, technique="topk", key="cancer.random_forest.predictions.probability_1", k=5)
    assert answer["rows"] == [[int(row), float(value)] for row, value in wanted.items()]


def test_col_diff_equals_plain_pandas(pipelines: Site) -> None:
    first, second = (
        expected(model).frames["predictions"]["prediction"] for model in ("logistic_regression", "xgboost")
    )
    wanted = set(first.index[first != second.loc[first.index]])
    answer = ask(
        pipelines,
        technique="col_diff",
        key_a="cancer.logistic_regression.predictions.prediction",
        key_b="cancer.xgboost.predictions.prediction",
    )
    assert wanted
    assert set(table(answer)["row_id"]) == wanted
    assert answer["facts"]["compared_rows"] == len(first)


def test_a_confusion_matrix_by_rerun_equals_plain_pandas(pipelines: Site) -> None:
    frame = expected("xgboost").frames["predictions"]
    wanted = pd.crosstab(frame["target"], frame["prediction"])
    answer = ask(
        pipelines,
        technique="confusion_matrix",
        truth="cancer.xgboost.predictions.target",
        prediction="cancer.xgboost.predictions.prediction",
        strategy="rerun",
    )
    assert table(answer).set_index("truth").to_numpy().tolist() == wanted.to_numpy().tolist()
    assert answer["strategy"] == "rerun"
    assert "equal to what was recorded" in answer["plan"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"technique": "topk", "key": "cancer.random_forrest.predictions.prediction"}, "did you mean 'random_forest'?"),
        ({"technique": "topk", "key": "cancer.random_forest.predictions.predicton"}, "did you mean 'prediction'?"),
        (
            {"technique": "pointq", "keys": ["cancer.random_forest.predictions"], "row_id": [10**6]},
            "row_id 1000000 is not in the intermediate",
        ),
        ({"technique": "col_diff", "key_a": "cancer.random_forest.predictions.prediction"}, "col_diff needs 'key_b'"),
    ],
)
def test_a_wrong_question_is_explained_in_one_line_of_the_log(
    pipelines: Site, request_: dict[str, Any], message: str
) -> None:
    assert pipelines.run({QUERY: request_}) == {QUERY: "failed"}
    lines = pipelines.log(QUERY, pipelines.runs[QUERY][-1], "answer")
    found = [line for line in lines if re.search(re.escape(message), line)]
    assert found
    assert all("\n" not in line for line in found)


def test_a_wrong_technique_is_refused_by_the_form(pipelines: Site) -> None:
    with pytest.raises(DagRunError, match="guess"):
        pipelines.client.trigger(QUERY, {"technique": "guess"})
