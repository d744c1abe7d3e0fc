"""A run in which tasks are retried, mapped and skipped; loaded by Airflow only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

if TYPE_CHECKING:
    import pandas as pd


def numbers() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"x": range(100)})


def second_time_lucky(frame: pd.DataFrame) -> pd.DataFrame:
    if get_current_context()["ti"].try_number == 1:
        raise RuntimeError("the first try fails")
    return frame.assign(y=frame["x"] * 2)


def times(frame: pd.DataFrame, factor: int) -> pd.DataFrame:
    return frame.assign(y=frame["x"] * factor)


def never(frame: pd.DataFrame) -> dict[str, Any]:
    raise AirflowSkipException("nothing to do")


with DAG("broken_eventful", schedule=None, catchup=False) as dag:
    stage = {"project": "broken", "model": "eventful"}
    source = task.stage(**stage, deterministic=False)(numbers)()
    retried = task.stage(**stage, retries=1, retry_delay=0.5)(second_time_lucky)(source)
    task.stage(**stage)(times).partial(frame=retried).expand(factor=[2, 3, 5])
    task.stage(**stage)(never)(retried)
