"""Airflow finds the connection type and the decorator, and the DAG files cost next to nothing to import."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from mistique_core.diagnostics import TECHNIQUES
from operators.provider import get_provider_info
from tests.airflow_home import ROOT

pytestmark = pytest.mark.airflow

HEAVY = ("pandas", "sklearn", "xgboost", "tensorflow", "keras", "skops", "h5py")
CANCER_IDS = {"cancer_logistic_regression", "cancer_random_forest", "cancer_xgboost"}
ZILLOW_IDS = {f"zillow_p{template}_v{variation}" for template in range(1, 11) for variation in range(1, 6)}
SEARCH_IDS = {"cancer_trees", "cancer_trees_search"}
CIFAR_IDS = {"cifar10_cnn", "cifar10_vgg16"}
OWN_IDS = {
    "mistique_query",
    "mistique_diagnose_model",
    "mistique_maintenance",
    "mistique_query_split",
    *(f"mistique_query_{name}" for name in TECHNIQUES),
}


def test_airflow_accepts_the_provider() -> None:
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    manager = ProvidersManager()
    assert manager.providers["mistique-airflow"].data["name"] == "MISTIQUE"
    hook = ProvidersManagerTaskRuntime().hooks["mistique"]
    assert hook is not None
    assert (hook.hook_class_name, hook.hook_name) == ("operators.hook.MistiqueHook", "MISTIQUE store")
    assert hook.connection_id_attribute_name == "mistique_conn_id"


def test_airflow_knows_the_decorator() -> None:
    from airflow.sdk import task
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    from operators.stage_decorator import stage_task

    assert ProvidersManagerTaskRuntime().taskflow_decorators["stage"] is stage_task
    assert task.stage is stage_task


def test_the_settings_of_the_connection_form_exist() -> None:
    from dataclasses import fields

    from mistique_core.config import StoreConfig

    (connection,) = get_provider_info()["connection-types"]
    assert set(connection["conn-fields"]) <= {field.name for field in fields(StoreConfig)}


def python(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed last."""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip().splitlines()[-1]


def test_importing_operators_loads_no_airflow() -> None:
    """Airflow imports the provider while it reads its own configuration."""
    code = "import sys, operators, operators.provider; print({'airflow', 'pandas'} & set(sys.modules))"
    assert python(code) == "set()"


def test_dag_files_load_no_heavy_package() -> None:
    """All operators and every DAG file in a fresh process, with Airflow as the DAG processor loads them."""
    code = f"""
import json, logging, sys
logging.disable(logging.CRITICAL)
import operators
for name in operators.__all__:
    getattr(operators, name)
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({str(ROOT / "dags")!r})
stages = {{
    dag_id: [(task.task_id, task.project, task.model) for task in dag.tasks if hasattr(task, "intermediate")]
    for dag_id, dag in bag.dags.items()
}}
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps({{"heavy": heavy, "errors": bag.import_errors, "stages": stages}}))
"""
    found = json.loads(python(code))
    assert found["errors"] == {}
    assert set(found["stages"]) == CANCER_IDS | ZILLOW_IDS | CIFAR_IDS | SEARCH_IDS | OWN_IDS
    assert found["heavy"] == []
    assert all(found["stages"][dag_id] == [] for dag_id in OWN_IDS)
    for dag_id in CIFAR_IDS:
        model = dag_id.removeprefix("cifar10_")
        assert found["stages"][dag_id] == [["labels", "cifar10", model], ["train", "cifar10", model]]
    for dag_id in CANCER_IDS:
        stages = found["stages"][dag_id]
        assert len(stages) == 8
        for _, project, model in stages:
            assert (project, model) == ("cancer", dag_id.removeprefix("cancer_"))
