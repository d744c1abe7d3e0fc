"""What ModelDB says about runs of the example DAGs is what Airflow's REST API says, and what their files specify.

All of them run with ``make records``; otherwise one of each kind.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from sklearn import metrics

from mistique_core.modeldb.records import RunDetail, StageRecord
from mistique_core.modeldb.runs import find_run
from mistique_core.workflows.operator_names import OPERATORS
from tests.integration.airflow_site import MODELS, Site
from tests.integration.example_dags import BROKEN, CANCER, IMAGES, NETWORKS, RUNS, WORKFLOWS
from tests.integration.expected import ESTIMATORS

pytestmark = pytest.mark.airflow

FAILING = "zillow_p4_v3"


@dataclass(frozen=True)
class Seen:
    """A run as ModelDB has recorded it, and as the REST API tells it."""

    detail: RunDetail
    run: dict[str, Any]
    tasks: dict[str, dict[str, Any]]
    instances: dict[tuple[str, int], dict[str, Any]]
    url: str


@pytest.fixture(scope="module")
def seen(ended: Site) -> Callable[[str], Seen]:
    """Return a function that looks at the first run of a DAG."""

    @cache
    def look(dag_id: str) -> Seen:
        url = f"/dags/{dag_id}/dagRuns/{quote(ended.runs[dag_id][0], safe='')}"
        return Seen(
            recorded(ended, dag_id),
            ended.client.get(url),
            {item["task_id"]: item for item in ended.client.get(f"/dags/{dag_id}/tasks")["tasks"]},
            {(item["task_id"], item["map_index"]): item for item in task_instances(ended, url)},
            url,
        )

    return look


def recorded(site: Site, dag_id: str, place: int = 0) -> RunDetail:
    return site.recorded(dag_id, site.runs[dag_id][place])


def task_instances(site: Site, url: str) -> list[dict[str, Any]]:
    return list(site.client.get(f"{url}/taskInstances", limit=200)["task_instances"])


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def of_tasks(detail: RunDetail) -> dict[tuple[str, int], list[StageRecord]]:
    """Return (task, map index) -> the tries of its stage; of a network each layer is a stage of the task's."""
    found: dict[tuple[str, int], list[StageRecord]] = {}
    for item in detail.stages:
        if item.parent_id is None and not is_layer(item):
            found.setdefault((item.task_id or "", item.map_index), []).append(item)
    return found


def is_layer(item: StageRecord) -> bool:
    return "_epoch" in item.version.model


@pytest.mark.parametrize("dag_id", RUNS)
def test_the_run_itself(seen: Callable[[str], Seen], ended: Site, dag_id: str) -> None:
    """State, times, kind, version, params, and how many stages there were."""
    found = seen(dag_id)
    run, real = found.detail.run, found.run
    assert (run.source, run.state, run.run_type) == ("airflow", real["state"], real["run_type"])
    assert run.started_at == pytest.approx(seconds(real["start_date"]), abs=1e-3)
    assert run.ended_at == pytest.approx(seconds(real["end_date"]), abs=1e-3)
    assert run.dag_version == str(real["dag_versions"][-1]["version_number"])
    assert run.conf == real["conf"] == RUNS[dag_id]
    defaults = {name: param["value"] for name, param in ended.client.get(f"/dags/{dag_id}/details")["params"].items()}
    assert run.params == {**defaults, **RUNS[dag_id]}
    last = [item for item in found.detail.stages if item.is_last_try and item.parent_id is None]
    assert (run.stages, run.reused) == (len(last), sum(item.is_reused for item in last))
    assert run.error is None


