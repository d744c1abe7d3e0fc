"""A run whose tasks are tried again until they succeed, with a pause in which something can be killed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, task

if TYPE_CHECKING:
    import pandas as pd


def numbers(seed: Any, rows: Any) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(int(seed))
    return pd.DataFrame({f"x{number}": random.normal(size=int(rows)) for number in range(8)})


def waits(frame: pd.DataFrame, marks: Any, pause: Any) -> pd.DataFrame:
    """Say that it has begun; the first time, wait."""
    import os
    import time
    from pathlib import Path

    folder = Path(str(marks))
    is_first = not any(folder.iterdir())
    (folder / str(os.getpid())).touch()
    if is_first:
        time.sleep(float(pause))
    return frame.assign(sum=frame.sum(axis=1))


def times(frame: pd.DataFrame, factor: int) -> pd.DataFrame:
    return frame * factor


with DAG(
    "mended",
    schedule=None,
    catchup=False,
    params={"model": "m", "seed": 0, "rows": 2_000, "marks": "", "pause": 0.0},
    default_args={"retries": 12, "retry_delay": timedelta(seconds=1)},
) as dag:
    stage = {"project": "mended", "model": "{{ params.model }}"}
    source = task.stage(**stage, deterministic=True)(numbers)(seed="{{ params.seed }}", rows="{{ params.rows }}")
    waited = task.stage(**stage)(waits)(source, marks="{{ params.marks }}", pause="{{ params.pause }}")
    task.stage(**stage)(times).partial(frame=waited).expand(factor=[2, 3, 5, 7])
