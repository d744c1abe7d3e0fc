"""A script under autolog, the same with _sync calls, and a workflow file leave equal records, but for ids and times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score, max_error, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler
from xgboost import XGBClassifier

from mistique_core import Mistique
from mistique_core.modeldb import Syncer, autolog
from mistique_core.modeldb.record_document import record_document
from mistique_core.modeldb.reproduce import recorded_workflow, rerun_run, workflow_yaml
from mistique_core.modeldb.reproduce.named_version import named_version
from mistique_core.modeldb.sync import compute_metrics, read_csv_sync, train_test_split_sync


@pytest.fixture
def store(tmp_path: Path, catalogue_url: str) -> Iterator[Mistique]:
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        yield store


@pytest.fixture
def path(tmp_path: Path) -> str:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(500, 3)), columns=["a", "b", "c"])
    frame["price"] = 3 * frame["a"] - frame["b"] + rng.normal(0, 0.3, 500)
    frame["dear"] = (frame["price"] > 0).astype(int)
    frame.to_csv(tmp_path / "table.csv", index=False)
    return str(tmp_path / "table.csv")


def boosting(path: str) -> None:
    frame = pd.read_csv(path, nrows=400)
    train, test = train_test_split(frame, test_size=0.2, random_state=3, stratify=frame["dear"])
    model = XGBClassifier(n_estimators=5, max_depth=3, random_state=0).fit(train[["a", "b", "c"]], train["dear"])
    guess, chance = model.predict(test[["a", "b", "c"]]), model.predict_proba(test[["a", "b", "c"]])
    accuracy_score(test["dear"], guess)
    roc_auc_score(test["dear"], chance[:, 1])


def boosting_sync(path: str) -> None:
    frame = read_csv_sync(path, nrows=400)
    train, test = train_test_split_sync(frame, test_size=0.2, random_state=3, stratify=frame["dear"])
    model: Any = XGBClassifier(n_estimators=5, max_depth=3, random_state=0)
    model.fit_sync(train[["a", "b", "c"]], train["dear"])
    X = test[["a", "b", "c"]]
    guess, chance = model.predict_sync(X), model.predict_proba_sync(X)
    compute_metrics(model, accuracy_score, test["dear"], guess, X)
    compute_metrics(model, roc_auc_score, test["dear"], chance[:, 1], X)


def least_squares(path: str) -> None:
    frame = pd.read_csv(path)
    X_train, X_test, y_train, y_test = train_test_split(frame.drop(columns="price"), frame.price, random_state=0)
    scaler = MinMaxScaler().fit(X_train)
    model = LinearRegression().fit(scaler.transform(X_train), y_train)
    guess = model.predict(scaler.transform(X_test))
    r2_score(y_test, guess)
    max_error(y_test, guess)


def least_squares_sync(path: str) -> None:
    frame: Any = read_csv_sync(path)
    X_train, X_test, y_train, y_test = train_test_split_sync(
        frame.drop_sync(columns="price"), frame.price, random_state=0
    )
    scaler: Any = MinMaxScaler()
    scaler.fit_sync(X_train)
    model: Any = LinearRegression()
    model.fit_sync(scaler.transform_sync(X_train), y_train)
    test = scaler.transform_sync(X_test)
    guess = model.predict_sync(test)
    compute_metrics(model, r2_score, y_test, guess, test)
    compute_metrics(model, max_error, y_test, guess, test)


def document(store: Mistique, version_id: int) -> dict[str, Any]:
    with store.catalogue.read() as connection:
        return record_document(connection, version_id)["stages"]


@pytest.mark.parametrize(
    ("script", "sync"),
    [(boosting, boosting_sync), (least_squares, least_squares_sync)],
    ids=["boosting", "least squares"],
)
def test_equal_records(
    store: Mistique, path: str, tmp_path: Path, script: Callable[[str], None], sync: Callable[[str], None]
) -> None:
    with autolog("homes", "auto", store=store) as traced:
        script(path)
    with Syncer("homes", "sync", store=store) as synced:
        sync(path)
    with store.catalogue.read() as connection:
        text = workflow_yaml(recorded_workflow(connection, traced.run.version_id))
    (tmp_path / "workflow.yaml").write_text(text)
    report = store.log_intermediates(tmp_path / "workflow.yaml", model="file", progress=False)
    with store.catalogue.read() as connection:
        from_file = named_version(connection, f"homes.file@{report.version}")
    again = rerun_run(store, traced.run.version_id, progress=False)
    with store.catalogue.read() as connection:
        rerun = named_version(connection, again.label)
    expected = document(store, from_file)
    assert len(expected) >= 5
    for version in (traced.run.version_id, synced.run.version_id, rerun):
        found = document(store, version)
        assert found.keys() == expected.keys()
        for name, stage in expected.items():
            assert found[name] == stage, name
