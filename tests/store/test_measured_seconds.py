"""The measured parts of a stage are parts of the time that it took: nothing counts twice."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.catalogue import stages
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.model import StageKind
from mistique_core.modeldb.records import StageRecord
from mistique_core.modeldb.runs import find_run, list_runs
from mistique_core.workflows import FunctionStage

SLOW_SECONDS = 0.5


def numbers() -> pd.DataFrame:
    return pd.DataFrame({name: np.arange(100.0) for name in "abc"})


def without_b(data: pd.DataFrame) -> pd.DataFrame:
    return data.drop(columns="b")


def slow(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    original = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        time.sleep(SLOW_SECONDS)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)


def newest(store: Mistique, name: str) -> StageRecord:
    with store.catalogue.read() as connection:
        run = list_runs(connection).runs[0]
        found = find_run(connection, run.dag_id, run.run_id)
    assert found is not None
    return next(item for item in found.stages if item.name == name)


def test_columns_that_are_read_to_be_stored_count_as_loading_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Mistique.open(tmp_path) as store, store.run("p", "m") as run:
        run.stage("numbers", FunctionStage(numbers, {}), {})
    with Mistique.open(tmp_path, block_rows=10) as store, store.run("p", "m") as run:  # so they are cut anew
        refs = run.stage("numbers", FunctionStage(numbers, {}), {})
        slow(monkeypatch, FrameReader, "frame_of")
        slow(monkeypatch, FrameReader, "row_index")
        run.stage("fewer", FunctionStage(without_b, {"data": {"$input": "data"}}), {"data": refs.outputs[""]})
        item = newest(store, "fewer")
    assert (item.load_seconds or 0.0) >= SLOW_SECONDS
    assert (item.work_seconds or 0.0) <= (item.wall_seconds or 0.0)


def test_an_event_takes_as_long_as_its_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting until its beginning can be recorded does not count."""
    slow(monkeypatch, stages, "lock_version")
    with Mistique.open(tmp_path) as store, store.run("p", "m") as run:
        with run.event("search", StageKind.GRID_SEARCH, operator="here", label="Search"):
            pass
        item = newest(store, "search")
    assert (item.work_seconds or 0.0) <= (item.wall_seconds or 0.0)
