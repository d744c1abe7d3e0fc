"""Deleting removes what was named, nothing else, and frees exactly the bytes that nobody shares."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, MistiqueError, NotFoundError, RerunError
from mistique_core.partition import scan_partition
from mistique_core.store import Run
from mistique_core.workflows import PredictStage, ReadSklearnStage, SplitStage, TransformStage
from mistique_core.workflows.fit import FitStage


def stored_bytes(store: Mistique) -> int:
    """Return the encoded bytes of all different chunks, as the files themselves say."""
    sizes = {}
    for file in store.backend.files():
        for location in scan_partition(store.backend.get_range(file.name, 0, file.bytes)):
            sizes[location.address] = location.size
    return sum(sizes.values())


def frames(model: str) -> dict[str, pd.DataFrame]:
    """Return a model's frames: own columns, columns that others have too, categories, strings."""
    random = np.random.default_rng(sum(map(ord, model)))
    shared = np.random.default_rng(0)
    own = pd.DataFrame({"own": random.normal(size=700), "shared": shared.normal(size=700)})
    town = pd.Categorical.from_codes(random.integers(0, 3, 700), ["Ghent", "Bruges", model])
    more = own.assign(town=town, text=random.choice(["a", "b", model], 700), shared=own["shared"])
    return {"x": own.rename_axis("row_id"), "y": more.rename_axis("row_id")}


def log(store: Mistique, *models: str) -> None:
    for model in models:
        for name, frame in frames(model).items():
            store.log_frame("p", model, name, frame)


def test_a_model_frees_exactly_its_unshared_bytes(catalogue_url: str, tmp_path: Path) -> None:
    """A store that never held the model has exactly so many bytes less."""
    with Mistique.open(tmp_path / "without", block_rows=200, approximate_dedup=False) as store:
        log(store, "a", "c")
        without = stored_bytes(store)
    with Mistique.open(tmp_path / "with", catalogue_url, block_rows=200, approximate_dedup=False) as store:
        log(store, "a", "b", "c")
        expected = stored_bytes(store) - without
        would = store.delete("p", "b", dry_run=True)
        assert len(store.intermediates("p", "b")) == 2
        report = store.delete("p", "b")
        assert would.dry_run
        assert not report.dry_run
        assert would.freed_bytes == report.freed_bytes == expected > 0
        assert (report.models, report.versions, report.intermediates) == (1, 1, 2)
        assert sorted(set(store.intermediates()["model"])) == ["a", "c"]
        with pytest.raises(NotFoundError, match="no model 'b'"):
            store.get_intermediates("p.b.x")
        collected = store.gc(grace_seconds=0)
        assert collected.chunk_bytes == expected
        assert store.stats().chunk_bytes == without
    with Mistique.open(tmp_path / "with", catalogue_url) as store:
        for model in ("a", "c"):
            for name, frame in frames(model).items():
                pd.testing.assert_frame_equal(store.get_intermediates(f"p.{model}.{name}").frame, frame)


def test_a_version_an_intermediate_and_a_project(catalogue_url: str, tmp_path: Path) -> None:
    """Each removes what it names and leaves the rest."""
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        for number in range(3):
            with store.run("p", "m") as run:
                run.log_frame("x", pd.DataFrame({"a": np.arange(50.0) + number}))
                run.log_frame("y", pd.DataFrame({"a": np.arange(50.0) - number}))
        store.log_frame("q", "m", "x", pd.DataFrame({"a": np.arange(50.0)}))
        assert store.delete("p", "m", version=2).intermediates == 2
        assert store.delete("p", "m", version=1, intermediate="y").intermediates == 1
        listed = store.intermediates("p")
        left = sorted(zip(listed["version"], listed["intermediate"], strict=True))
        assert left == [(1, "x"), (3, "x"), (3, "y")]
        assert np.array_equal(store.get_intermediates("p.m@1.x.a").values, np.arange(50.0))
        assert store.delete("p", "m", intermediate="x").intermediates == 2
        assert store.intermediates("p")["intermediate"].tolist() == ["y"]
        store.delete("p")
        assert store.intermediates()["project"].tolist() == ["q"]
        assert np.array_equal(store.get_intermediates("q.m.x.a").values, np.arange(50.0))
        store.log_frame("p", "m", "x", pd.DataFrame({"a": np.arange(5.0)}))
        assert np.array_equal(store.get_intermediates("p.m@1.x.a").values, np.arange(5.0))


