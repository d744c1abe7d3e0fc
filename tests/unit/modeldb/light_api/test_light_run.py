"""Runs that a program tells about are rows that plain SQL finds, each metric with the dataset that it names."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, MistiqueError
from mistique_core.modeldb import light_api
from mistique_core.modeldb.light_api import Dataset, LightFileError, Metric, Model, ModelConfig, ModelMetrics
from mistique_core.modeldb.runs import find_run

MEASURED = """
SELECT t.tag AS model, f.tag AS data, n.name, m.value FROM metric m
JOIN value_name n ON n.id = m.name_id JOIN transformer t ON t.id = m.transformer_id
LEFT JOIN data_frame f ON f.id = m.data_frame_id ORDER BY m.stage_id, n.name
"""


def table(store: Mistique, query: str) -> list[list[object]]:
    with store.catalogue.read() as connection:
        return [list(row) for row in connection.execute(sa.text(query))]


def test_the_sample_of_the_original(store: Mistique) -> None:
    """Two models of one run, fitted on one dataset and measured on another (BasicWorkflow.py)."""
    first, second = Model("NN", "one", "/path/to/model1"), Model("NN", "two", "/path/to/model2")
    with light_api.start("gensim test", "nets", store=store, description="light", code_version="A1B2C3") as run:
        run.sync_datasets({"train": Dataset("/path/to/train"), "test": Dataset("/path/to/test", {"NUM_ROWS": 7})})
        run.sync_model("train", ModelConfig("NN", {"l1": 10}), first)
        run.sync_metrics("test", first, ModelMetrics({"accuracy": 0.8}))
        run.sync_model("train", {"l1": 20}, second)
        run.sync_metrics("test", second, {"accuracy": 0.9})
        run.sync_metrics(None, second, {"size": 3})
    assert run.label == "gensim test.nets@1"
    assert table(store, MEASURED) == [
        ["one", "test", "accuracy", 0.8],
        ["two", "test", "accuracy", 0.9],
        ["two", None, "size", 3.0],
    ]
    assert table(store, "SELECT tag, filepath, rows FROM data_frame ORDER BY id") == [
        ["train", "/path/to/train", None],
        ["test", "/path/to/test", 7],
    ]
    fits = "SELECT s.name, f.tag FROM stage s JOIN stage_input i ON i.stage_id = s.id JOIN data_frame f ON f.id = "
    assert table(store, f"{fits} i.data_frame_id WHERE s.kind = 'fit' ORDER BY s.id") == [
        ["one", "train"],
        ["two", "train"],
    ]
    heads = "SELECT source, state, description, code_version FROM experiment_run"
    assert table(store, heads) == [["light", "success", "light", "A1B2C3"]]
    with store.catalogue.read() as connection:
        detail = find_run(connection, *run.key)
    assert detail is not None
    assert detail.run.hyperparameters == {"one.l1": 10, "two.l1": 20}


def test_the_model_names_the_run(store: Mistique) -> None:
    """Without a model the run begins with the first one; a name that keys cannot hold is changed."""
    with light_api.start("p", store=store) as run:
        with pytest.raises(InvalidInputError, match="begins with its first model"):
            run.key  # noqa: B018
        run.sync_datasets(Dataset("a.csv", {"COLUMNS": {"x": "int64"}}))
        assert table(store, "SELECT * FROM experiment_run") == []
        run.sync_model("default", {}, Model("t", "v1.2 *best*"))
    assert run.label == "p.v1_2 _best_@1"
    assert table(store, "SELECT tag FROM transformer") == [["v1.2 *best*"]]
    assert table(store, "SELECT name FROM stage ORDER BY id") == [["default"], ["v1.2 *best*"]]
    with light_api.start("p", store=store) as run:
        run.sync_datasets(Dataset("a.csv"))
    assert run.label == "p.light@1"
    with light_api.start("p", store=store):
        pass
    assert len(table(store, "SELECT * FROM experiment_run")) == 2


def test_a_model_with_its_metrics(store: Mistique) -> None:
    model = Model("t", "m", metrics=(Metric("auc", 0.5), Metric("auc", 0.75, "test")), metadata={"owner": "bob"})
    with light_api.start("p", "m", store=store) as run:
        run.sync_datasets([Dataset("a", tag="train"), Dataset("b", tag="test")])
        run.sync_datasets([Dataset("b", tag="test")])
        run.sync_model("train", {"depth": 3}, model)
    assert table(store, MEASURED) == [["m", "train", "auc", 0.5], ["m", "test", "auc", 0.75]]
    assert len(table(store, "SELECT * FROM data_frame")) == 2
    assert light_api.to_document(store, *run.key)["MODEL"] == {
        "NAME": "m",
        "TYPE": "t",
        "TAG": "train",
        "CONFIG": {"depth": 3},
        "METRICS": [{"TYPE": "auc", "VALUE": 0.5}, {"TYPE": "auc", "VALUE": 0.75, "TAG": "test"}],
        "owner": "bob",
    }


def test_sync_all_into_a_run(store: Mistique, listing: Path) -> None:
    """Files go into the run that is open; what is refused leaves nothing, and the same dataset is one."""
    with light_api.start("p", store=store) as run:
        (model,) = run.sync_all(listing)
        run.sync_metrics("test", model, {"accuracy": 0.7})
        bad = listing.with_name("bad.yaml")
        bad.write_text(listing.read_text().replace("test_file", "new_file").replace("TAG: test", "TAG: train"))
        with pytest.raises(LightFileError, match="is tagged 'train' too"):
            run.sync_all(bad)
        bad.write_text(listing.read_text().replace("test_file", "new_file"))
        with pytest.raises(InvalidInputError, match="tag 'test' names '/path/to/test_file"):
            run.sync_all(bad)
        run.sync_all(listing)
    assert table(store, MEASURED) == [
        ["Sample Model", "train", "accuracy", 0.9],
        ["Sample Model", "test", "accuracy", 0.7],
        ["Sample Model", "train", "accuracy", 0.9],
    ]
    assert len(table(store, "SELECT * FROM data_frame")) == 2


def test_what_is_refused(store: Mistique) -> None:
    model = Model("t", "m")
    with light_api.start("p", "m", store=store) as run:
        with pytest.raises(InvalidInputError, match="tagged 'train'; call sync_datasets before"):
            run.sync_model("train", {}, model)
        with pytest.raises(InvalidInputError, match="'m' is not recorded"):
            run.sync_metrics(None, model, {"a": 1})
        with pytest.raises(InvalidInputError, match="'b' has no tag"):
            run.sync_datasets([Dataset("a", tag="x"), Dataset("b")])
        run.sync_datasets([Dataset("a", tag="train")])
        run.sync_model("train", {}, model)
        with pytest.raises(InvalidInputError, match="did you mean 'train'"):
            run.sync_metrics("trian", model, {"a": 1})
        with pytest.raises(InvalidInputError, match="metric 'a' is '1'; give a finite number"):
            run.sync_metrics("train", model, {"a": "1"})  # type: ignore[dict-item]
        with pytest.raises(InvalidInputError, match="depth is nan"):
            run.sync_model("train", {"depth": float("nan")}, Model("t", "n"))
    assert table(store, "SELECT name FROM stage ORDER BY id") == [["train"], ["m"]]
    with pytest.raises(MistiqueError, match="separate the parts of a key"):
        light_api.start("a.b", "m", store=store)


def test_a_run_opens_and_closes_a_store(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), light_api.start("p", "m", store=tmp_path / "new"):
        raise ZeroDivisionError("no")
    with Mistique.open(tmp_path / "new") as store:
        assert table(store, "SELECT state, error FROM experiment_run") == [["failed", "ZeroDivisionError: no"]]


def test_a_file_is_imported_once(store: Mistique, listing: Path) -> None:
    """The same again changes nothing; another project, or another value, is another run."""
    first = light_api.import_file(store, listing)
    again = light_api.import_file(store, listing)
    assert (first.is_new, again.is_new) == (True, False)
    assert (again.version, again.run_id) == (first.version, first.run_id)
    assert str(light_api.import_file(store, listing, project="q", model="m").version) == "q.m@1"
    listing.write_text(listing.read_text().replace("0.9", "0.95"))
    assert str(light_api.import_file(store, listing).version) == "light_api.Sample Model@2"
    assert len(table(store, "SELECT * FROM experiment_run")) == 3


def test_nothing_is_half_imported(store: Mistique, listing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("mistique_core.catalogue.events.metric_rows", fail)
    with pytest.raises(OSError, match="the disk is full"):
        light_api.import_file(store, listing)
    for name in ("experiment_run", "stage", "data_frame", "project"):
        assert table(store, f"SELECT * FROM {name}") == []
