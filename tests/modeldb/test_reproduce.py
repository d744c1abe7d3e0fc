"""A recorded run is re-created from its record: bit-equal, or the verdict says what differs."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from mistique_core import Mistique
from mistique_core.cli.main import main
from mistique_core.errors import InvalidInputError, NotFoundError, RerunError
from mistique_core.modeldb.reproduce import (
    RerunReport,
    compare_workflows,
    recorded_workflow,
    rerun_run,
    verdict_of_version,
    workflow_yaml,
)
from mistique_core.modeldb.reproduce.named_version import named_version
from mistique_core.modeldb.reproduce.verdict import Outcome
from mistique_core.workflows.fit import FitStage
from mistique_core.workflows.predict import PredictStage
from mistique_core.workflows.read import ReadSklearnStage
from mistique_core.workflows.split import SplitStage

WORKFLOW = """
project: wine
model: {model}
parameters: {{depth: 4}}
stages:
  wine: {{operator: ReadSklearn, params: {{dataset: wine}}}}
  split: {{operator: TrainTestSplit, inputs: wine, params: {{test_size: 0.3, seed: 7, stratify: target}}}}
  scaled:
    operator: Scale
    inputs: {{train: split.train, test: split.test}}
    params: {{columns: [alcohol, hue]}}
  labelled: {{operator: "wine_code.py:with_ratio", inputs: {{frame: scaled.train}}, params: {{power: 2}}}}
  model:
    operator: Fit
    inputs: labelled
    params:
      estimator: sklearn.ensemble.RandomForestClassifier
      label: target
      params: {{n_estimators: 12, max_depth: "${{depth}}", random_state: 3}}
  more: {{operator: "wine_code.py:with_ratio", inputs: {{frame: scaled.test}}, params: {{power: 2}}}}
  predictions: {{operator: Predict, inputs: {{model: model, data: more}}, params: {{keep: [target]}}}}
  scores: {{operator: Evaluate, inputs: predictions, params: {{label: target, metrics: [accuracy]}}}}
"""
CODE = """
def with_ratio(frame, power):
    made = frame.copy()
    made["ratio"] = (made["hue"] - made["alcohol"]) ** power
    return made
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "wine_code.py").write_text(textwrap.dedent(CODE))
    monkeypatch.setenv("MISTIQUE_CODE_PATH", str(tmp_path / "code"))
    return tmp_path


@pytest.fixture
def store(folder: Path, catalogue_url: str) -> Iterator[Mistique]:
    with Mistique.open(folder / "store", catalogue_url) as store:
        yield store


def run_workflow(store: Mistique, folder: Path, model: str = "forest") -> int:
    """Run the workflow; return the row of the model version."""
    path = folder / f"{model}.yaml"
    path.write_text(WORKFLOW.format(model=model))
    report = store.log_intermediates(path, progress=False)
    with store.catalogue.read() as connection:
        return named_version(connection, f"wine.{model}@{report.version}")


def again(store: Mistique, version_id: int) -> RerunReport:
    return rerun_run(store, version_id, progress=False)


def test_a_workflow_with_a_split_and_a_forest_is_bit_equal(store: Mistique, folder: Path) -> None:
    """Every stage, its model and its metric; and the frames are equal when they are read, too."""
    version = run_workflow(store, folder)
    report = again(store, version)
    assert report.label == "wine.forest_rerun@1"
    assert report.verdict.is_equal
    assert {item.name: item.outcome for item in report.verdict.stages} == dict.fromkeys(
        ("wine", "split", "scaled", "labelled", "model", "more", "predictions", "scores"), Outcome.EQUAL
    )
    for name in ("split_train", "labelled", "predictions"):
        first, second = (store.get_intermediates(f"wine.{model}.{name}") for model in ("forest", "forest_rerun"))
        pd.testing.assert_frame_equal(first.frame, second.frame, check_exact=True)
    with store.catalogue.read() as connection:
        assert not store.intermediates("wine", "forest_rerun")["reused"].any()
        assert named_version(connection, "wine.forest") == version


def test_the_workflow_file_gives_the_same(store: Mistique, folder: Path) -> None:
    """What is written loads, names operators as a person would, and its run equals the record."""
    version = run_workflow(store, folder)
    with store.catalogue.read() as connection:
        text = workflow_yaml(recorded_workflow(connection, version))
    document = yaml.safe_load(text)
    assert document["stages"]["split"] == {
        "operator": "TrainTestSplit",
        "inputs": {"data": "wine"},
        "params": {"test_size": 0.3, "seed": 7, "stratify": "target"},
    }
    assert document["stages"]["labelled"]["operator"] == "wine_code.py:with_ratio"
    (folder / "again.yaml").write_text(text)
    report = store.log_intermediates(folder / "again.yaml", model="written", reuse=False, progress=False)
    with store.catalogue.read() as connection:
        made = recorded_workflow(connection, named_version(connection, f"wine.written@{report.version}"))
        verdict = compare_workflows(made, recorded_workflow(connection, version))
    assert verdict.is_equal, verdict.sentence


