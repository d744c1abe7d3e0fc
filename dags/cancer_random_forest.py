"""Breast cancer, random forest: a pipeline of stage operators."""

from __future__ import annotations

from airflow.sdk import DAG

from operators import (
    EvaluateOperator,
    FitOperator,
    PredictOperator,
    ReadSklearnOperator,
    SplitOperator,
    TransformOperator,
)

PLACE = {"project": "cancer", "model": "random_forest"}

with DAG(
    "cancer_random_forest",
    schedule=None,
    catchup=False,
    tags=["mistique", "cancer"],
    params={"features": 12, "trees": 100},
    render_template_as_native_obj=True,
    default_args=PLACE,
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
        estimator="sklearn.ensemble.RandomForestClassifier",
        estimator_params={"n_estimators": "{{ params.trees }}", "random_state": 0},
        label="target",
    )
    predict = PredictOperator(
        task_id="predictions", inputs={"model": fit.output, "data": select.output["test"]}, keep=["target"]
    )
    EvaluateOperator(task_id="evaluate", inputs=predict.output, label="target")
