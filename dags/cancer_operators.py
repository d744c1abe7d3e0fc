"""Breast cancer: one pipeline of stage operators, as a DAG for each of two models.

The two share their stages up to the feature selection, so the second one takes them over.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from operators import (
    EvaluateOperator,
    FitOperator,
    PredictOperator,
    ReadSklearnOperator,
    SplitOperator,
    TransformOperator,
)


def cancer_pipeline(model: str, estimator: str, estimator_params: dict[str, Any], params: dict[str, Any]) -> DAG:
    with DAG(
        f"cancer_{model}",
        schedule=None,
        catchup=False,
        tags=["mistique", "cancer"],
        params={"features": 12, **params},
        render_template_as_native_obj=True,
        default_args={"project": "cancer", "model": model},
        doc_md=__doc__,
    ) as dag:
        read = ReadSklearnOperator(task_id="read", dataset="breast_cancer")
        split = SplitOperator(task_id="split", inputs=read.output, test_size=0.25, seed=0, stratify="target")
        impute = TransformOperator(
            task_id="imputed",
            inputs={"train": split.output["train"], "test": split.output["test"]},
            transformer="sklearn.impute.SimpleImputer",
            transformer_params={"strategy": "median"},
            exclude=["target"],
        )
        scale = TransformOperator(
            task_id="scaled",
            inputs={"train": impute.output["train"], "test": impute.output["test"]},
            transformer="sklearn.preprocessing.StandardScaler",
            exclude=["target"],
        )
        select = TransformOperator(
            task_id="selected",
            inputs={"train": scale.output["train"], "test": scale.output["test"]},
            transformer="sklearn.feature_selection.SelectKBest",
            transformer_params={"k": "{{ params.features }}"},
            label="target",
        )
        fit = FitOperator(
            task_id="fit",
            inputs=select.output["train"],
            estimator=estimator,
            estimator_params={**estimator_params, "random_state": 0},
            label="target",
        )
        predict = PredictOperator(
            task_id="predictions", inputs={"model": fit.output, "data": select.output["test"]}, keep=["target"]
        )
        EvaluateOperator(task_id="evaluate", inputs=predict.output, label="target")
    return dag


logistic_regression = cancer_pipeline(
    "logistic_regression", "sklearn.linear_model.LogisticRegression", {"C": "{{ params.C }}"}, {"C": 1.0}
)
random_forest = cancer_pipeline(
    "random_forest",
    "sklearn.ensemble.RandomForestClassifier",
    {"n_estimators": "{{ params.trees }}"},
    {"trees": 100},
)
