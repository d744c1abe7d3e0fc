"""Exported runs are what MLflow's own client reads, and what is imported again gives an equal record."""

import builtins
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from mlflow.entities import Run

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, NotFoundError, StorageError
from mistique_core.model.event import FrameEntity, StageEvent, StageKind, TransformerEntity
from mistique_core.model.fit_facts import FitFacts
from mistique_core.modeldb import RunRecorder, light_api
from mistique_core.modeldb.mlflow_export import export_mlflow
from mistique_core.modeldb.mlflow_import import import_mlflow
from tests.mlflow_files import file_client
from tests.unit.modeldb.light_api.conftest import LISTING
from tests.unit.modeldb.test_mlflow_import import make_run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Mistique]:
    with Mistique.open(tmp_path / "store") as store:
        yield store


@pytest.fixture(autouse=True)
def _allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


def record(store: Mistique) -> tuple[str, str]:
    """Record two fits with a curve and metrics on data, and a grid search of two cells with two folds each."""
    train = FrameEntity(100, (("age", "int64"), ("default", "bool")), "train", "credit.csv")
    test = FrameEntity(20, None, "test", "test.csv")
    facts = FitFacts("Booster", history={"loss": (3.0, 2.0, 1.5), "auc": {1: 0.5, 5: 0.625}})
    model = TransformerEntity(facts, filepath="booster.json")
    read = [
        StageEvent(StageKind.READ, frame.tag, "m:Read", "Read", frames={"": frame}, started_at=1.0, ended_at=2.0)
        for frame in (train, test)
    ]
    settings: dict[str, Any] = {"depth": 7, "rate": 1.0, "warm": True, "solver": "lbfgs"}
    settings |= {"weights": {"a": 1}, "no": None}
    fit = StageEvent(
        StageKind.FIT,
        "fit",
        "m:Fit",
        "Booster",
        inputs={"train": train},
        fitted={"model": model},
        hyperparameters=settings,
        started_at=2.0,
        ended_at=4.0,
    )
    scale = StageEvent(StageKind.FIT, "scale", "m:Fit", "Scale", hyperparameters={"warm": False, "odd=name": 1})
    measured = StageEvent(
        StageKind.METRIC,
        "evaluate",
        "m:Evaluate",
        "Evaluate",
        metrics={"auc": 0.75, "loss": 1.5, "f1@5": 0.25},
        metrics_of=model,
        metrics_on=test,
        started_at=4.0,
        ended_at=5.0,
    )
    search = StageEvent(StageKind.GRID_SEARCH, "search", "m:Search", "Search", inputs={"train": train})
    events = [*read, scale, fit, measured, search]
    for depth in (1, 2):
        cell = StageEvent(
            StageKind.CROSS_VALIDATION, "cell", "m:Cell", "Cell", hyperparameters={"depth": depth}, parent=search
        )
        events.append(cell)
        events += [
            StageEvent(StageKind.METRIC, "fold", "m:Fold", "Fold", metrics={"auc": depth + fold / 10}, parent=cell)
            for fold in (0, 1)
        ]
    run = RunRecorder(
        store.catalogue, "bank", "default", name="train.py", description="first", code_version="a1b2", started_at=1.0
    )
    run.record(events)
    run.finish(ended_at=6.0)
    return run.key.dag_id, run.key.run_id


def history(folder: Path, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in file_client(folder).get_metric_history(run_id, name)]


def children(folder: Path, parent: Run) -> list[Run]:
    found = file_client(folder).search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    return sorted(found, key=lambda run: run.info.run_name)