@pytest.mark.parametrize("dag_id", RUNS)
def test_every_task_is_there_with_its_tries(seen: Callable[[str], Seen], ended: Site, dag_id: str) -> None:
    """A stage for each try of each task, mapped ones each, in Airflow's state and within its times; none for others."""
    found = seen(dag_id)
    stages = of_tasks(found.detail)
    instances = {key: item for key, item in found.instances.items() if key[0] != "capture"}
    for (task_id, map_index), instance in instances.items():
        tries = stages.get((task_id, map_index), [])
        if instance["state"] == "skipped":
            assert [item.state for item in tries] == ["skipped"] * instance["try_number"], task_id
            assert all(item.error for item in tries)
            continue
        assert len(tries) == instance["try_number"], task_id
        mapped = "" if map_index < 0 else f"/{map_index}"
        real = ended.client.get(f"{found.url}/taskInstances/{task_id}{mapped}/tries")["task_instances"]
        for item, one in zip(tries, sorted(real, key=lambda one: one["try_number"]), strict=True):
            assert item.try_number == one["try_number"]
            assert item.state == ("success" if one["state"] == "success" else "failed"), (task_id, one["state"])
            assert seconds(one["start_date"]) <= item.started_at
            assert item.started_at <= (item.ended_at or 0.0) <= seconds(one["end_date"])
            if not item.is_reused:
                assert (item.work_seconds or 0.0) <= (item.wall_seconds or 0.0), item.name
    assert stages.keys() <= instances.keys()


@pytest.mark.parametrize("dag_id", RUNS)
def test_lineage_follows_the_tasks(seen: Callable[[str], Seen], dag_id: str) -> None:
    """What a stage took was made by a task that Airflow runs before it."""
    found = seen(dag_id)
    upstream: dict[str, set[str]] = {name: set() for name in found.tasks}
    for name, item in found.tasks.items():
        for after in item["downstream_task_ids"]:
            upstream[after].add(name)
    makers = {output.label: item.task_id for item in found.detail.stages for output in item.outputs}
    makers |= {
        f"{item.version}.{item.name}.{fitted.name}": item.task_id
        for item in found.detail.stages
        for fitted in item.fitted
    }
    looked_at = 0
    for item in found.detail.stages:
        if is_layer(item):
            continue
        for taken in item.inputs:
            assert makers[taken.label] in upstream[item.task_id or ""], (item.name, taken)
            looked_at += 1
    assert looked_at > 0 or dag_id in NETWORKS


@pytest.mark.parametrize("dag_id", [*WORKFLOWS, *CANCER])
def test_outputs_are_what_the_tasks_returned(seen: Callable[[str], Seen], ended: Site, dag_id: str) -> None:
    """Their names and numbers of rows are those of the references in XCom; their shapes those of what is stored."""
    found = seen(dag_id)
    with ended.store() as store:
        for (task_id, _), tries in of_tasks(found.detail).items():
            item = tries[-1]
            value = ended.client.task_result(dag_id, ended.runs[dag_id][0], task_id)
            returned = references(value)
            assert {output.label: output.rows for output in item.outputs} == {
                f"{ref['project']}.{ref['model']}@{ref['version']}.{ref['intermediate']}": ref["rows"]
                for ref in returned
                if ref["mistique_ref"] == "intermediate"
            }
            if "mistique_ref" not in value and all(isinstance(part, float) for part in value.values()):
                assert item.metrics == value
            for output in item.outputs:
                frame = store.get_intermediates(output.label, strategy="read").to_pandas()
                assert frame.shape == (output.rows, output.columns), output.label


def references(value: Any) -> list[dict[str, Any]]:
    if "mistique_ref" in value:
        return [value]
    return [part for part in value.values() if isinstance(part, dict)]


@pytest.mark.parametrize("dag_id", [*WORKFLOWS, *CANCER])
def test_a_stage_that_was_taken_over_names_the_one_that_ran(
    seen: Callable[[str], Seen], ended: Site, dag_id: str
) -> None:
    """Reused is what the task's log calls reused; its origin ran before, in a run that Airflow knows, and is equal."""
    for (task_id, _), tries in of_tasks(seen(dag_id).detail).items():
        item = tries[-1]
        log = ended.log(dag_id, ended.runs[dag_id][0], task_id)
        assert (
            item.is_reused == any(": REUSED in" in line for line in log) != any(": EXECUTED in" in line for line in log)
        )
        if not item.is_reused:
            assert item.origin is None
            continue
        assert item.origin is not None
        ended.client.get(f"/dags/{item.origin.dag_id}/dagRuns/{quote(item.origin.run_id, safe='')}")
        with ended.store() as store, store.catalogue.read() as connection:
            detail = find_run(connection, item.origin.dag_id, item.origin.run_id)
        assert detail is not None
        (origin,) = [one for one in detail.stages if f"{one.version}.{one.name}" == item.origin.label]
        assert (origin.state, origin.is_reused) == ("success", False)
        assert (origin.ended_at or np.inf) <= (item.ended_at or 0.0)
        assert (origin.operator, origin.params, origin.label) == (item.operator, item.params, item.label)
        assert [(one.rows, one.columns, one.logical_bytes) for one in origin.outputs] == [
            (one.rows, one.columns, one.logical_bytes) for one in item.outputs
        ]
        assert (origin.metrics, origin.hyperparameters) == (item.metrics, item.hyperparameters)
        assert sum(one.stored_bytes for one in item.outputs) == 0


