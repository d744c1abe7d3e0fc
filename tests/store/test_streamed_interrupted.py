"""Tables that run by row blocks: processes that are killed, several at a time, and garbage collection between them."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.entities import RunKey
from mistique_core.catalogue.tables import capture, capture_block, stage
from mistique_core.engine.block_write import BlockWrite
from mistique_core.engine.streamed_stage import StageStreamer
from mistique_core.errors import InvalidInputError
from mistique_core.workflows import FunctionStage
from tests.killed_registration import kill_at_registration

BLOCK_ROWS, BLOCKS = 2_000, 9
ROWS = BLOCK_ROWS * BLOCKS - 7
SETTINGS: dict[str, Any] = {"block_rows": BLOCK_ROWS, "partition_bytes": 60_000, "stream_bytes": 1_000}
KEY = RunKey("python", "", "the-run")


def homes() -> pd.DataFrame:
    random = np.random.default_rng(3)
    return pd.DataFrame({"a": random.standard_normal(ROWS), "b": random.integers(0, 100, ROWS)})


def homes_in_parts() -> Iterator[pd.DataFrame]:
    frame = homes()
    for start in range(0, ROWS, 1_500):
        yield frame.iloc[start : start + 1_500]


def computes(data: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"sine": np.sin(data["a"]), "scaled": data["a"] * data["b"]})


def is_dear(data: pd.DataFrame) -> pd.DataFrame:
    return computes(data)[data["b"] > 40]


FUNCTIONS = {"computes": computes, "is_dear": is_dear}


def run_once(store: Mistique, name: str, blocks: Any = None, map_index: int = -1) -> Any:
    run = store.run("p", "m", key=KEY)
    source = FunctionStage(homes_in_parts, {}, deterministic=True)
    given = run.stage("homes", source, map_index=map_index).outputs[""]
    item, inputs = FunctionStage.bind(FUNCTIONS[name], [given], {}, row_wise=True)
    return run.stage("made", item, inputs, blocks=blocks, map_index=map_index)


def _until(folder: Path, name: str, registration: int, when: str) -> None:
    kill_at_registration(registration, when)
    with Mistique.open(folder, **SETTINGS) as store:
        run_once(store, name)


def killed_at(folder: Path, name: str, registration: int, when: str) -> int:
    """Run the stages in a process that is killed at a registration (from 1) of row blocks; return its signal."""
    process = multiprocessing.get_context("spawn").Process(target=_until, args=(folder, name, registration, when))
    process.start()
    process.join(120)
    return -(process.exitcode or 0)


def expected_of(name: str) -> pd.DataFrame:
    frame = FUNCTIONS[name](homes())
    return frame.rename_axis("row_id")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["computes", "is_dear"])
def test_a_killed_stage_goes_on_and_there_is_one_copy(tmp_path: Path, name: str, when: str) -> None:
    folder = tmp_path / "store"
    Mistique.open(folder, **SETTINGS).close()
    killed = 0
    while killed_at(folder, name, 2 * killed + 1, when) == signal.SIGKILL:
        killed += 1
    assert killed >= 2, "the process was to be killed a few times before it came through"
    with Mistique.open(folder, **SETTINGS) as store:
        assert (store.intermediates("p")["intermediate"] == "made").sum() == 1
        found = store.get_intermediates("p.m@1.made.*", strategy="read").to_pandas()
        pd.testing.assert_frame_equal(found, expected_of(name), check_exact=True)
        assert store.get_intermediates("p.m@1.made.*", strategy="rerun").plan.verified
        with store.catalogue.read() as connection:
            states = connection.scalars(sa.select(stage.c.state).order_by(stage.c.id)).all()
        assert states[-1] == "success"
        store.gc(grace_seconds=0)
        assert store.check(read_data=True).problems == ()


def test_blocks_that_are_stored_are_not_run_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "store"
    with Mistique.open(folder, **SETTINGS) as store:
        store.run("p", "m", key=KEY).stage("homes", FunctionStage(homes_in_parts, {}, deterministic=True))
    assert killed_at(folder, "computes", 3, "after") == signal.SIGKILL
    with Mistique.open(folder, **SETTINGS) as store:
        with store.catalogue.read() as connection:
            stored = connection.scalar(sa.select(sa.func.count()).select_from(capture_block)) or 0
        assert 0 < stored < BLOCKS
        store.gc(grace_seconds=0)  # keeps what is in progress
        with caplog.at_level("INFO"):
            run_once(store, "computes")
        assert f"{BLOCKS - stored} of {BLOCKS} to do" in caplog.text
        found = store.get_intermediates("p.m@1.made.*").to_pandas()
        pd.testing.assert_frame_equal(found, expected_of("computes"), check_exact=True)


def test_tasks_that_store_row_blocks_at_the_same_time(catalogue_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with Mistique.open(folder, catalogue_url, **SETTINGS) as store:
        store.run("p", "m", key=KEY).stage("homes", FunctionStage(homes_in_parts, {}, deterministic=True))

    def work(number: int) -> Any:
        with Mistique.open(folder, catalogue_url, **SETTINGS) as own:
            return run_once(own, "computes", f"{number}/4", number)

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(work, [1, 2, 3, 4]))
    made = {outcome.outputs[""] for outcome in outcomes if outcome.outputs}
    assert len(made) == 1
    with Mistique.open(folder, catalogue_url, **SETTINGS) as store:
        names = store.intermediates("p")["intermediate"]
        assert (names == "made").sum() == 1
        found = store.get_intermediates("p.m@1.made.*", strategy="read").to_pandas()
        pd.testing.assert_frame_equal(found, expected_of("computes"), check_exact=True)
        with store.catalogue.read() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(capture)) == 0
            rows = connection.execute(sa.select(stage.c.map_index, stage.c.state).where(stage.c.name == "made")).all()
        assert sorted((row.map_index, row.state) for row in rows) == [(n, "success") for n in (1, 2, 3, 4)]
        assert store.check(read_data=True).problems == ()


@pytest.mark.parametrize(
    ("name", "blocks", "message"),
    [
        ("computes", [3, 10], "row block 9 does not exist.*has 9 row blocks"),
        ("computes", "5/4", "blocks='5/4' is no range"),
        ("computes", [4, 4], r"blocks=\[4, 4\] is no range"),
        ("is_dear", [0, 2], "drops rows"),
    ],
)
def test_refused(tmp_path: Path, name: str, blocks: Any, message: str) -> None:
    with Mistique.open(tmp_path / "store", **SETTINGS) as store, pytest.raises(InvalidInputError, match=message):
        run_once(store, name, blocks)


def test_a_stage_that_is_not_row_wise_is_refused(tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "store", **SETTINGS) as store:
        run = store.run("p", "m", key=KEY)
        given = run.stage("homes", FunctionStage(homes_in_parts, {}, deterministic=True)).outputs[""]
        with pytest.raises(InvalidInputError, match="does not declare"):
            run.stage("made", *FunctionStage.bind(computes, [given], {}), blocks="1/2")
        random = FunctionStage.bind(computes, [given], {}, row_wise=True, deterministic=False)
        with pytest.raises(InvalidInputError, match="other values each time"):
            run.stage("made", *random, blocks="1/2")


@pytest.mark.parametrize("name", ["computes", "is_dear"])
def test_two_tries_at_once_make_it_once(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A try that Airflow takes for dead goes on while the next one does the same, from another row block on."""
    folder = tmp_path / "store"
    with Mistique.open(folder, **SETTINGS) as store:
        store.run("p", "m", key=KEY).stage("homes", FunctionStage(homes_in_parts, {}, deterministic=True))
    reached, go_on = threading.Event(), threading.Event()
    original = StageStreamer._run_window

    def paused(self: StageStreamer, item: Any, plan: Any, given: Any, blocks: range, *rest: Any) -> None:
        if threading.current_thread().name == "zombie" and blocks.start >= 3:
            reached.set()
            assert go_on.wait(120)
        original(self, item, plan, given, blocks, *rest)

    monkeypatch.setattr(StageStreamer, "_run_window", paused)
    outcomes: dict[str, Any] = {}

    def work() -> None:
        with Mistique.open(folder, **SETTINGS) as own:
            outcomes["zombie"] = run_once(own, name)

    thread = threading.Thread(target=work, name="zombie")
    thread.start()
    assert reached.wait(120)
    with Mistique.open(folder, **SETTINGS) as store:
        outcomes["retry"] = run_once(store, name)
        go_on.set()
        thread.join(120)
        assert all(outcome.outputs[""].intermediate == "made" for outcome in outcomes.values())
        found = store.get_intermediates("p.m@1.made.*", strategy="read").to_pandas()
        pd.testing.assert_frame_equal(found, expected_of(name), check_exact=True)
        assert store.check(read_data=True).problems == ()


def test_equal_content_is_registered_before_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may delete what was taken over until it is registered, so that is not left to the end."""
    count = 0
    original = BlockWrite.register

    def counted(self: BlockWrite, record: Any, addresses: Any) -> None:
        nonlocal count
        count += 1
        original(self, record, addresses)

    monkeypatch.setattr(BlockWrite, "register", counted)
    with Mistique.open(tmp_path / "store", block_rows=100) as store:
        for _ in range(2):
            count = 0
            store.log_frames("p", "m", "homes", homes_in_parts())
    assert count >= ROWS // 100 // 16
