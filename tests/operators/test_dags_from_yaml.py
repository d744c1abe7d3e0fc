"""Workflows in YAML as DAGs: the same intermediates as without Airflow, typed params, broken files beside good ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.tables import experiment_run
from mistique_core.errors import InvalidInputError, NotFoundError
from tests.airflow_home import ROOT
from tests.unit.workflows.specification.samples import HOMES_YAML, addresses, write_homes

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]

RunDag = Callable[..., Any]


@pytest.fixture
def workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a workflow's file in a folder with its data and a function."""
    folder = write_homes(tmp_path / "workflows")
    monkeypatch.setenv("HOMES", str(folder))
    monkeypatch.setenv("MISTIQUE_CODE_PATH", str(folder))
    return folder / "homes.yaml"


def dags(place: Path, **kwargs: Any) -> dict[str, Any]:
    from operators import dags_from_yaml

    return dags_from_yaml(place, **kwargs)


def test_a_dag_for_each_variation(workflow: Path) -> None:
    found = dags(workflow.parent, schedule="@daily", tags=["more"])
    assert set(found) == {"homes_linear_weak", "homes_linear_strong"}
    dag = found["homes_linear_strong"]
    assert dag.params.dump() == {"alpha": 0.5, "file": "${env:HOMES}/homes.csv", "factor": 2}
    assert dag.tags == {"more", "small"}
    assert {task.task_id: set(task.upstream_task_ids) for task in dag.tasks} == {
        "read": set(),
        "enlarged": {"read"},
        "split": {"enlarged"},
        "scaled": {"split"},
        "fit": {"scaled"},
        "predictions": {"fit", "scaled"},
        "evaluate": {"predictions"},
    }
    assert dag.get_task("fit").operator_name == "TrainElasticNet"
    assert dag.get_task("enlarged").operator_name == "enlarge"


def test_params_are_checked_by_their_types(workflow: Path) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = dags(workflow)["homes_linear_weak"].params
    for name, wrong in (("alpha", "x"), ("factor", 1.5), ("file", 3)):
        with pytest.raises(ParamValidationError):
            params.get_param(name).resolve(wrong)
    assert params.get_param("alpha").resolve(1) == 1


def test_same_intermediates_as_without_airflow(workflow: Path, run_dag: RunDag, home: Path, tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "other") as other:
        other.log_intermediates(workflow, variation="weak")
        expected = addresses(other, "homes", "linear_weak")
    run = run_dag(dags(workflow)["homes_linear_weak"])
    assert run.state == "success"
    with Mistique.open(home) as store, store.catalogue.read() as connection:
        assert addresses(store, "homes", "linear_weak") == expected
        row = connection.execute(sa.select(experiment_run)).one()
    assert row.environment["workflow"] == {
        "file": "homes.yaml",
        "materialization": {"policy": "dedup"},
        "variation": "weak",
    }
    assert len(expected) == 7


def test_every_kind_of_reference(workflow: Path, run_dag: RunDag, home: Path, tmp_path: Path) -> None:
    """The only frame beside a fitted object, the fitted object itself, and an only output by its name and without."""
    workflow.write_text(
        "project: homes\nmodel: kinds\nstages:\n"
        '  read: {operator: ReadCsv, params: {path: "${env:HOMES}/homes.csv"}}\n'
        "  scaled: {operator: Transform, inputs: read, params: {transformer: sklearn.preprocessing.StandardScaler}}\n"
        '  named: {operator: "own.py:named", inputs: scaled}\n'
        '  first: {operator: "own.py:times_features", inputs: {frame: named.only, transformer: scaled.transformer}}\n'
        '  second: {operator: "own.py:times_features", inputs: {frame: named, transformer: scaled.transformer}}\n'
    )
    with Mistique.open(tmp_path / "other") as other:
        other.log_intermediates(workflow)
        expected = addresses(other, "homes", "kinds")
    assert run_dag(dags(workflow)["homes_kinds"]).state == "success"
    with Mistique.open(home) as store:
        assert addresses(store, "homes", "kinds") == expected
    assert expected["first"] == expected["second"]