@pytest.mark.parametrize("dag_id", WORKFLOWS)
def test_stages_are_those_of_the_file(seen: Callable[[str], Seen], dag_id: str) -> None:
    """Operator, parameters, and the very inputs, with the variation's values in their places."""
    found, workflow = seen(dag_id), WORKFLOWS[dag_id]
    stages = {item.name: item for item in found.detail.stages}
    (version,) = found.detail.run.versions
    assert (version.project, version.model) == (workflow.project, workflow.model)
    assert found.detail.run.params == workflow.parameters
    specified = workflow.stages
    assert stages.keys() == specified.keys() == found.tasks.keys()
    for name, stage in specified.items():
        item, entry = stages[name], OPERATORS[stage["operator"]]
        implementation = entry.stage_class()
        instance = found.instances[name, -1]
        assert instance["operator_name"] == stage["operator"]
        assert instance["rendered_fields"]["stage_params"] == stage.get("params", {}), name
        assert item.operator == f"{implementation.__module__}:{implementation.__qualname__}"
        assert item.version == version
        given = {**entry.fixed, **stage.get("params", {})}
        assert {key: item.params[key] for key in given} == given, name
        for key in item.params.keys() - given.keys():
            default = inspect.signature(implementation).parameters[key].default
            assert default is None or item.params[key] == json.loads(json.dumps(default)), (name, key)
        inputs = stage.get("inputs", {})
        if isinstance(inputs, str):
            (taken,) = item.inputs
            assert taken.label == label_of(version, inputs, specified)
        else:
            assert {taken.name: taken.label for taken in item.inputs} == {
                key: label_of(version, reference, specified) for key, reference in inputs.items()
            }


def label_of(version: Any, reference: str, stages: dict[str, dict[str, Any]]) -> str:
    """Return what ModelDB calls the output of a stage that a file refers to, such as ``split.train``."""
    name, _, output = reference.partition(".")
    if stages[name]["operator"].startswith(("Train", "Fit")) and stages[name]["operator"] != "TrainTestSplit":
        return f"{version}.{name}.model"
    return f"{version}.{name}_{output}" if output else f"{version}.{name}"


@pytest.mark.parametrize("dag_id", WORKFLOWS)
def test_hyperparameters_are_those_of_the_estimator(seen: Callable[[str], Seen], dag_id: str) -> None:
    """All that the library's own estimator has after it was given what stands in the file; no other stage has any."""
    found, fits = seen(dag_id), 0
    for item in found.detail.stages:
        path = item.params.get("estimator") or item.params.get("transformer")
        if path is None:
            assert item.hyperparameters == {}, item.name
            continue
        module, _, name = path.rpartition(".")
        given = WORKFLOWS[dag_id].stages[item.name]["params"]
        estimator = getattr(importlib.import_module(module), name)(**given.get("params", {}))
        assert as_text(item.hyperparameters) == as_text(estimator.get_params())
        assert item.label == name
        made = "sklearn.pipeline.Pipeline" if given.get("normalize") else f"{type(estimator).__module__}.{name}"
        assert [fitted.type_name for fitted in item.fitted] == [made]
        fits += 1
    assert fits > 0
    uses = Counter(name for item in found.detail.stages for name in item.hyperparameters)
    assert found.detail.run.hyperparameters == {
        name if uses[name] == 1 else f"{item.name}.{name}": value
        for item in found.detail.stages
        for name, value in item.hyperparameters.items()
    }


def as_text(values: dict[str, Any]) -> dict[str, str]:
    """Not a number and infinity have no JSON and are recorded by their text."""
    return {name: str(value) for name, value in values.items()}


