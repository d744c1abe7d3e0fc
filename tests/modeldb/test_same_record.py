"""One workflow by autolog, the _sync calls, a workflow file and a DAG: the records are equal up to ids and times."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from mistique_core import Mistique
from mistique_core.modeldb import Syncer, autolog
from mistique_core.modeldb.record_document import record_document
from mistique_core.modeldb.reproduce import rerun_run
from mistique_core.modeldb.reproduce.named_version import named_version
from mistique_core.modeldb.sync import compute_metrics, drop_sync, read_csv_sync, train_test_split_sync

PROJECT, LABEL, ROWS = "credit", "default", 800
WORKFLOW = """
project: credit
model: {model}
stages:
  read_csv: {{operator: ReadCsv, params: {{path: "{path}"}}}}
  train_test_split: {{operator: TrainTestSplit, inputs: read_csv, params: {{test_size: 0.25, seed: 7}}}}
  StandardScaler:
    operator: Transform
    inputs: {{train: train_test_split.train, test: train_test_split.test}}
    params: {{transformer: sklearn.preprocessing.StandardScaler, columns: [limit, age, paid]}}
  LogisticRegression:
    operator: Fit
    inputs: StandardScaler.train
    params: {{estimator: sklearn.linear_model.LogisticRegression, label: default, params: {{C: 0.5}}}}
  predict:
    operator: Predict
    inputs: {{model: LogisticRegression, data: StandardScaler.test}}
    params: {{keep: [default]}}
  evaluate: {{operator: Evaluate, inputs: predict, params: {{label: default, metrics: [accuracy, f1]}}}}
"""


def write_data(folder: Path) -> Path:
    """Write a table of customers; return its file."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {"limit": rng.integers(1, 50, ROWS) * 1000, "age": rng.integers(20, 70, ROWS), "paid": rng.normal(size=ROWS)}
    )
    frame[LABEL] = (frame["paid"] + frame["age"] / 30 + rng.normal(size=ROWS) > 1.5).astype(int)
    frame.to_csv(folder / "credit.csv", index=False)
    return folder / "credit.csv"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Mistique]:
    with Mistique.open(tmp_path / "store") as store:
        yield store


def with_autolog(store: Mistique, data: Path, model: str) -> None:
    with autolog(PROJECT, model, store=store):
        frame = pd.read_csv(data)
        features, label = frame.drop(columns=LABEL), frame[LABEL]
        train, test, train_label, test_label = train_test_split(features, label, test_size=0.25, random_state=7)
        scaler = StandardScaler().set_output(transform="pandas")
        scaled, scaled_test = scaler.fit_transform(train), scaler.transform(test)
        fitted = LogisticRegression(C=0.5).fit(scaled, train_label)
        predictions = fitted.predict(scaled_test)
        fitted.predict_proba(scaled_test)
        sklearn.metrics.accuracy_score(test_label, predictions)
        sklearn.metrics.f1_score(test_label, predictions)


def with_sync(store: Mistique, data: Path, model: str) -> None:
    with Syncer(PROJECT, model, store=store):
        frame = read_csv_sync(data)
        features, label = drop_sync(frame, columns=LABEL), frame[LABEL]
        train, test, train_label, test_label = train_test_split_sync(features, label, test_size=0.25, random_state=7)
        scaler: Any = StandardScaler().set_output(transform="pandas")
        scaled, scaled_test = scaler.fit_transform_sync(train), scaler.transform_sync(test)
        fitted: Any = LogisticRegression(C=0.5)
        fitted = fitted.fit_sync(scaled, train_label)
        predictions = fitted.predict_sync(scaled_test)
        fitted.predict_proba_sync(scaled_test)
        for metric in (sklearn.metrics.accuracy_score, sklearn.metrics.f1_score):
            compute_metrics(fitted, metric, test_label, predictions, scaled_test)


def with_workflow_file(store: Mistique, data: Path, model: str) -> None:
    path = data.parent / f"{model}.yaml"
    path.write_text(WORKFLOW.format(model=model, path=data))
    store.log_intermediates(path, reuse=False, progress=False)


def document(store: Mistique, model: str) -> dict[str, Any]:
    with store.catalogue.read() as connection:
        found = record_document(connection, named_version(connection, f"{PROJECT}.{model}"))
    return {**found, "model": ""}


WAYS: dict[str, Callable[[Mistique, Path, str], None]] = {"autolog": with_autolog, "sync": with_sync}


@pytest.mark.parametrize("way", WAYS)
def test_scripts_and_files(store: Mistique, data: Path, way: str) -> None:
    """Operators, parameters, lineage, schemas, coefficients, hyperparameters, metrics and what they are of."""
    with_workflow_file(store, data, "file")
    WAYS[way](store, data, way)
    expected = document(store, "file")
    assert document(store, way) == expected
    assert set(expected["stages"]) == {
        "read_csv",
        "train_test_split",
        "StandardScaler",
        "LogisticRegression",
        "predict",
        "evaluate",
    }
    assert expected["stages"]["evaluate"]["measured"] == {
        "data": "StandardScaler.test",
        "model": "LogisticRegression.model",
    }
    assert json.dumps(expected)


@pytest.mark.parametrize("way", WAYS)
def test_a_script_is_reproduced_from_its_record(store: Mistique, data: Path, way: str) -> None:
    """What a client traced is run by stages: the same coefficients and the same metrics, bit for bit."""
    WAYS[way](store, data, way)
    with store.catalogue.read() as connection:
        version = named_version(connection, f"{PROJECT}.{way}")
    verdict = rerun_run(store, version, progress=False).verdict
    assert verdict.is_equal, verdict.sentence
    assert {item.name for item in verdict.stages} == set(document(store, way)["stages"])
