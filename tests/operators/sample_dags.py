"""DAGs of stages, small enough for ``dag.test()``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from airflow.sdk import DAG, TaskGroup, task

from operators import (
    EvaluateOperator,
    FitOperator,
    FunctionOperator,
    MaterializeOperator,
    NamedStageOperator,
    PredictOperator,
    ReadCsvOperator,
    SplitOperator,
    TransformOperator,
)

PLACE = {"project": "homes", "model": "linear"}


def CALLS() -> None:
    """Carries the names of the stages that ran; a function's attributes are not code."""


CALLS.names = []


def write_csv(folder: Path, rows: int = 40) -> Path:
    """Write the table that the pipelines start from."""
    path = folder / "homes.csv"
    frame = pd.DataFrame({"rooms": [n % 7 for n in range(rows)], "area": [n * 1.5 for n in range(rows)]})
    frame.assign(price=frame["rooms"] * 2.0 + frame["area"]).to_csv(path, index=False)
    return path


def add_column(data: pd.DataFrame, factor: float) -> pd.DataFrame:
    CALLS.names.append("add_column")
    return data.assign(size=data["area"] * factor)


def scale_by(factor: float, data: pd.DataFrame) -> pd.DataFrame:
    CALLS.names.append(f"scale_by {factor}")
    return data[["price"]] * factor


def joined(parts: dict[str, Any]) -> pd.DataFrame:
    """Take references nested in lists and dicts."""
    CALLS.names.append("joined")
    return pd.concat([*parts["frames"], parts["more"]["last"]]).sort_index()[["rooms"]] + parts["plus"]


def refuses(data: pd.DataFrame) -> pd.DataFrame:
    raise ZeroDivisionError(f"the stage refuses {len(data)} rows")


def has_nothing_to_do(data: pd.DataFrame) -> pd.DataFrame:
    from airflow.sdk.exceptions import AirflowSkipException

    raise AirflowSkipException(f"nothing to do with {len(data)} rows")


def shared_dag(csv: Path) -> DAG:
    """Return a DAG in which mapped tasks share the row blocks of stages, and the next stages take what they made."""
    with DAG("sample_shared", schedule=None, default_args=PLACE, render_template_as_native_obj=True) as dag:
        read = ReadCsvOperator(task_id="read", path=str(csv), options={"chunksize": 7})
        sized = FunctionOperator.partial(
            task_id="sized",
            function="tests.operators.sample_dags:add_column",
            inputs={"data": read.output},
            arguments={"factor": 2.0},
            row_wise=True,
            max_active_tis_per_dagrun=1,
        ).expand(blocks=["1/3", "2/3", "3/3"])
        means = NamedStageOperator.partial(
            task_id="means",
            stage="Avg",
            arguments={"columns": ["size", "rooms"], "output": "mean"},
            inputs=sized.output,
            max_active_tis_per_dagrun=1,
        ).expand(blocks=[[0, 3], [3, 4]])
        FunctionOperator(
            task_id="few",
            function="tests.operators.sample_dags:scale_by",
            inputs={"data": means.output},
            arguments={"factor": 0.5},
        )
    return dag


def operators_dag(csv: Path) -> DAG:
    """Return a DAG of operators, one of them mapped and two in a task group."""
    with DAG("sample_operators", schedule=None, default_args=PLACE, render_template_as_native_obj=True) as dag:
        read = ReadCsvOperator(task_id="read", path=str(csv))
        split = SplitOperator(task_id="split", inputs=read.output, test_size=0.25)
        with TaskGroup("learn"):
            scaled = TransformOperator(
                task_id="scaled",
                inputs={"train": split.output["train"], "test": split.output["test"]},
                transformer="sklearn.preprocessing.StandardScaler",
                exclude=["price"],
            )
            fit = FitOperator(
                task_id="fit",
                inputs=scaled.output["train"],
                estimator="sklearn.linear_model.LinearRegression",
                label="price",
            )
        predict = PredictOperator(
            task_id="predictions", inputs={"model": fit.output, "data": scaled.output["test"]}, keep=["price"]
        )
        EvaluateOperator(task_id="evaluate", inputs=predict.output, label="price", metrics=["r2"])
        TransformOperator.partial(
            task_id="mapped", inputs=read.output, transformer="sklearn.preprocessing.StandardScaler", exclude=["price"]
        ).expand(transformer_params=[{"with_std": True}, {"with_std": False}])
    return dag


def decorated_dag(csv: Path) -> DAG:
    """Return a DAG of decorated functions: one plain, one mapped, one with nested references."""
    with DAG("sample_decorated", schedule=None) as dag:
        read = ReadCsvOperator(task_id="read", path=str(csv), **PLACE)
        split = SplitOperator(task_id="split", inputs=read.output, test_size=0.25, **PLACE)
        task.stage(**PLACE)(add_column)(read.output, factor=2.0)
        task.stage(**PLACE)(scale_by).partial(data=read.output).expand(factor=[2, 3])
        parts = {"frames": [split.output["train"]], "more": {"last": split.output["test"]}, "plus": 10}
        task.stage(**PLACE)(joined)(parts)
    return dag


def short_dag(csv: Path, *, reuse: bool = True) -> DAG:
    """Return a DAG of two operators."""
    with DAG("sample_short", schedule=None, default_args={**PLACE, "reuse": reuse}) as dag:
        read = ReadCsvOperator(task_id="read", path=str(csv))
        SplitOperator(task_id="split", inputs=read.output)
    return dag


def failing_dag(csv: Path) -> DAG:
    """Return a DAG whose second stage fails."""
    with DAG("sample_failing", schedule=None) as dag:
        read = ReadCsvOperator(task_id="read", path=str(csv), **PLACE)
        task.stage(**PLACE)(refuses)(read.output)
    return dag


def skipping_dag(csv: Path) -> DAG:
    """Return a DAG whose second stage skips itself."""
    with DAG("sample_skipping", schedule=None) as dag:
        read = ReadCsvOperator(task_id="read", path=str(csv), **PLACE)
        task.stage(**PLACE)(has_nothing_to_do)(read.output)
    return dag


def plain_dag() -> DAG:
    """Return a DAG without stages."""
    with DAG("sample_plain", schedule=None) as dag:

        @task
        def nothing() -> int:
            return 1

        nothing()
    return dag


def thrifty_dag(csv: Path, second: Path | None = None) -> DAG:
    """Return a DAG that keeps only what cannot be re-run; it fails if a second file is named that is not there."""
    with DAG("sample_thrifty", schedule=None, default_args=PLACE) as dag:
        read = ReadCsvOperator(task_id="read", path=str(csv))
        split = SplitOperator(task_id="split", inputs=read.output, test_size=0.25)
        end = MaterializeOperator(task_id="let_go")
        split.set_downstream(end)
        if second is not None:
            ReadCsvOperator(task_id="second", path=str(second)).set_downstream(end)
    return dag


def named_dag(csv: Path) -> DAG:
    """Return a DAG of stages by name."""
    with DAG("sample_named", schedule=None, default_args=PLACE, params={"columns": ["rooms", "area"]},
             render_template_as_native_obj=True) as dag:  # fmt: skip
        read = ReadCsvOperator(task_id="read", path=str(csv))
        mean = NamedStageOperator(
            task_id="mean",
            stage="Avg",
            inputs=read.output,
            arguments={"columns": "{{ params.columns }}", "output": "mean", "keep": False},
        )
        NamedStageOperator(
            task_id="joined",
            stage="Join",
            inputs={"left": mean.output, "right": read.output},
            arguments={"columns": ["area"]},
        )
    return dag