def test_the_client_reads_what_was_recorded(store: Mistique, tmp_path: Path) -> None:
    name, run_id = record(store)
    folder = tmp_path / "mlruns"
    exported = file_client(folder).get_run(export_mlflow(store, name, run_id, folder))
    assert file_client(folder).get_experiment(exported.info.experiment_id).name == "train.py"
    info = exported.info
    assert (info.run_name, info.status, info.start_time, info.end_time) == ("bank.default@1", "FINISHED", 1000, 6000)
    assert exported.data.params == {
        "depth": "7",
        "rate": "1.0",
        "fit.warm": "True",
        "scale.warm": "False",
        "solver": "lbfgs",
        "weights": '{"a": 1}',
        "no": "None",
        "odd_name": "1",
    }
    assert exported.data.metrics == {"auc": 0.75, "loss": 1.5, "f1_5": 0.25, "fit.auc by step": 0.625}
    assert history(folder, info.run_id, "loss") == [(0, 3.0), (1, 2.0), (2, 1.5)]
    assert history(folder, info.run_id, "fit.auc by step") == [(1, 0.5), (5, 0.625)]
    tags = exported.data.tags
    assert (tags["mlflow.note.content"], tags["mlflow.source.git.commit"]) == ("first", "a1b2")
    assert (tags["mistique.run"], tags["estimator_name"]) == (f"train.py/{run_id}", "Booster")
    inputs = {item.dataset.name: item for item in exported.inputs.dataset_inputs}
    assert json.loads(inputs["train"].dataset.profile) == {"num_rows": 100}
    assert json.loads(inputs["train"].dataset.schema)["mlflow_colspec"][1] == {"name": "default", "type": "bool"}
    assert {key: item.tags[0].value for key, item in inputs.items()} == {"train": "training", "test": "evaluation"}
    (point,) = file_client(folder).get_metric_history(info.run_id, "auc")
    assert (point.dataset_name, point.dataset_digest) == ("test", inputs["test"].dataset.digest)


def test_cells_and_folds_are_child_runs(store: Mistique, tmp_path: Path) -> None:
    name, run_id = record(store)
    folder = tmp_path / "mlruns"
    parent = file_client(folder).get_run(export_mlflow(store, name, run_id, folder))
    cells = children(folder, parent)
    assert [cell.data.params for cell in cells] == [{"depth": "1"}, {"depth": "2"}]
    folds = [[fold.data.metrics for fold in children(folder, cell)] for cell in cells]
    assert folds == [[{"auc": 1.0}, {"auc": 1.1}], [{"auc": 2.0}, {"auc": 2.1}]]


def facts_of(store: Mistique, run_id: str) -> dict[str, Any]:
    """Return everything that is recorded of a run of MLflow, by plain SQL, up to ids and what is named after them."""
    named = "JOIN value_name n ON n.id = x.name_id"
    of_stage = "JOIN model_version v ON v.id = s.model_version_id JOIN experiment_run r ON r.id = v.run_id"
    of_run = "JOIN experiment_run r ON r.id = x.run_id"
    on_data = "LEFT JOIN data_frame f ON f.id = x.data_frame_id"
    queries = {
        "run": "state, started_at, ended_at, error, author, description, code_version FROM experiment_run r",
        "stages": f"s.name, s.kind, s.label, s.state, s.facts FROM stage s {of_stage}",
        "settings": f"n.name, x.kind, x.value FROM hyperparameter x {named} {of_run}",
        "metrics": f"n.name, x.value, f.tag FROM metric x {named} {of_run} {on_data}",
        "curves": f"n.name, x.step, x.value FROM history x {named} JOIN stage s ON s.id = x.stage_id {of_stage}",
        "frames": f"x.tag, x.filepath, x.rows, x.schema_id, x.metadata FROM data_frame x {of_run}",
        "models": f"x.type_name, x.tag, x.filepath FROM transformer x {of_run}",
    }
    found: dict[str, Any] = {}
    with store.catalogue.read() as connection:
        for name, query in queries.items():
            rows = connection.execute(sa.text(f"SELECT {query} WHERE r.run_id = :run"), {"run": run_id})
            found[name] = sorted((tuple(row) for row in rows), key=repr)
        metadata = json.loads(
            connection.execute(
                sa.text("SELECT metadata FROM experiment_run WHERE run_id = :run"), {"run": run_id}
            ).scalar_one()
        )
    for key in ("digest", "experiment_id", "artifact_uri", "artifacts"):
        metadata["mlflow"].pop(key, None)
    tags = metadata["mlflow"]["tags"]
    metadata["mlflow"]["tags"] = {name: value for name, value in tags.items() if not name.startswith("mistique.")}
    return found | {"metadata": metadata}


def test_export_and_import_give_an_equal_record(store: Mistique, tmp_path: Path) -> None:
    """A run of MLflow's, imported, exported, and imported again."""
    first = make_run(tmp_path / "first")
    import_mlflow(store, tmp_path / "first")
    second = export_mlflow(store, "credit", first, tmp_path / "second")
    import_mlflow(store, tmp_path / "second")
    before, after = facts_of(store, first), facts_of(store, second)
    assert len(before["metrics"]) == 4
    assert before == after


