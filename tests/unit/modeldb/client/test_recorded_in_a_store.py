"""A script's record in a store, looked at with plain SQL."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

from mistique_core import Mistique
from mistique_core.catalogue import Catalogue
from mistique_core.errors import CatalogueUnavailableError, InvalidInputError, NotFoundError
from mistique_core.modeldb import ModelDB, RunRecorder, Syncer, autolog
from mistique_core.modeldb.client.autolog import trace
from mistique_core.modeldb.sync import Existing, annotate


def table(store: Mistique, query: str) -> pd.DataFrame:
    with store.catalogue.read() as connection:
        return pd.read_sql(sa.text(query), connection)


def script() -> float:
    data = load_breast_cancer(as_frame=True).frame
    X_train, X_test, y_train, y_test = train_test_split(data.drop(columns="target"), data["target"], random_state=0)
    model = LogisticRegression(max_iter=5_000).fit(X_train, y_train)
    return float(accuracy_score(y_test, model.predict(X_test)))


def test_a_run_and_its_stages(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        with autolog("cancer", "logistic", store=store, experiment="first", description="a try") as run:
            accuracy = script()
            run.flush()
            assert table(store, "SELECT state FROM experiment_run").state.tolist() == ["running"]
        assert run.run.label == "cancer.logistic@1"
        found = table(store, "SELECT name, kind, state FROM stage ORDER BY id")
        assert found.name.tolist() == ["train_test_split", "LogisticRegression", "predict", "evaluate"]
        assert found.kind.tolist() == ["split", "fit", "predict", "metric"]
        assert set(found.state) == {"success"}
        assert table(store, "SELECT state, description FROM experiment_run").to_numpy().tolist() == [
            ["success", "a try"]
        ]
        assert table(store, "SELECT value FROM metric").value.tolist() == [accuracy]
        with pytest.raises(ZeroDivisionError), autolog("cancer", "logistic", store=store):
            _ = 1 / 0
        states = table(store, "SELECT state, error FROM experiment_run ORDER BY id")
        assert states.state.tolist() == ["success", "failed"]
        assert "division by zero" in states.error[1]
        with pytest.raises(InvalidInputError, match=r"model 'a\.b'"):
            autolog("cancer", "a.b", store=store)


def test_a_run_is_begun_before_its_first_event(tmp_path: Path) -> None:
    begun = threading.Event()

    class Recorder(RunRecorder):
        def begin(self) -> None:
            super().begin()
            begun.set()

    with Mistique.open(tmp_path) as store:
        with trace(Recorder(store.catalogue, "cancer", "m", is_begun_later=True)) as run:
            assert begun.wait(60)
            assert table(store, "SELECT state FROM experiment_run").state.tolist() == ["running"]
        assert table(store, "SELECT id, state FROM experiment_run").to_numpy().tolist() == [[run.run.id, "success"]]


def test_a_killed_script_leaves_its_begin_and_what_was_written(tmp_path: Path) -> None:
    text = f"""
        import os, signal
        from sklearn.linear_model import LogisticRegression
        from mistique_core.modeldb import autolog
        run = autolog("cancer", store={str(tmp_path)!r})
        LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        run.flush()
        LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        os.kill(os.getpid(), signal.SIGKILL)
    """
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(text))
    root = Path(__file__).parents[4]
    ended = subprocess.run([sys.executable, str(path)], cwd=root, env={"PYTHONPATH": str(root)}, capture_output=True)
    assert ended.returncode == -signal.SIGKILL
    with Mistique.open(tmp_path) as store:
        assert table(store, "SELECT state, ended_at FROM experiment_run").to_numpy().tolist() == [["running", None]]
        assert table(store, "SELECT name FROM stage").name.tolist()[:1] == ["LogisticRegression"]


def test_a_catalogue_that_is_away_at_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A run that cannot be begun is logged; the script goes on, and is recorded as soon as that is possible."""
    Mistique.open(tmp_path).close()
    catalogue = Catalogue(f"sqlite:///{tmp_path / 'catalogue.db'}", busy_seconds=0.0)
    other = sqlite3.connect(tmp_path / "catalogue.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with trace(RunRecorder(catalogue, "cancer", "m", is_begun_later=True)) as run:
        accuracy = script()
        with pytest.raises(CatalogueUnavailableError, match="locked"):
            run.flush()
        with pytest.raises(CatalogueUnavailableError, match="locked"):
            _ = run.run.label
        while "the script goes on" not in caplog.text:
            time.sleep(0.01)
        other.execute("ROLLBACK")
    other.close()
    with Mistique.open(tmp_path) as store:
        assert table(store, "SELECT state FROM experiment_run").state.tolist() == ["success"]
        assert table(store, "SELECT value FROM metric").value.tolist() == [accuracy]
        names = table(store, "SELECT name FROM stage ORDER BY id").name.tolist()
        assert names == ["train_test_split", "LogisticRegression", "predict", "evaluate"]
    catalogue.close()


def test_a_catalogue_that_stays_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Mistique.open(tmp_path).close()
    catalogue = Catalogue(f"sqlite:///{tmp_path / 'catalogue.db'}", busy_seconds=0.0)
    other = sqlite3.connect(tmp_path / "catalogue.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with trace(RunRecorder(catalogue, "cancer", "m", is_begun_later=True)):
        accuracy = script()
    other.close()
    assert accuracy > 0.8
    assert "4 events could not be recorded and are lost" in caplog.text
    assert "the end of the run could not be recorded" in caplog.text
    with Mistique.open(tmp_path) as store:
        assert table(store, "SELECT id FROM experiment_run").empty
    catalogue.close()


def test_the_interpreter_ends_a_run(tmp_path: Path) -> None:
    text = f"""
        from mistique_core.modeldb import autolog
        import sys
        assert "sklearn" not in sys.modules
        autolog("cancer", store={str(tmp_path)!r})
        from sklearn.linear_model import LogisticRegression
        LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        raise KeyError("gone")
    """
    path = tmp_path / "my.script.py"
    path.write_text(textwrap.dedent(text))
    root = Path(__file__).parents[4]
    ended = subprocess.run([sys.executable, str(path)], cwd=root, env={"PYTHONPATH": str(root)}, capture_output=True)
    assert b"KeyError: 'gone'" in ended.stderr
    with Mistique.open(tmp_path) as store:
        run = table(store, "SELECT e.state, e.error, m.name FROM experiment_run e, model m").iloc[0]
        assert (run.state, run["name"]) == ("failed", "my_script")
        assert run.error == "KeyError: 'gone'"
        assert table(store, "SELECT name FROM stage").name.tolist() == ["LogisticRegression"]


def test_tags_and_what_must_exist(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        with pytest.raises(NotFoundError, match="no project 'cancer'"):
            Syncer(Existing("cancer"), "m", store=store)
        with Syncer("cancer", "m", store=store, experiment="first") as syncer:
            data = load_breast_cancer(as_frame=True).frame
            syncer.add_tag(data, "wisconsin")
            X, model = data[["mean radius"]], LogisticRegression()
            syncer.add_tag(model, "one feature")
            assert model.fit_sync(X, data["target"]) is model  # type: ignore[attr-defined]
            syncer.sync()
            assert table(store, "SELECT tag FROM data_frame").tag.tolist() == ["wisconsin"]
            assert table(store, "SELECT tag FROM transformer").tag.tolist() == ["one feature"]
            syncer.add_tag(model, "renamed")
            syncer.add_tag(X, "of Wisconsin")
        assert table(store, "SELECT tag FROM data_frame").tag.tolist() == ["of Wisconsin"]
        assert table(store, "SELECT tag FROM transformer").tag.tolist() == ["renamed"]
        with pytest.raises(NotFoundError, match="no experiment 'frist'; did you mean 'first'"):
            Syncer(Existing("cancer"), "m", store=store, experiment=Existing("frist"))
        Syncer(Existing("cancer"), "m", store=store, experiment=Existing("first")).stop()
        assert len(table(store, "SELECT id FROM experiment")) == 1


def test_annotations(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        with pytest.raises(InvalidInputError, match="no Syncer is active"):
            annotate("nothing")
        with Syncer("cancer", "m", store=store) as syncer:
            data = load_breast_cancer(as_frame=True).frame
            X, model = data[["mean radius"]], LogisticRegression()
            model.fit_sync(X, data["target"])  # type: ignore[attr-defined]
            annotate("one column of", X, "is enough for", model)
            with pytest.raises(InvalidInputError, match="a list is not recorded"):
                syncer.annotate([1, 2])
            with pytest.raises(InvalidInputError, match="needs a message"):
                syncer.annotate()
        (written,) = ModelDB(store).annotations.of_run(syncer.run.id)
        assert [part.message for part in written.fragments] == ["one column of", None, "is enough for", None]
        assert written.fragments[1].frame_id is not None
        assert written.fragments[3].model_id is not None