def test_a_split_without_a_seed_is_repeated(store: Mistique) -> None:
    """The seed that was drawn is recorded, and gives the same rows again; a second run draws another."""
    versions = []
    for _ in range(2):
        with store.run("wine", "drawn") as run:
            wine = run.stage("wine", ReadSklearnStage("wine"))
            run.stage("split", SplitStage(seed=None), {"data": wine.outputs[""]})
        versions.append(run.version_id)
    assert again(store, versions[0]).verdict.is_equal
    with store.catalogue.read() as connection:
        seeds = [recorded_workflow(connection, version).stages[1].facts["seed"] for version in versions]
    assert seeds[0] != seeds[1]
    first = store.get_intermediates("wine.drawn@1.split_test")
    repeated = store.get_intermediates("wine.drawn_rerun.split_test")
    np.testing.assert_array_equal(first.row_id, repeated.row_id)


def test_changed_code_is_refused(store: Mistique, folder: Path) -> None:
    """Nothing is run with a function that is not the one which ran."""
    version = run_workflow(store, folder)
    path = folder / "code" / "wine_code.py"
    path.write_text(path.read_text().replace("- made", "+ made"))
    import sys

    for name in [name for name, module in sys.modules.items() if getattr(module, "__file__", None) == str(path)]:
        del sys.modules[name]
    with pytest.raises(RerunError, match="the code of stage 'labelled' has changed"):
        again(store, version)
    assert store.intermediates("wine", "forest_rerun").empty


def test_an_unseeded_forest_differs(store: Mistique) -> None:
    """The verdict names the stage and what differs; what is before it is equal."""
    with store.run("wine", "random") as run:
        wine = run.stage("wine", ReadSklearnStage("wine")).outputs[""]
        forest = FitStage("sklearn.ensemble.RandomForestClassifier", "target", {"n_estimators": 3})
        model = run.stage("model", forest, {"data": wine}).outputs["model"]
        run.stage("predictions", PredictStage(), {"model": model, "data": wine})
    verdict = again(store, run.version_id).verdict
    assert not verdict.is_equal
    assert [item.outcome for item in verdict.stages][:2] == [Outcome.EQUAL, Outcome.DIFFERS]
    assert any("output 'model'" in text for text in verdict.stages[1].differences)
    assert "model (differs)" in verdict.sentence


def test_verdict_on_the_next_run(store: Mistique, folder: Path) -> None:
    """A run compares with the one before it: equal when nothing changed, and else with what changed."""
    first = run_workflow(store, folder)
    second = run_workflow(store, folder)
    with store.catalogue.read() as connection:
        assert verdict_of_version(connection, first) is None
        verdict = verdict_of_version(connection, second)
        assert verdict is not None
        assert (verdict.label, verdict.against, verdict.is_equal) == ("wine.forest@2", "wine.forest@1", True)
    text = (folder / "forest.yaml").read_text().replace("depth: 4", "depth: 1")
    (folder / "forest.yaml").write_text(text)
    store.log_intermediates(folder / "forest.yaml", progress=False)
    with store.catalogue.read() as connection:
        verdict = verdict_of_version(connection, named_version(connection, "wine.forest@3"))
    assert verdict is not None
    changed = {item.name: item for item in verdict.stages if item.outcome is Outcome.DIFFERS}
    assert set(changed) == {"model", "predictions", "scores"}
    assert (changed["model"].same_code, changed["model"].same_inputs) == (False, True)
    assert any("'max_depth': 1" in text for text in changed["model"].differences)
    assert (changed["predictions"].same_code, changed["predictions"].same_inputs) == (True, False)


def test_what_cannot_be_rerun(store: Mistique) -> None:
    """Frames that were logged by hand have no stages; an unknown name says what to give."""
    with store.run("p", "m") as run:
        run.log_frame("x", pd.DataFrame({"a": [1.0]}))
    with pytest.raises(InvalidInputError, match="logged by hand"):
        again(store, run.version_id)
    with store.catalogue.read() as connection:
        assert named_version(connection, run.key.run_id) == run.version_id
        with pytest.raises(NotFoundError, match="no run is called 'nothing'"):
            named_version(connection, "nothing")
        with pytest.raises(NotFoundError, match="has no version 9"):
            named_version(connection, "p.m@9")


def test_from_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0 and one sentence when all is equal; exit 1 when a stage differs; a file on request."""
    location = str(folder / "store")
    with Mistique.open(location) as store:
        run_workflow(store, folder)
    assert main(["--store", location, "modeldb", "rerun", "wine.forest"]) == 0
    assert "wine.forest_rerun@1 is what wine.forest@1 was: 8 stages bit-equal" in capsys.readouterr().out
    assert main(["--store", location, "modeldb", "rerun", "wine.forest", "--yaml", "-"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["model"] == "forest"
    assert main(["--store", location, "modeldb", "verdict", "wine.forest_rerun", "--against", "wine.forest"]) == 0
    assert main(["--store", location, "modeldb", "rerun", "wine.nothing"]) == 1
