"""What a stage is given is what the user wrote and what this store holds."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError
from mistique_core.fitted import dump_fitted, load_fitted
from mistique_core.workflows import FunctionStage


def numbers() -> pd.DataFrame:
    return pd.DataFrame({"x": [1.0, 2.0, 3.0]})


def sets_a_value(data: pd.DataFrame) -> pd.DataFrame:
    data.loc[0, "x"] = 5.0
    return data


def a_hundred_times(function: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> pd.DataFrame:
        return function(*args, **kwargs) * 100

    return wrapper


@a_hundred_times
def decorated(data: pd.DataFrame) -> pd.DataFrame:
    return data


@pytest.fixture
def store(tmp_path: Path) -> Mistique:
    return Mistique.open(tmp_path / "store")


def test_a_stage_may_write_into_its_input(store: Mistique) -> None:
    with store.run("p", "m") as run:
        source = run.stage("source", FunctionStage(numbers, {})).outputs[""]
        run.stage("changed", *FunctionStage.bind(sets_a_value, [source], {}))
    assert store.get_intermediates("p.m.source.x").values.tolist() == [1.0, 2.0, 3.0]
    assert store.get_intermediates("p.m.changed.x").values.tolist() == [5.0, 2.0, 3.0]


def test_a_decorated_function_runs_with_its_decorator(store: Mistique) -> None:
    with store.run("p", "m") as run:
        source = run.stage("source", FunctionStage(numbers, {})).outputs[""]
        run.stage("decorated", *FunctionStage.bind(decorated, [source], {}))
    assert store.get_intermediates("p.m.decorated.x").values.tolist() == [100.0, 200.0, 300.0]


def test_a_function_that_reads_source_data_is_executed_each_time(store: Mistique) -> None:
    reused = []
    for _ in range(2):
        with store.run("p", "m") as run:
            source = run.stage("source", FunctionStage(numbers, {}))
            after = run.stage("changed", *FunctionStage.bind(sets_a_value, [source.outputs[""]], {}))
        reused.append((source.reused, after.reused))
    assert reused == [(False, False), (False, True)]


def test_a_dict_with_other_keys_than_strings_is_refused(store: Mistique) -> None:
    with pytest.raises(InvalidInputError, match="has the key 0"):
        FunctionStage.bind(sets_a_value, [], {"data": {0: "no", 1: "yes"}})


def test_a_reference_into_another_store_is_refused(store: Mistique, tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "other") as other, other.run("q", "secret") as run:
        foreign = run.stage("source", FunctionStage(numbers, {})).outputs[""]
    with store.run("p", "m") as run:
        run.stage("source", FunctionStage(numbers, {}))
        with pytest.raises(InvalidInputError, match="another store"):
            run.stage("changed", *FunctionStage.bind(sets_a_value, [foreign], {}))


def test_what_an_xgboost_model_takes_for_missing_is_kept() -> None:
    from xgboost import XGBClassifier

    generator = np.random.default_rng(0)
    features = pd.DataFrame(generator.normal(size=(300, 3)), columns=["a", "b", "c"])
    features = features.mask(generator.random((300, 3)) < 0.3, -999.0)
    labels = (features["a"].replace(-999.0, 1.0) > 0).astype(int)
    model = XGBClassifier(n_estimators=10, missing=-999.0, random_state=0).fit(features, labels)
    loaded = load_fitted(*dump_fitted(model))
    assert loaded.missing == -999.0
    assert (loaded.predict_proba(features) == model.predict_proba(features)).all()
