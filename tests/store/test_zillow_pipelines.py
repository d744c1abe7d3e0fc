"""Every intermediate of P1, P5, P9 and P10, read and re-run, equals what plain pandas and scikit-learn compute."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

from mistique_core import Mistique
from mistique_core.workflows.specification import WorkflowSpec, load_workflow
from mistique_core.workflows.zillow import properties, sales, submission

FOLDER = Path(__file__).resolve().parents[2] / "dags" / "zillow"
ROWS = 6_000
BLOCK = 4_096
"""A linear model's last bits depend on how many rows it is given at once; both sides give it so many."""

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def tables() -> dict[str, pd.DataFrame]:
    homes = properties(ROWS, strings="str")
    found = {"properties": homes.set_index("parcelid", drop=False)}
    for name, frame, key in (("train", sales(homes), "parcelid"), ("test", submission(homes), "ParcelId")):
        found[name] = frame.set_index(key)
    return {name: frame.rename_axis("row_id") for name, frame in found.items()}


def params(spec: WorkflowSpec, stage: str) -> dict[str, Any]:
    return dict(next(item.params for item in spec.stages if item.name == stage))


def features(spec: WorkflowSpec, frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Add what P9 and P10 make of the properties; return the last one."""
    data = frames["properties"]
    total, count = 0.0, 0
    for name in params(spec, "averaged")["columns"]:
        total, count = total + data[name].fillna(0.0), count + data[name].notna()
    frames["averaged"] = data = data.assign(average_area=total / count.where(count > 0))
    frames["recency"] = data = data.assign(construction_recency=2016 - data["yearbuilt"])
    encoded = params(spec, "one_hot")
    flags = {}
    for name in encoded["columns"]:
        counts = data[name].value_counts()
        chosen = sorted(counts.index, key=lambda value, counts=counts: (-counts[value], value))
        for value in sorted(chosen[: encoded["max_categories"]]):
            flags[f"{name}_{value:g}"] = (data[name] == value).astype("uint8")
    frames["one_hot"] = data = data.drop(columns=encoded["columns"]).assign(**flags)
    zero = params(spec, "filled_zero")["columns"]
    frames["filled_zero"] = data = data.assign(**{name: data[name].fillna(0.0) for name in zero})
    middle = params(spec, "filled")["columns"]
    frames["filled"] = data = data.assign(**{name: data[name].fillna(data[name].median()) for name in middle})
    bins = params(spec, "neighborhood")["bins"]
    cells = []
    for name in ("latitude", "longitude"):
        low, high = data[name].min(), data[name].max()
        cells.append(np.clip(np.floor((data[name] - low) / (high - low) * bins), 0, bins - 1).astype("i8"))
    frames["neighborhood"] = data = data.assign(neighborhood=(cells[0] * bins + cells[1]).astype("i4"))
    if any(item.name == "residential" for item in spec.stages):
        codes = params(spec, "residential")["codes"]
        frames["residential"] = data = data.assign(is_residential=data["propertylandusetypeid"].isin(codes))
    return data


def predict(model: Any, data: pd.DataFrame) -> np.ndarray:
    if isinstance(model, (LGBMRegressor, XGBRegressor)):
        return model.predict(data)
    if len(data) <= BLOCK:  # how the columns lie in memory decides last bits too: a store gives each by itself
        return model.predict(pd.DataFrame({name: data[name].copy() for name in data}, index=data.index, copy=False))
    parts = []
    for start in range(0, len(data), BLOCK):
        part = data.iloc[start : start + BLOCK]
        whole = part.iloc[[*range(len(part)), *[len(part) - 1] * (BLOCK - len(part))]]
        parts.append(model.predict(whole)[: len(part)])
    return np.concatenate(parts)


def plain(spec: WorkflowSpec) -> tuple[dict[str, pd.DataFrame], dict[str, float]]:
    """Return intermediate -> frame, and the metrics."""
    frames = tables()
    is_featured = any(item.name == "averaged" for item in spec.stages)
    data = features(spec, frames) if is_featured else frames["properties"]
    frames["joined_train"] = frames["train"].join(data)
    frames["joined_test"] = frames["test"].join(data)
    frames["target"] = frames["joined_train"][["logerror"]]
    for part in ("train", "test"):
        dropped = params(spec, f"features_{part}")["columns"]
        frames[f"features_{part}"] = frames[f"joined_{part}"].drop(columns=dropped)
    train, valid = train_test_split(frames["features_train"], test_size=0.2, random_state=1)
    frames["split_train"], frames["split_test"] = train, valid
    kinds = {"TrainLightGBM": LGBMRegressor, "TrainXGBoost": XGBRegressor, "TrainElasticNet": ElasticNet}
    for stage in (item for item in spec.stages if item.operator in kinds):
        model = kinds[stage.operator](**stage.params["params"])
        if stage.params.get("normalize"):
            model = make_pipeline(StandardScaler(), model)
        model.fit(train.drop(columns="logerror"), train["logerror"])
        suffix = "" if stage.name == "model" else f"_{stage.name.removesuffix('_model')}"
        valid_x = valid.drop(columns="logerror")
        made = pd.DataFrame({"prediction": predict(model, valid_x)}, index=valid.index)
        frames[f"predictions_valid{suffix}"] = made.assign(logerror=valid["logerror"])
        test = frames["features_test"]
        frames[f"predictions_test{suffix}"] = pd.DataFrame({"prediction": predict(model, test)}, index=test.index)
    if "predictions_test_xgboost" in frames:
        weights = params(spec, "predictions_test")["weights"]
        for part in ("valid", "test"):
            total = 0.0
            for name, weight in weights.items():
                total = total + weight * frames[f"predictions_{part}_{name}"]["prediction"].astype("f8")
            frames[f"predictions_{part}"] = total.to_frame("prediction")
        frames["predictions_valid"]["logerror"] = valid["logerror"]
    scored = frames["predictions_valid"]
    pair = scored["logerror"], scored["prediction"]
    return frames, {
        "mean_absolute_error": mean_absolute_error(*pair),
        "root_mean_squared_error": root_mean_squared_error(*pair),
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mistique]:
    with Mistique.open(tmp_path_factory.mktemp("zillow") / "store", block_rows=2_000) as store:
        yield store


@pytest.mark.parametrize("template", ["p1", "p5", "p9", "p10"])
def test_every_intermediate_equals_plain_code(store: Mistique, template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MISTIQUE_ZILLOW_DIR", raising=False)
    path = FOLDER / f"{template}.yaml"
    spec = load_workflow(path).variation("v2").resolved({"rows": ROWS})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        report = store.log_intermediates(path, variation="v2", parameters={"rows": ROWS}, progress=False)
        frames, metrics = plain(spec)
    assert {name: value for stage in report.stages for name, value in stage.metrics.items()} == metrics
    logged = store.intermediates("zillow", f"{template}_v2")["intermediate"]
    assert sorted(logged) == sorted(frames)
    random = np.random.default_rng(1)
    for name, expected in frames.items():
        key = f"zillow.{template}_v2.{name}"
        for strategy in ("read", "rerun"):
            got = store.get_intermediates(f"{key}.*", strategy=strategy)
            assert got.plan.strategy == strategy
            pd.testing.assert_frame_equal(got.to_pandas(), expected, check_exact=True, obj=f"{name} by {strategy}")
        ids = random.choice(expected.index.to_numpy(), min(9, len(expected)), replace=False)
        few = store.get_intermediates(f"{key}.*", row_id=ids, strategy="rerun").to_pandas()
        pd.testing.assert_frame_equal(few, expected.loc[ids], check_exact=True, obj=f"rows of {name}")


def test_a_store_that_keeps_only_the_sources_answers_the_same(store: Mistique) -> None:
    keys = [f"zillow.p9_v2.{name}" for name in ("filled", "joined_test", "split_test", "predictions_test")]
    expected = {key: store.get_intermediates(key, strategy="read").to_pandas() for key in keys}
    report = store.materialize("zillow", "p9_v2", policy={"policy": "adaptive", "gamma_min": 1e12})
    assert set(report.kept) == {"properties", "train", "test"}
    assert report.unequal == ()
    store.gc(grace_seconds=0)
    for key, frame in expected.items():
        pd.testing.assert_frame_equal(store.get_intermediates(key).to_pandas(), frame, check_exact=True)
        ids = frame.index[[5, 0, 17]]
        few = store.get_intermediates(key, row_id=ids.to_numpy()).to_pandas()
        pd.testing.assert_frame_equal(few, frame.loc[ids], check_exact=True)
