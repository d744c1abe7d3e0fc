"""The button on a task's page that opens what MISTIQUE knows about its run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


def run_page(dag_id: str, run_id: str) -> str:
    """Return the address of a run's tab MISTIQUE, relative to the Airflow UI."""
    return f"/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}/plugin/mistique_run"


class RunPageLink(BaseOperatorLink):
    """Opens the tab MISTIQUE of the DAG run: its stages, or the answer of a query."""

    name = "MISTIQUE"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address of the tab, relative to the Airflow UI."""
        return run_page(ti_key.dag_id, ti_key.run_id)
