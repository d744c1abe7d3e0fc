"""Two trained models of each kind, and what plain scikit-learn makes of the same data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.workflows import EvaluateStage, FitStage, PredictStage, ReadCsvStage, SplitStage, TransformStage

ROWS = 240
SCALER = "sklearn.preprocessing.StandardScaler"


def homes() -> pd.DataFrame:
    """Return homes with a price and whether they are sold; ``area`` is wild, ``kind`` has three values."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "area": rng.normal(100, 30, ROWS).round(1),
            "kind": rng.integers(0, 3, ROWS),
            "age": rng.normal(40, 9, ROWS).round(2),
        }
    )
    frame["price"] = (frame["area"] * 3 + 20 * frame["kind"] - frame["age"] + rng.normal(0, 15, ROWS)).round(2)
    frame["sold"] = (frame["price"] + rng.normal(0, 25, ROWS) > 300).astype(int)
    return frame.rename_axis("row_id")


def train(store: Mistique, csv: str, model: str, estimator: str, label: str, **params: Any) -> None:
    """Run one pipeline: read, split, scale, fit, predict, evaluate."""
    other = "price" if label == "sold" else "sold"
    metrics = ("accuracy",) if label == "sold" else ("r2",)
    with store.run("homes", model) as run:
        read = run.stage("read", ReadCsvStage(csv)).outputs[""]
        split = run.stage("split", SplitStage(test_size=0.25, seed=1), {"data": read}).outputs
        scaler = TransformStage(SCALER, exclude=["kind", "price", "sold"])
        scaled = run.stage("scaled", scaler, {"train": split["train"], "test": split["test"]}).outputs
        fit = FitStage(estimator, label, params, features=["area", "kind", "age"])
        fitted = run.stage("fit", fit, {"data": scaled["train"]}).outputs["model"]
        keep = PredictStage(keep=[label, other])
        predictions = run.stage("predictions", keep, {"model": fitted, "data": scaled["test"]}).outputs[""]
        run.stage("evaluate", EvaluateStage(label, metrics), {"data": predictions})


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mistique]:
    """Return a store with the classifiers ``logistic`` and ``tree``, and the regressions ``linear`` and ``ridge``."""
    folder = tmp_path_factory.mktemp("homes")
    csv = folder / "homes.csv"
    homes().to_csv(csv, index=False)
    with Mistique.open(folder / "store") as opened:
        train(opened, str(csv), "logistic", "sklearn.linear_model.LogisticRegression", "sold")
        train(opened, str(csv), "tree", "sklearn.tree.DecisionTreeClassifier", "sold", max_depth=3, random_state=0)
        train(opened, str(csv), "linear", "sklearn.linear_model.LinearRegression", "price")
        train(opened, str(csv), "ridge", "sklearn.linear_model.Ridge", "price", alpha=50.0)
        yield opened


@pytest.fixture
def predicted(store: Mistique) -> dict[str, pd.DataFrame]:
    """Return the stored predictions of each model."""
    return {
        name: store.get_intermediates(f"homes.{name}.predictions").frame
        for name in ("logistic", "tree", "linear", "ridge")
    }