def test_triggered_with_other_params(workflow: Path, run_dag: RunDag, home: Path, tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "other") as other:
        other.log_intermediates(workflow, variation="weak", parameters={"factor": 3})
        expected = addresses(other, "homes", "linear_weak")
    assert run_dag(dags(workflow)["homes_linear_weak"], {"factor": 3}).state == "success"
    with Mistique.open(home) as store:
        assert addresses(store, "homes", "linear_weak") == expected


def test_whoever_triggers_cannot_read_the_environment(
    workflow: Path, run_dag: RunDag, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMES_SECRET", "kept-secret")
    assert run_dag(dags(workflow)["homes_linear_weak"], {"file": "${env:HOMES_SECRET}"}).state == "failed"
    with Mistique.open(home) as store, store.catalogue.read() as connection:
        dumped = connection.exec_driver_sql("SELECT params, error FROM stage").all()
    assert "kept-secret" not in str(dumped)


def test_a_broken_file_is_shown_and_the_others_load(workflow: Path, run_dag: RunDag) -> None:
    (workflow.parent / "bad.yml").write_text(HOMES_YAML.replace("test_size", "test_sizes"))
    found = dags(workflow.parent)
    assert set(found) == {"homes_linear_weak", "homes_linear_strong", "broken_bad"}
    broken = found["broken_bad"]
    assert broken.tags == {"broken workflow"}
    assert "unknown key; did you mean 'test_size'?" in broken.doc_md
    assert run_dag(broken).state == "failed"
    with pytest.raises(InvalidInputError, match="did you mean 'test_size'"):
        dags(workflow.parent / "bad.yml")


def test_two_files_of_one_model(workflow: Path) -> None:
    (workflow.parent / "twin.yaml").write_text(HOMES_YAML)
    found = dags(workflow.parent)
    assert "another file has the DAG 'homes_linear_weak'" in found["broken_twin"].doc_md


def test_names_that_are_too_long_for_airflow(workflow: Path) -> None:
    (workflow.parent / "long.yaml").write_text(
        HOMES_YAML.replace("homes\n", f"{'h' * 150}\n").replace("linear", "m" * 150)
    )
    assert "is too long; use shorter names" in dags(workflow.parent)["broken_long"].doc_md


def test_default_arguments_reach_the_tasks(workflow: Path) -> None:
    workflow.write_text(HOMES_YAML.replace("inputs: read,", "inputs: read, reuse: false,"))
    tasks = dags(workflow)["homes_linear_weak"].tasks
    assert {task.task_id for task in tasks if not task.reuse} == {"enlarged"}
    tasks = dags(workflow, default_args={"reuse": False, "retries": 2})["homes_linear_weak"].tasks
    assert {(task.reuse, task.retries) for task in tasks} == {(False, 2)}


def test_a_policy_ends_the_run(workflow: Path, run_dag: RunDag, home: Path) -> None:
    text = workflow.read_text().replace("stages:", "materialization: adaptive\nstages:", 1)
    workflow.write_text(text)
    dag = dags(workflow.parent)["homes_linear_weak"]
    end = dag.get_task("materialize")
    assert end.downstream_task_ids == set()
    assert end.upstream_task_ids == {"evaluate"}
    assert run_dag(dag).state == "success"
    with Mistique.open(home) as store:
        listed = store.intermediates("homes", "linear_weak").set_index("intermediate")["kept"]
        assert listed["read"]
        assert not listed.drop("read").any()
        store.gc(grace_seconds=0)
        predictions = store.get_intermediates("homes.linear_weak@1.predictions.*")
        assert predictions.plan.strategy == "rerun"


def test_the_zillow_workload_is_fifty_dags(run_dag: RunDag, home: Path, tmp_path: Path) -> None:
    """None is broken, and one of them logs what it logs without Airflow."""
    found = dags(ROOT / "dags" / "zillow")
    assert len(found) == 50
    assert not [name for name in found if name.startswith("broken")]
    parameters = {"rows": 1_500}
    assert run_dag(found["zillow_p5_v1"], parameters).state == "success"
    with Mistique.open(tmp_path / "plain") as plain, Mistique.open(home) as store:
        plain.log_intermediates(
            ROOT / "dags" / "zillow" / "p5.yaml", variation="v1", parameters=parameters, progress=False
        )
        assert addresses(store, "zillow", "p5_v1") == addresses(plain, "zillow", "p5_v1")


def test_a_task_builds_its_own_dag_only(workflow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a folder; whatever else lies there. The DAG is the one that the DAG processor saw."""
    search = "search: {method: random, trials: 3, parameters: {alpha: {low: 0.1, high: 1}}, objective: r2}\n"
    folder = workflow.parent
    (folder / "more.yaml").write_text(HOMES_YAML.replace("model: linear", "model: linear_more") + search)
    (folder / "bad.yml").write_text(HOMES_YAML.replace("test_size", "test_sizes"))
    (folder / "worse.yml").write_text("- [")
    (folder / "list.yml").write_text("- 1")
    everything = dags(folder)
    assert len(everything) == 9
    for dag_id, dag in everything.items():
        with monkeypatch.context() as task:
            task.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)
            (found,) = dags(folder).values()
            assert set(dags(workflow)) == {"homes_linear_weak", "homes_linear_strong"}
        assert found.dag_id == dag_id
        assert found.task_dict.keys() == dag.task_dict.keys()
        assert found.params.dump() == dag.params.dump()
        assert found.tags == dag.tags
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "homes")
    assert dags(folder) == {}


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="has no files"):
        dags(tmp_path)


def test_parsing_loads_no_heavy_package(workflow: Path) -> None:
    """In a fresh process, as the DAG processor loads a file, with serialization."""
    search = "search: {method: random, trials: 3, parameters: {alpha: {low: 0.1, high: 1}}, objective: r2, folds: 3}\n"
    (workflow.parent / "searched.yaml").write_text(HOMES_YAML.replace("model: linear", "model: searched") + search)
    file = workflow.parent.parent / "dags" / "from_yaml.py"
    file.parent.mkdir()
    file.write_text(
        "from airflow.sdk import DAG\nfrom operators import dags_from_yaml\n"
        f"globals().update(dags_from_yaml({str(workflow.parent)!r}))\n"
    )
    code = f"""
import json, logging, sys
logging.disable(logging.CRITICAL)
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag({str(file.parent)!r})
size = sum(len(json.dumps(DagSerialization.to_dict(dag))) for dag in bag.dags.values())
heavy = [name for name in ("pandas", "sklearn", "lightgbm", "xgboost", "numpy", "optuna") if name in sys.modules]
print(json.dumps([sorted(bag.dags), bag.import_errors, heavy, size > 0]))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.strip().splitlines()[-1])
    searched = [f"homes_searched_{name}" for name in ("strong", "strong_search", "weak", "weak_search")]
    assert found == [["homes_linear_strong", "homes_linear_weak", *searched], {}, [], True]


@pytest.mark.parametrize("file", sorted((ROOT / "dags").glob("*.py")), ids=lambda file: file.name)
def test_airflow_looks_into_our_dag_files(file: Path) -> None:
    """It passes over files in which certain words do not stand, and says nothing."""
    from airflow.utils.file import might_contain_dag

    assert might_contain_dag(str(file), safe_mode=True)


def test_markdown_of_a_dag_shows_names_as_they_are() -> None:
    """Airflow renders ``doc_md``: a picture or a link in the name of a file would be one on the DAG's page."""
    from operators.dag_options import code_block

    for text in ("![x](http://x.example/y.png)", "`a` [b](c)", "a\n\n# x\u2028![x](http://x.example)\x0b<b>"):
        lines = code_block(text).split("\n")
        assert all(line.startswith("    ") for line in lines)
        assert not any(mark in line for line in lines for mark in "\r\x0b\x0c\u2028\u2029")


def test_a_broken_file_with_the_longest_name_is_a_dag_too(tmp_path: Path) -> None:
    """Airflow refuses longer ids, and with them the whole folder."""
    (tmp_path / f"{'x' * 250}.yaml").write_text("no: workflow")
    [dag_id] = dags(tmp_path)
    assert len(dag_id) == 250
