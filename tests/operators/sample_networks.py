"""A network of a few weights, its data, and DAGs that train and capture it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from airflow.sdk import DAG
from numpy.typing import NDArray

from operators import LogIntermediatesOperator, TrainKerasOperator

CODE = "tests.operators.sample_networks"
PLACE = {"project": "toys", "model": "small"}
ROWS = 24


def small_network(units: int = 3) -> Any:
    inputs = keras.Input((2,), name="x")
    hidden = keras.layers.Dense(
        units, activation="relu", name="hidden", kernel_initializer=keras.initializers.GlorotUniform(seed=1)
    )(inputs)
    outputs = keras.layers.Dense(1, name="answer", kernel_initializer=keras.initializers.GlorotUniform(seed=2))(hidden)
    network = keras.Model(inputs, outputs)
    network.compile(optimizer=keras.optimizers.SGD(0.05), loss="mean_squared_error", metrics=["mae"])
    return network


def points(rows: int = ROWS) -> NDArray[np.float32]:
    return np.random.default_rng(3).standard_normal((rows, 2)).astype(np.float32)


def small_data(rows: int = ROWS) -> Any:
    x = points(rows)
    y = (x[:, :1] - 2 * x[:, 1:]).astype(np.float32)
    return (x[: rows // 2], y[: rows // 2]), (x[rows // 2 :], y[rows // 2 :])


def small_input(rows: int = ROWS) -> dict[str, NDArray[Any]]:
    return {"row_id": np.arange(100, 100 + rows), "x": points(rows)}


def training_dag(folder: Path, **settings: Any) -> DAG:
    """Return a DAG that trains; every size comes from a template."""
    with DAG(
        "sample_training",
        schedule=None,
        default_args=PLACE,
        params={"epochs": 5, "every": 2, "units": 4},
        render_template_as_native_obj=True,
    ) as dag:
        TrainKerasOperator(
            task_id="train",
            model_function=f"{CODE}:small_network",
            model_arguments={"units": "{{ params.units }}"},
            data_function=f"{CODE}:small_data",
            epochs="{{ params.epochs }}",
            every="{{ params.every }}",
            batch_size=4,
            folder=str(folder / "{{ dag.dag_id }}"),
            **settings,
        )
    return dag


def capture(**settings: Any) -> dict[str, Any]:
    """Return the arguments that capture the small network exactly."""
    return {"input_function": f"{CODE}:small_input", "scheme": "lossless", **settings}


def checkpoints_dag(folder: Path) -> DAG:
    """Return a DAG that trains, and captures each checkpoint in a mapped task."""
    with DAG("sample_checkpoints", schedule=None, default_args={"project": "toys"}) as dag:
        train = TrainKerasOperator(
            task_id="train",
            model="small",
            model_function=f"{CODE}:small_network",
            data_function=f"{CODE}:small_data",
            epochs=4,
            every=2,
            folder=str(folder),
        )
        LogIntermediatesOperator.partial(task_id="capture", **capture()).expand_kwargs(train.output)
    return dag


def blocks_dag(weights: Path) -> DAG:
    """Return a DAG that captures a network of given weights in ranges of row blocks."""
    with DAG("sample_blocks", schedule=None) as dag:
        LogIntermediatesOperator.partial(
            task_id="capture",
            network=str(weights),
            model_function=f"{CODE}:small_network",
            model_arguments={"units": 2},
            batch_rows=10,
            max_active_tis_per_dagrun=1,
            **PLACE,
            **capture(layers=["hid*"]),
        ).expand(blocks=[[0, 1], [1, 3]])
    return dag