def test_a_run_of_a_script_comes_back(store: Mistique, tmp_path: Path) -> None:
    """Values, curves and data frames of a run that MLflow has never seen."""
    name, run_id = record(store)
    exported = export_mlflow(store, name, run_id, tmp_path / "mlruns")
    import_mlflow(store, tmp_path / "mlruns")
    found = facts_of(store, exported)
    assert [(item, value) for item, value, _ in found["metrics"]] == [
        ("auc", 0.75),
        ("f1_5", 0.25),
        ("fit.auc by step", 0.625),
        ("loss", 1.5),
    ]
    assert ("auc", 0.75, "evaluation") in found["metrics"]
    assert [item[1:] for item in found["curves"] if item[0] == "loss"] == [(0, 3.0), (1, 2.0), (2, 1.5)]
    assert {item[0]: item[1] for item in found["settings"]}["rate"] == "double"
    assert sorted(item[1:3] for item in found["frames"]) == [("credit.csv", 100), ("test.csv", 20)]
    assert found["models"][0][0] == "Booster"
    assert found["models"][0][2] == "booster.json"


def test_a_light_run(store: Mistique, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(LISTING)
    done = light_api.import_file(store, file)
    exported = export_mlflow(store, done.name, done.run_id, tmp_path / "mlruns")
    run = file_client(tmp_path / "mlruns").get_run(exported)
    assert (run.data.params, run.data.metrics) == ({"11": "20"}, {"accuracy": 0.9})
    assert run.data.tags["estimator_name"] == "Normal distributions"
    assert {item.dataset.name for item in run.inputs.dataset_inputs} == {"train", "test"}


@pytest.mark.parametrize(
    ("name", "usable"),
    [("a/b", "a/b"), ("../../x", "_.._x"), ("/x", "_x"), ("a//b", "a__b"), (".", "_"), ("a\\b", "a_b"), ("ü 1", "ü 1")],
)
def test_names_that_mlflow_takes(store: Mistique, tmp_path: Path, name: str, usable: str) -> None:
    """None leads out of the folder; two that become the same get a number."""
    with RunRecorder(store.catalogue, "p", "m") as run:
        other = re.sub(r"[^\w.\-/ :]", "|", name) if name == "a\\b" else f"{name}="
        settings = {name: 1, other: 2}
        run.record([StageEvent(StageKind.FIT, "fit", "f", "f", hyperparameters=settings, metrics={name: math.inf})])
    folder = tmp_path / "deep" / "mlruns"
    exported = file_client(folder).get_run(export_mlflow(store, *_key(run), folder))
    assert exported.data.params[usable] in ("1", "2")
    assert sorted(exported.data.params.values()) == ["1", "2"]
    assert exported.data.metrics == {usable: math.inf}
    assert [item.name for item in (tmp_path / "deep").iterdir()] == ["mlruns"]


def _key(run: RunRecorder) -> tuple[str, str]:
    return run.key.dag_id, run.key.run_id


def test_refused(store: Mistique, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown runs, what MLflow refuses, and a missing MLflow; the environment stays as it was."""
    name, run_id = record(store)
    with pytest.raises(NotFoundError, match=r"there is no run 'x' of 'train\.py'"):
        export_mlflow(store, name, "x", tmp_path / "mlruns")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    export_mlflow(store, name, run_id, tmp_path / "mlruns")
    assert "MLFLOW_ALLOW_FILE_STORE" not in os.environ
    with RunRecorder(store.catalogue, "p", "m") as run:
        both = {"a": 1, "a/b": 2}  # a file and a folder of one name, which a file store cannot hold
        run.record([StageEvent(StageKind.FIT, "fit", "f", "f", hyperparameters=both)])
    with pytest.raises(StorageError, match="MLflow did not take the run"):
        export_mlflow(store, *_key(run), tmp_path / "other")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = file_client(tmp_path / "other")
    assert client.search_runs([item.experiment_id for item in client.search_experiments()]) == []
    importing = builtins.__import__

    def without_mlflow(module: str, *args: Any, **kwargs: Any) -> Any:
        if module.partition(".")[0] == "mlflow":
            raise ImportError("No module named 'mlflow'")
        return importing(module, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_mlflow)
    with pytest.raises(InvalidInputError, match="pip install mlflow-skinny"):
        export_mlflow(store, name, run_id, tmp_path / "mlruns")
