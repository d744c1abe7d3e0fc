"""Run DAGs in a process of their own: ``python -m tests.operators.lineage_runs FOLDER DAG ...``.

Airflow loads the plugin of its OpenLineage provider once a process, and only where a transport is configured.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.airflow_home import create_airflow_database, prepare_airflow_home

VALUE = "a-value-of-the-data"
WIDE = 250
RESULT = "result.json"


def many_columns() -> Any:
    import pandas as pd

    columns: dict[str, Any] = {f"c{number:03}": [1.5, 2.5] for number in range(WIDE)}
    return pd.DataFrame({"row_id": [1, 2], "text": [VALUE, VALUE], **columns})


def wide_dag() -> Any:
    from airflow.sdk import DAG, task

    with DAG("wide", schedule=None) as dag:
        task.stage(project="über homes", model="a/b", row_id="row_id")(many_columns)()
    return dag


def asking_dag() -> Any:
    from airflow.sdk import DAG

    from operators import DiagnoseOperator

    with DAG("asking", schedule=None) as dag:
        for strategy in ("read", "rerun"):
            request = {
                "technique": "pointq",
                "keys": "homes.linear.add_column.size",
                "row_id": [3],
                "strategy": strategy,
            }
            DiagnoseOperator(task_id=strategy, request=request)
    return dag


def refused_dag() -> Any:
    from airflow.sdk import DAG

    from operators import DiagnoseOperator

    with DAG("refused", schedule=None) as dag:
        DiagnoseOperator(task_id="ask", request={"technique": "pointq", "keys": "no.such.thing.here", "row_id": [3]})
    return dag


def unlucky_dag() -> Any:
    """Return a DAG with a task that cannot look its datasets up any more when it has ended."""
    from airflow.sdk import DAG, BaseOperator

    from operators.openlineage.gather import capture_facts
    from operators.openlineage.source import LineageSource, keep_task_facts

    class Forgetful(LineageSource, BaseOperator):
        def execute(self, context: Any) -> None:
            from operators import MistiqueHook

            store = MistiqueHook().store
            layer = {"name": "missing", "state": "stored"}
            report = {"project": "p", "model": "m", "version": 1, "layers": [layer]}
            keep_task_facts(context, lambda: capture_facts(store, report))

    with DAG("unlucky", schedule=None) as dag:
        Forgetful(task_id="forgetful")
    return dag


def network_dag(folder: Path) -> Any:
    from airflow.sdk import DAG

    from operators import LogIntermediatesOperator
    from tests.operators import sample_networks as toys

    network = folder / "small.keras"
    toys.small_network().save(network)
    with DAG("network", schedule=None, default_args=toys.PLACE) as dag:
        LogIntermediatesOperator(task_id="capture", network=str(network), **toys.capture())
    return dag


def main(folder: Path, names: list[str]) -> None:
    """Run the DAGs in order, and write their states and what of OpenLineage was imported to a file.

    Not to stdout, into whose lines forks of the tasks may write.
    """
    prepare_airflow_home()
    create_airflow_database()
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    from tests.operators import sample_dags

    csv = sample_dags.write_csv(folder)
    made = {
        "operators": lambda: sample_dags.operators_dag(csv),
        "decorated": lambda: sample_dags.decorated_dag(csv),
        "shared": lambda: sample_dags.shared_dag(csv),
        "short": lambda: sample_dags.short_dag(csv),
        "failing": lambda: sample_dags.failing_dag(csv),
        "wide": wide_dag,
        "asking": asking_dag,
        "refused": refused_dag,
        "unlucky": unlucky_dag,
        "network": lambda: network_dag(folder),
    }
    states = []
    for name in names:
        dag = made[name]()
        DagBundlesManager().sync_bundles_to_db()
        bag = DagBag(dag_folder=os.devnull)
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)
        # What the tasks of this DAG share has been made before by a decorated function.
        states.append(str(dag.test(run_conf={"mistique_reuse": False} if name == "shared" else None).state))
    imported = [name for name in sys.modules if name.startswith(("openlineage.client", "operators.openlineage."))]
    (folder / RESULT).write_text(json.dumps({"states": states, "imported": imported}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
