"""DAGs that fail in the ways in which stages fail, each after one stage that succeeds."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from airflow.sdk import dag, task

if TYPE_CHECKING:
    import pandas as pd


def numbers(seed: int) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    return pd.DataFrame({"x": np.random.default_rng(seed).normal(size=500), "kept": np.arange(500)})


def raises(data: pd.DataFrame) -> pd.DataFrame:
    raise ValueError(f"stage refuses {len(data)} rows")


def kills_itself(data: pd.DataFrame) -> pd.DataFrame:
    os.kill(os.getpid(), signal.SIGKILL)
    return data


def doubles(data: pd.DataFrame) -> pd.DataFrame:
    return data * 2


def returns_objects(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(parts=[[1, 2]] * len(data))


def repeats_row_id(data: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([data, data.head(1)])


def broken_dag(name: str, seed: int, function: Any, **options: Any) -> None:
    place = {"project": "broken", "model": name}

    @dag(dag_id=f"broken_{name}", schedule=None, catchup=False)
    def pipeline() -> None:
        source = task.stage(task_id="source", **place)(numbers)(seed)
        task.stage(task_id="second", **place, **options)(function)(source)

    pipeline()


broken_dag("raises", 1, raises)
broken_dag("killed", 2, kills_itself)
broken_dag("unreachable", 3, doubles, mistique_conn_id="unreachable")
broken_dag("objects", 4, returns_objects)
broken_dag("repeated", 5, repeats_row_id)
