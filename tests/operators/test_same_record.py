"""A DAG and a run of its file without Airflow leave equal records, up to ids and times."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mistique_core import Mistique
from tests.modeldb.test_same_record import WORKFLOW, document, with_workflow_file, write_data

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]


def test_a_dag_and_a_file(run_dag: Callable[..., Any], store: Mistique, tmp_path: Path) -> None:
    from operators import dags_from_yaml

    data = write_data(tmp_path)
    path = tmp_path / "dag.yaml"
    path.write_text(WORKFLOW.format(model="dag", path=data))
    (dag,) = dags_from_yaml(path).values()
    assert run_dag(dag).state == "success"
    with_workflow_file(store, data, "file")
    assert document(store, "dag") == document(store, "file")