def test_what_is_unknown_is_named(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        log(store, "a")
        for arguments, match in (
            ({"project": "z"}, "project 'z'"),
            ({"project": "p", "model": "z"}, "no model 'z'"),
            ({"project": "p", "model": "a", "version": 9}, "no version 9; known: @1"),
            ({"project": "p", "model": "a", "intermediate": "z"}, "no intermediate 'z'"),
        ):
            with pytest.raises(NotFoundError, match=match) as caught:
                store.delete(**arguments)
            assert "\n" not in str(caught.value)
        with pytest.raises(InvalidInputError, match="name the model"):
            store.delete("p", intermediate="x")
        assert len(store.intermediates()) == 2


def test_a_run_in_progress_is_refused(catalogue_url: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        run = Run(store, store.run("p", "m").key, "p", "m", {})
        run.log_frame("x", pd.DataFrame({"a": np.arange(5.0)}))
        for arguments in ({}, {"version": 1}, {"intermediate": "x"}):
            with pytest.raises(InvalidInputError, match=r"p\.m@1.* still running"):
                store.delete("p", "m", **arguments)
        assert len(store.intermediates()) == 1
        store.delete("p", "m", force=True)
        assert len(store.intermediates()) == 0


def pipeline(store: Mistique, model: str) -> None:
    with store.run("p", model) as run:
        source = run.stage("source", ReadSklearnStage("iris")).outputs[""]
        parts = run.stage("parts", SplitStage(seed=1), {"data": source}).outputs
        scaled = run.stage(
            "scaled", TransformStage("sklearn.preprocessing.StandardScaler", exclude=["target"]), parts
        ).outputs
        fit = FitStage("sklearn.linear_model.LogisticRegression", "target", {"random_state": 0})
        fitted = run.stage("fit", fit, {"data": scaled["train"]}).outputs["model"]
        run.stage("predicted", PredictStage(["target"]), {"model": fitted, "data": scaled["test"]})


def test_reused_stages_outlive_those_that_they_were_taken_from(catalogue_url: str, tmp_path: Path) -> None:
    """Their outputs are read and re-run as before, and reused by a third run."""
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        pipeline(store, "first")
        pipeline(store, "second")
        answer = store.get_intermediates("p.second.predicted").frame
        report = store.delete("p", "first")
        assert (report.stages, report.freed_bytes, report.dependents) == (5, 0, ())
        store.gc(grace_seconds=0)
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        for strategy in ("read", "rerun"):
            again = store.get_intermediates("p.second.predicted", strategy=strategy).frame
            pd.testing.assert_frame_equal(again, answer, check_exact=True)
        pipeline(store, "third")
        listed = store.intermediates("p", "third")
        assert listed["reused"].all()
        assert store.get_intermediates("p.third.predicted").frame.equals(answer)
        everything = store.delete("p")
        collected = store.gc(grace_seconds=0)
        assert everything.freed_bytes == collected.chunk_bytes > 0
        assert store.stats().chunks == 0


def test_an_input_of_another_model_needs_force(catalogue_url: str, tmp_path: Path) -> None:
    """The dependents are named; forced, they are still read, and say why they cannot be re-run."""
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        with store.run("p", "data") as run:
            source = run.stage("source", ReadSklearnStage("iris")).outputs[""]
        with store.run("p", "user") as run:
            run.stage("parts", SplitStage(seed=1), {"data": source})
        for arguments in ({}, {"intermediate": "source"}):
            with pytest.raises(InvalidInputError, match=r"p\.user@1\.parts.*--force"):
                store.delete("p", "data", **arguments)
        answer = store.get_intermediates("p.user.parts_train", strategy="rerun").frame
        report = store.delete("p", "data", force=True)
        assert report.dependents == ("p.user@1.parts",)
        store.gc(grace_seconds=0)
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        pd.testing.assert_frame_equal(store.get_intermediates("p.user.parts_train").frame, answer)
        with pytest.raises(RerunError, match="an input of stage 'parts' was deleted"):
            store.get_intermediates("p.user.parts_train", strategy="rerun")
        assert "was deleted" in store.explain("p.user.parts_train").explain()


def test_a_fitted_object_that_another_model_uses_needs_force(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        with store.run("p", "trainer") as run:
            source = run.stage("source", ReadSklearnStage("iris")).outputs[""]
            fit = FitStage("sklearn.tree.DecisionTreeClassifier", "target", {"random_state": 0, "max_depth": 2})
            fitted = run.stage("fit", fit, {"data": source}).outputs["model"]
        with store.run("p", "user") as run:
            data = run.stage("source", ReadSklearnStage("iris"), reuse=False).outputs[""]
            run.stage("predicted", PredictStage(["target"]), {"model": fitted, "data": data})
        with pytest.raises(InvalidInputError, match=r"p\.user@1\.predicted"):
            store.delete("p", "trainer")
        store.delete("p", "trainer", force=True)
    with Mistique.open(tmp_path) as store, pytest.raises(MistiqueError, match="was deleted"):
        store.get_intermediates("p.user.predicted", strategy="rerun")


def test_the_rest_of_a_stage_that_lost_an_output_is_not_reused(tmp_path: Path) -> None:
    """Its other output stays; the next equal stage runs and has both."""
    with Mistique.open(tmp_path) as store:
        for model in ("m", "n"):
            with store.run("p", model) as run:
                source = run.stage("source", ReadSklearnStage("iris")).outputs[""]
                outcome = run.stage("parts", SplitStage(seed=1), {"data": source})
            if model == "m":
                store.delete("p", "m", intermediate="parts_train")
        assert not outcome.reused
        assert sorted(outcome.outputs) == ["test", "train"]
        assert len(store.intermediates("p", "m")) == 2


def test_a_store_logs_on_after_its_own_model_was_deleted(tmp_path: Path) -> None:
    """The version that the open store was filling is gone; the next frame begins a new one."""
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", pd.DataFrame({"a": np.arange(5.0)}))
        store.log_frame("p", "other", "x", pd.DataFrame({"a": np.arange(6.0)}))
        store.delete("p", "m")
        store.log_frame("p", "m", "y", pd.DataFrame({"a": np.arange(7.0)}))
        listed = store.intermediates()
        found = sorted(zip(listed["model"], listed["version"], listed["intermediate"], strict=True))
        assert found == [("m", 1, "y"), ("other", 1, "x")]
