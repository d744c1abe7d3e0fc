"""A temporary Airflow home, set before anything imports Airflow, and stores for the pages to show.

Where another conftest of this process has made a temporary home already (it then has a JWT secret), that one is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.catalogue.entities import RunKey
from tests.airflow_home import prepare_airflow_home

prepare_airflow_home()


def airflow_key(dag_id: str, run_id: str) -> RunKey:
    return RunKey("airflow", dag_id, run_id)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Mistique]:
    with Mistique.open(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def houses() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rooms": [1, 2, 3, 4, 5, 6, 7, 8],
            "area": [10.5, 20.0, 31.0, 39.5, 52.0, 60.0, 71.0, 80.0],
            "price": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        },
        index=pd.RangeIndex(8, name="row_id"),
    )


@pytest.fixture
def csv(tmp_path: Path, houses: pd.DataFrame) -> Path:
    path = tmp_path / "houses.csv"
    houses.to_csv(path, index=False)
    return path
