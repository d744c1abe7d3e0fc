"""What ModelDB says about runs of the example DAGs is what Airflow's REST API says, and what their files specify."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import yaml

from mistique_core.modeldb.records import RunDetail, StageRecord
from mistique_core.modeldb.runs import find_run
from tests.integration.airflow_site import ROOT, Site

pytestmark = pytest.mark.airflow

RUNS: dict[str, dict[str, Any]] = {
    "zillow_p5_v2": {"rows": 3_000},
    "cifar10_cnn": {"rows": 40, "epochs": 1, "every": 1},
    "broken_eventful": {},
}
ZILLOW = {"zillow_p5_v2": ("p5", "v2")}


@pytest.fixture(scope="module")
def ended(site: Site) -> Site:
    """The site after each DAG has run once."""
    site.client.wait_for_dags(list(RUNS), seconds=180)
    for dag_id, conf in RUNS.items():
        assert site.run({dag_id: conf}) == {dag_id: "success"}
    return site


def recorded(site: Site, dag_id: str) -> RunDetail:
    with site.store() as store, store.catalogue.read() as connection:
        found = find_run(connection, dag_id, site.runs[dag_id][-1])
    assert found is not None
    return found


def task_instances(site: Site, dag_id: str) -> list[dict[str, Any]]:
    run_id = quote(site.runs[dag_id][-1], safe="")
    answer = site.client.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=200)
    return list(answer["task_instances"])


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize("dag_id", RUNS)
def test_the_run_itself(ended: Site, dag_id: str) -> None:
    """State, times, kind, version and params."""
    run = recorded(ended, dag_id).run
    real = ended.client.get(f"/dags/{dag_id}/dagRuns/{quote(run.run_id, safe='')}")
    assert (run.source, run.state, run.run_type) == ("airflow", real["state"], real["run_type"])
    assert run.started_at == pytest.approx(seconds(real["start_date"]), abs=1e-3)
    assert run.ended_at == pytest.approx(seconds(real["end_date"]), abs=1.0)
    assert run.dag_version == str(real["dag_versions"][-1]["version_number"])
    assert run.conf == real["conf"] == RUNS[dag_id]
    assert RUNS[dag_id].items() <= run.params.items()


@pytest.mark.parametrize("dag_id", RUNS)
def test_every_task_is_there_with_its_tries(ended: Site, dag_id: str) -> None:
    """A stage for each task that ran, mapped ones each, in the state that Airflow gives it; none for skipped tasks."""
    stages: dict[tuple[str, int], list[StageRecord]] = {}
    for item in recorded(ended, dag_id).stages:
        if item.parent_id is None:
            stages.setdefault((item.task_id or "", item.map_index), []).append(item)
    instances = {(item["task_id"], item["map_index"]): item for item in task_instances(ended, dag_id)}
    for key, instance in instances.items():
        if dag_id == "cifar10_cnn" and key[0] == "capture":
            continue  # of a network each layer is a stage; see below
        tries = stages.get(key, [])
        if instance["state"] == "skipped":
            assert all(item.state == "failed" and "Skip" in (item.error or "") for item in tries)
            continue
        assert len(tries) == instance["try_number"], key
        assert [item.try_number for item in tries] == list(range(1, len(tries) + 1))
        assert tries[-1].state == instance["state"]
        assert all(item.state == "failed" for item in tries[:-1])
    layers = {key for key in stages if key[0] == "capture"}
    assert {key for key in stages if key not in layers} <= instances.keys()


@pytest.mark.parametrize("dag_id", RUNS)
def test_lineage_follows_the_tasks(ended: Site, dag_id: str) -> None:
    """What a stage took was made by a task that Airflow runs before it."""
    tasks = {item["task_id"]: item for item in ended.client.get(f"/dags/{dag_id}/tasks")["tasks"]}
    upstream: dict[str, set[str]] = {name: set() for name in tasks}
    for name, item in tasks.items():
        for after in item["downstream_task_ids"]:
            upstream[after].add(name)
    detail = recorded(ended, dag_id)
    makers = {output.label: item.task_id for item in detail.stages for output in item.outputs}
    makers |= {
        f"{item.version}.{item.name}.{fitted.name}": item.task_id for item in detail.stages for fitted in item.fitted
    }
    looked_at = 0
    for item in detail.stages:
        if item.task_id == "capture":
            continue
        for taken in item.inputs:
            assert makers[taken.label] in upstream[item.task_id or ""], (item.name, taken)
            looked_at += 1
    assert looked_at > 0 or dag_id == "cifar10_cnn"


@pytest.mark.parametrize("dag_id", ZILLOW)
def test_operators_and_hyperparameters_are_those_of_the_file(ended: Site, dag_id: str) -> None:
    """Each stage's operator and parameters, with the variation's values in their places."""
    template, variation = ZILLOW[dag_id]
    document = yaml.safe_load((ROOT / "dags" / "zillow" / f"{template}.yaml").read_text())
    values = {**document["parameters"], **document["variations"][variation], **RUNS[dag_id]}
    stages = {item.name: item for item in recorded(ended, dag_id).stages}
    assert stages.keys() == document["stages"].keys()
    fits = 0
    for name, specified in document["stages"].items():
        item = stages[name]
        if "estimator" in item.params:
            wanted = {
                key: values[value[2:-1]] if isinstance(value, str) and value.startswith("${") else value
                for key, value in specified["params"]["params"].items()
            }
            assert item.params["params"] == wanted
            assert wanted.items() <= item.hyperparameters.items()
            assert item.fitted[0].type_name.rpartition(".")[2] == item.label
            fits += 1
    assert fits > 0


@pytest.mark.parametrize("dag_id", ZILLOW)
def test_metrics_are_those_of_the_predictions(ended: Site, dag_id: str) -> None:
    """Computed again from the stored predictions."""
    template, variation = ZILLOW[dag_id]
    run = recorded(ended, dag_id).run
    with ended.store() as store:
        frame = store.get_intermediates(
            f"zillow.{template}_{variation}@1.predictions_valid", strategy="read"
        ).to_pandas()
    error = frame["logerror"] - frame["prediction"]
    assert run.metrics["mean_absolute_error"] == pytest.approx(np.abs(error).mean(), rel=1e-12)
    assert run.metrics["root_mean_squared_error"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-12)


def test_a_network_and_its_training(ended: Site) -> None:
    """The training's settings and last metrics are those of its history; each checkpoint is a model of its own."""
    detail = recorded(ended, "cifar10_cnn")
    train = next(item for item in detail.stages if item.name == "train")
    assert (train.hyperparameters["epochs"], train.hyperparameters["optimizer"]) == (1, "RMSprop")
    assert [(item.type_name, item.bytes) for item in train.fitted] == [("Functional", None)]
    with ended.store() as store:
        curve = store.get_intermediates("cifar10.cnn@1.train_history", strategy="read").to_pandas()
    for name, value in train.metrics.items():
        assert value == curve[name].iloc[-1]
    assert {str(label) for label in detail.run.versions} == {
        "cifar10.cnn@1",
        "cifar10.cnn_epoch01@1",
    }


