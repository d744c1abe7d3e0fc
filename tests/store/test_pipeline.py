"""A whole pipeline: READ equals RERUN equals plain scikit-learn, and a second run executes nothing."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from mistique_core import Mistique, Run
from mistique_core.catalogue.modeldb_tables import hyperparameter, metric
from mistique_core.catalogue.values import values_of_runs
from mistique_core.errors import RerunError
from mistique_core.model import Ref
from mistique_core.workflows import (
    EvaluateStage,
    FitStage,
    FunctionStage,
    PredictStage,
    ReadSklearnStage,
    SplitStage,
    TransformStage,
)

FOREST = {"n_estimators": 5, "max_depth": 3, "random_state": 0}
INTERMEDIATES = ["source", "wide", "parts_train", "parts_test", "scaled_train", "scaled_test", "predicted"]
CODE = '''
"""Functions that run as stages."""

import numpy as np

def CALLS() -> None:
    """Carries the names of the stages that ran; a function's attributes are not code."""


CALLS.names = []

def widen(data, by=2.0):
    CALLS.names.append("widen")
    return data.assign(wide=data["mean radius"] * by)

def noise(data):
    CALLS.names.append("noise")
    return data[[]].assign(noise=np.random.default_rng().normal(size=len(data)))
'''


def load(path: Path) -> ModuleType:
    """Import the stage functions from a file, under a name that can be imported again."""
    spec = importlib.util.spec_from_file_location("pipeline_sample", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pipeline_sample"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def code(tmp_path: Path) -> Iterator[ModuleType]:
    """Return a module of stage functions."""
    path = tmp_path / "pipeline_sample.py"
    path.write_text(CODE)
    yield load(path)
    sys.modules.pop("pipeline_sample", None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Mistique]:
    """Return an open store."""
    with Mistique.open(tmp_path / "home", block_rows=100) as opened:
        yield opened


def pipeline(run: Run, code: ModuleType) -> dict[str, bool]:
    """Run every kind of stage; return which were reused."""
    reused = {}

    def step(name: str, stage: object, **inputs: Ref) -> dict[str, Ref]:
        outcome = run.stage(name, stage, inputs)
        reused[name] = outcome.reused
        return outcome.outputs

    source = step("source", ReadSklearnStage("breast_cancer"))[""]
    wide = step("wide", FunctionStage(code.widen, {"data": {"$input": "data"}}), data=source)[""]
    parts = step("parts", SplitStage(0.3, seed=1, stratify="target"), data=wide)
    scaler = TransformStage("sklearn.preprocessing.StandardScaler", exclude=["target"])
    scaled = step("scaled", scaler, train=parts["train"], test=parts["test"])
    fit = FitStage("sklearn.ensemble.RandomForestClassifier", "target", FOREST)
    model = step("fit", fit, train=scaled["train"])["model"]
    predicted = step("predicted", PredictStage(keep=["target"]), model=model, data=scaled["test"])[""]
    step("scores", EvaluateStage("target", ["accuracy", "roc_auc"]), data=predicted)
    return reused


def oracle() -> tuple[dict[str, pd.DataFrame], dict[str, float]]:
    """Return what plain pandas and scikit-learn compute."""
    source = load_breast_cancer(as_frame=True).frame.rename_axis("row_id")
    wide = source.assign(wide=source["mean radius"] * 2.0)
    train, test = train_test_split(wide, test_size=0.3, random_state=1, stratify=wide["target"])
    features = [name for name in wide.columns if name != "target"]
    scaler = StandardScaler().fit(train[features])
    scaled = [
        pd.DataFrame(scaler.transform(part[features]), index=part.index, columns=features).assign(target=part["target"])
        for part in (train, test)
    ]
    model = RandomForestClassifier(**FOREST).fit(scaled[0][features], scaled[0]["target"])
    predicted = pd.DataFrame({"prediction": model.predict(scaled[1][features])}, index=test.index)
    predicted[["probability_0", "probability_1"]] = model.predict_proba(scaled[1][features])
    predicted["target"] = test["target"]
    frames = dict(zip(INTERMEDIATES, [source, wide, train, test, *scaled, predicted], strict=True))
    truth = predicted["target"]
    accuracy = accuracy_score(truth, predicted["prediction"])
    return frames, {"accuracy": accuracy, "roc_auc": roc_auc_score(truth, predicted["probability_1"])}


def disk_bytes(store: Mistique) -> int:
    """Return the bytes of all partitions, as the disk says."""
    return sum(path.stat().st_size for path in (Path(store.config.location) / "partitions").rglob("*.h5"))


def test_reading_and_rerunning_agree_with_plain_sklearn(store: Mistique, code: ModuleType) -> None:
    """Every intermediate, bit for bit, by both strategies."""
    with store.run("p", "m") as run:
        pipeline(run, code)
    frames, scores = oracle()
    for name, expected in frames.items():
        for strategy in ("read", "rerun"):
            result = store.get_intermediates(f"p.m.{name}", strategy=strategy)
            assert result.plan.strategy == strategy
            pd.testing.assert_frame_equal(result.frame, expected, check_exact=True)
        assert result.plan.verified is True
        plan = store.explain(f"p.m.{name}")
        assert plan.read_seconds is not None
        assert plan.rerun_seconds is not None
    with store.catalogue.read() as connection:
        assert {name: value for _, _, name, value in values_of_runs(connection, metric, [1])} == scores
        rows = {name: value for _, _, name, value in values_of_runs(connection, hyperparameter, [1])}
    assert {name: rows[name] for name in FOREST} == FOREST


def test_a_second_run_executes_nothing(store: Mistique, code: ModuleType) -> None:
    """No stage is executed, no byte is added, and every answer is the same."""
    with store.run("p", "m") as run:
        assert not any(pipeline(run, code).values())
    before, calls = disk_bytes(store), list(code.CALLS.names)
    with store.run("p", "m") as run:
        reused = pipeline(run, code)
    assert all(reused.values())
    assert code.CALLS.names == calls
    assert disk_bytes(store) == before
    for name in INTERMEDIATES:
        first, second = (store.get_intermediates(f"p.m@{number}.{name}").frame for number in (1, 2))
        pd.testing.assert_frame_equal(first, second)
        rerun = store.get_intermediates(f"p.m@2.{name}", strategy="rerun").frame
        pd.testing.assert_frame_equal(rerun, first)


def test_what_draws_random_numbers_is_never_reused(store: Mistique, code: ModuleType) -> None:
    """Nor re-run to answer a query."""
    stage = FunctionStage(code.noise, {"data": {"$input": "data"}}, deterministic=False)
    answers = []
    for _ in range(2):
        with store.run("p", "m") as run:
            source = run.stage("source", ReadSklearnStage("iris")).outputs[""]
            assert run.stage("noise", stage, {"data": source}).reused is False
        answers.append(store.get_intermediates("p.m.noise").frame)
    assert code.CALLS.names == ["noise", "noise"]
    assert not answers[0].equals(answers[1])
    with pytest.raises(RerunError, match="without a seed"):
        store.get_intermediates("p.m.noise", strategy="rerun")


def test_undeclared_randomness_is_noticed(store: Mistique, code: ModuleType) -> None:
    """A re-run that gives other values is refused rather than answered."""
    with store.run("p", "m") as run:
        source = run.stage("source", ReadSklearnStage("iris")).outputs[""]
        run.stage("noise", FunctionStage(code.noise, {"data": {"$input": "data"}}), {"data": source})
    with pytest.raises(RerunError, match="other values"):
        store.get_intermediates("p.m.noise", strategy="rerun")


def test_changed_code_is_not_rerun(store: Mistique, code: ModuleType, tmp_path: Path) -> None:
    """A forced re-run says so, the stored values are still read, and a new run executes the new code."""
    with store.run("p", "m") as run:
        pipeline(run, code)
    path = tmp_path / "changed" / "pipeline_sample.py"
    path.parent.mkdir()
    path.write_text(CODE.replace('["mean radius"] * by', '["mean radius"] + by'))
    changed = load(path)
    with pytest.raises(RerunError, match="changed since it ran"):
        store.get_intermediates("p.m.wide", strategy="rerun")
    expected = oracle()[0]["wide"]
    pd.testing.assert_frame_equal(store.get_intermediates("p.m.wide", strategy="read").frame, expected)
    pd.testing.assert_frame_equal(store.get_intermediates("p.m.wide").frame, expected)
    with store.run("p", "m") as run:
        reused = pipeline(run, changed)
    assert reused["source"] is True
    assert reused["wide"] is False
    assert (store.get_intermediates("p.m.wide.wide").values != expected["wide"].to_numpy()).any()


def test_a_failing_stage_is_recorded(store: Mistique) -> None:
    """Its error is the user's own, and nothing of it is visible."""
    run = store.run("p", "m")
    source = run.stage("source", ReadSklearnStage("iris")).outputs[""]
    with pytest.raises(ValueError, match="no_such"):
        run.stage("scaled", SplitStage(stratify="no_such"), {"data": source})
    run.finish()
    assert store.intermediates()["intermediate"].tolist() == ["source"]


def test_a_tuple_parameter_comes_back_from_its_record(tmp_path: Path) -> None:
    """scikit-learn insists on a tuple for ``feature_range``, which JSON turns into a list."""
    with Mistique.open(tmp_path / "store") as store:
        with store.run("p", "tuple") as run:
            source = run.stage("source", ReadSklearnStage("iris")).outputs[""]
            stage = TransformStage("sklearn.preprocessing.MinMaxScaler", {"feature_range": [-1, 1]}, exclude=["target"])
            run.stage("scaled", stage, {"data": source})
        result = store.get_intermediates("p.tuple.scaled", strategy="rerun").to_pandas()
    assert result.drop(columns="target").min().tolist() == pytest.approx([-1.0] * 4)