@pytest.mark.parametrize("dag_id", WORKFLOWS)
def test_metrics_are_those_of_the_predictions(seen: Callable[[str], Seen], ended: Site, dag_id: str) -> None:
    """Computed again from the stored predictions."""
    run = seen(dag_id).detail.run
    workflow = WORKFLOWS[dag_id]
    name, wanted = workflow.stages["scores"]["inputs"], workflow.stages["scores"]["params"]
    with ended.store() as store:
        frame = store.get_intermediates(f"{run.versions[0]}.{name}", strategy="read").to_pandas()
    truth = frame[wanted["label"]]
    error = truth - frame["prediction"]
    again = {
        "mean_absolute_error": lambda: np.abs(error).mean(),
        "root_mean_squared_error": lambda: np.sqrt((error**2).mean()),
        "accuracy": lambda: (error == 0).mean(),
        "roc_auc": lambda: metrics.roc_auc_score(truth, frame["probability_1"]),
    }
    assert run.metrics == pytest.approx({metric: again[metric]() for metric in wanted["metrics"]}, rel=1e-12)


CANCER_INPUTS = {
    "read": {},
    "split": {"read"},
    "imputed": {"split_train", "split_test"},
    "scaled": {"imputed_train", "imputed_test"},
    "selected": {"scaled_train", "scaled_test"},
    "fit": {"selected_train"},
    "predictions": {"fit.model", "selected_test"},
    "evaluate": {"predictions"},
}


@pytest.mark.parametrize("model", MODELS)
def test_the_cancer_pipelines(seen: Callable[[str], Seen], model: str) -> None:
    """Their lineage and hyperparameters, as their Python files say; the metrics are in `test_pipelines.py`."""
    detail = seen(f"cancer_{model}").detail
    (version,) = detail.run.versions
    stages = {item.name: item for item in detail.stages}
    assert {name: {taken.label for taken in item.inputs} for name, item in stages.items()} == {
        name: {f"{version}.{label}" for label in labels} for name, labels in CANCER_INPUTS.items()
    }
    estimator = ESTIMATORS[model]()
    assert as_text(stages["fit"].hyperparameters) == as_text(estimator.get_params())
    assert [fitted.type_name.rpartition(".")[2] for fitted in stages["fit"].fitted] == [type(estimator).__name__]