def test_a_cleared_task_is_a_further_try(ended: Site) -> None:
    """Clearing runs a mapped task again: its earlier try stays, and the run counts the last one."""
    dag_id = "broken_eventful"
    run_id = ended.runs[dag_id][-1]
    before = recorded(ended, dag_id)
    body = {"dag_run_id": run_id, "task_ids": ["times"], "dry_run": False, "only_failed": False, "reset_dag_runs": True}
    ended.client.post(f"/dags/{dag_id}/clearTaskInstances", body)
    states = ended.client.wait({dag_id: run_id}, lambda *_: None)
    assert states == {dag_id: "success"}
    after = recorded(ended, dag_id)
    assert after.run.id == before.run.id
    assert after.run.stages == before.run.stages
    tries = [item for item in after.stages if item.task_id == "times"]
    assert sorted((item.map_index, item.try_number) for item in tries) == [
        (index, number) for index in range(3) for number in (1, 2)
    ]
    assert [item.is_last_try for item in sorted(tries, key=lambda item: item.try_number)] == [False] * 3 + [True] * 3
    real = {item["map_index"]: item for item in task_instances(ended, dag_id) if item["task_id"] == "times"}
    assert {index: item["try_number"] for index, item in real.items()} == {0: 2, 1: 2, 2: 2}