@pytest.mark.parametrize("dag_id", NETWORKS)
def test_a_training(seen: Callable[[str], Seen], ended: Site, dag_id: str) -> None:
    """Its settings, its layers and their weights; its metrics are those of its history and of the stored logits."""
    detail, network = seen(dag_id).detail, NETWORKS[dag_id]
    train = next(item for item in detail.stages if item.name == "train")
    settings = train.hyperparameters
    assert (settings["epochs"], settings["optimizer"]) == (network.epochs, network.optimizer)
    assert [(item.type_name, item.bytes) for item in train.fitted] == [("Functional", None)]
    layers = settings["architecture"][1:]
    assert [(item["name"], item["type"], item["shape"][-1]) for item in layers] == [*network.layers]
    before = 3
    for place, (item, (_, kind, units)) in enumerate(zip(layers, network.layers, strict=True)):
        taps = {"Conv2D": 9 * before + 1, "Dense": before + 1}.get(kind, 0)
        assert item["weights"] == taps * units, item
        assert item["trainable"] == (place >= network.frozen) or not taps, item
        before = units
    last = f"cifar10.{network.model}_epoch{network.epochs:02d}@1.logits"
    with ended.store() as store:
        curve = store.get_intermediates(f"cifar10.{network.model}@1.train_history", strategy="read").to_pandas()
        labels = store.get_intermediates(f"cifar10.{network.model}@1.labels", strategy="read").to_pandas()["label"]
        found = store.get_intermediates(last, strategy="read")
    assert train.metrics == curve.iloc[-1].to_dict()
    logits = found.to_pandas()
    validated = logits.index[-IMAGES // 5 :]
    values, truth = logits.loc[validated].to_numpy(np.float64), labels.loc[validated].to_numpy()
    assert train.metrics["val_accuracy"] == pytest.approx((values.argmax(axis=1) == truth).mean())
    loss = np.log(np.exp(values).sum(axis=1)) - values[np.arange(len(values)), truth]
    assert train.metrics["val_loss"] == pytest.approx(loss.mean(), rel=1e-3)


@pytest.mark.parametrize("dag_id", NETWORKS)
def test_layers(seen: Callable[[str], Seen], dag_id: str) -> None:
    """Each checkpoint is a model; each layer takes what the one before gave, and ran while its task did."""
    found, network = seen(dag_id), NETWORKS[dag_id]
    models = [f"{network.model}_epoch{epoch:02d}" for epoch in range(1, network.epochs + 1)]
    assert {str(label) for label in found.detail.run.versions} == {
        f"cifar10.{model}@1" for model in (network.model, *models)
    }
    assert [frame.label for frame in found.detail.frames] == [f"cifar10.{model}@1.images" for model in models]
    for epoch, model in enumerate(models):
        layers = [item for item in found.detail.stages if item.version.model == model]
        assert [(item.name, item.label, item.outputs[0].columns) for item in layers] == [*network.layers]
        names = ["images", *(name for name, *_ in network.layers)]
        assert [[taken.label for taken in item.inputs] for item in layers] == [
            [f"cifar10.{model}@1.{name}"] for name in names[:-1]
        ]
        assert [item.is_reused for item in layers] == [
            bool(epoch) and place < network.frozen for place in range(len(layers))
        ]
        instance = found.instances[network.capture, -1 if network.capture == "train" else epoch]
        for item in layers:
            assert (item.task_id, item.state, item.try_number) == (network.capture, "success", 1)
            assert item.outputs[0].rows == IMAGES
            assert seconds(instance["start_date"]) <= item.started_at <= (item.ended_at or 0.0)
            assert (item.ended_at or np.inf) <= seconds(instance["end_date"])


def test_a_run_that_fails(ended: Site) -> None:
    """Of too few homes a column has no value: what ran is there, what failed says why, the rest is not there."""
    assert ended.run({FAILING: {"rows": 2_000}}) == {FAILING: "failed"}
    detail = recorded(ended, FAILING, -1)
    url = f"/dags/{FAILING}/dagRuns/{quote(ended.runs[FAILING][-1], safe='')}"
    real = ended.client.get(url)
    assert (detail.run.state, detail.run.conf) == ("failed", {"rows": 2_000})
    assert detail.run.error
    assert detail.run.ended_at == pytest.approx(seconds(real["end_date"]), abs=1e-3)
    assert detail.run.metrics == {}
    states = {item["task_id"]: item["state"] for item in task_instances(ended, url)}
    assert set(states.values()) == {"success", "failed", "upstream_failed"}
    assert {item.task_id: item.state for item in detail.stages} == {
        task_id: state for task_id, state in states.items() if state != "upstream_failed"
    }
    (failed,) = [item for item in detail.stages if item.state == "failed"]
    assert failed.error
    assert failed.error.rpartition(": ")[2] in "".join(ended.log(FAILING, real["dag_run_id"], failed.name))
    assert failed.outputs == failed.fitted == ()


def test_a_cleared_task_is_a_further_try(ended: Site, seen: Callable[[str], Seen]) -> None:
    """Clearing runs a mapped task again: its earlier try stays, and the run counts the last one."""
    before, run_id, url = seen(BROKEN).detail, ended.runs[BROKEN][0], seen(BROKEN).url
    body = {"dag_run_id": run_id, "task_ids": ["times"], "dry_run": False, "only_failed": False, "reset_dag_runs": True}
    ended.client.post(f"/dags/{BROKEN}/clearTaskInstances", body)
    states = ended.client.wait({BROKEN: run_id}, lambda *_: None)
    assert states == {BROKEN: "success"}
    after = recorded(ended, BROKEN)
    assert after.run.id == before.run.id
    assert after.run.stages == before.run.stages
    tries = [item for item in after.stages if item.task_id == "times"]
    assert sorted((item.map_index, item.try_number) for item in tries) == [
        (index, number) for index in range(3) for number in (1, 2)
    ]
    assert [item.is_last_try for item in sorted(tries, key=lambda item: item.try_number)] == [False] * 3 + [True] * 3
    real = {item["map_index"]: item for item in task_instances(ended, url) if item["task_id"] == "times"}
    assert {index: item["try_number"] for index, item in real.items()} == {0: 2, 1: 2, 2: 2}
