"""Several processes re-run row blocks of a layer: it is kept again with the recorded bits, or not at all."""

import json
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.measurements import load_rates
from mistique_core.catalogue.tables import capture as capture_table
from mistique_core.catalogue.tables import capture_block, chunk, intermediate, stage
from mistique_core.catalogue.unstored import pack_unstored, unpack_unstored
from mistique_core.engine.layer_blocks import LayerBlocks
from mistique_core.errors import CatalogueError, InvalidInputError, NotFoundError, RerunError, RerunMismatchError
from mistique_core.store.host_measurements import STORE, STORE_BYTES
from tests.child_process import child_process
from tests.networks.architectures import cnn
from tests.networks.block_workers import SETTINGS
from tests.networks.test_layers_let_go import NEVER, addresses, capture, kept, read

BLOCKS = 5  # of 20 rows, the last one of 3
NEVER_KEPT = {"policy": "adaptive", "gamma_min": NEVER}
Workers = Callable[[list[Any]], list[int]]


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    command = [sys.executable, "-m", "tests.networks.block_workers"]
    with child_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(jobs: list[Any]) -> list[int]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(jobs) + "\n")
            process.stdin.flush()
            found: list[int] = json.loads(process.stdout.readline())
            return found

        yield run


def let_go(store: Mistique, scheme: str = "lossless", policy: Any = NEVER_KEPT) -> dict[str, Any]:
    """Capture a network, and let all of it go; return the values and addresses of its layers."""
    names = capture(store, cnn, scheme)
    before = {name: (read(store, name), addresses(store, name)) for name in names}
    store.materialize("nets", "m", policy=policy)
    store.gc(grace_seconds=0)
    assert not any(kept(store)[name] for name in names)
    return before


def check_kept(store: Mistique, name: str, before: dict[str, Any]) -> None:
    """A layer is what it was, nothing else is left, and nothing is there twice."""
    values, recorded = before[name]
    assert kept(store)[name]
    assert addresses(store, name) == recorded
    np.testing.assert_array_equal(read(store, name), values)
    assert rows_in_progress(store) == (0, 0)
    assert store.gc(grace_seconds=0).chunks == 0
    assert store.check(read_data=True).problems == ()


def rows_in_progress(store: Mistique) -> tuple[int, ...]:
    with store.catalogue.read() as connection:
        return tuple(
            connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in (capture_table, capture_block)
        )


def chunks(store: Mistique) -> int:
    with store.catalogue.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(chunk)) or 0


def forge_address(store: Mistique, name: str) -> None:
    """Let the record of a layer say that other values were there."""
    with store.catalogue.write() as connection:
        row = connection.execute(sa.select(intermediate).where(intermediate.c.name == name)).one()
        unstored = unpack_unstored(row.unstored)
        columns = (replace(unstored.columns[0], address=bytes(32)), *unstored.columns[1:])
        packed = pack_unstored(replace(unstored, columns=columns))
        connection.execute(sa.update(intermediate).where(intermediate.c.id == row.id).values(unstored=packed))


def record_as_long(store: Mistique, seconds: float = 600.0) -> None:
    """Let the record say that every layer took so long."""
    with store.catalogue.write() as connection:
        connection.execute(sa.update(stage).values(exec_seconds=seconds))


def test_two_processes_each_re_run_half_at_the_same_time(catalogue_url: str, workers: Workers, tmp_path: Path) -> None:
    with Mistique.open(tmp_path, catalogue_url, **SETTINGS) as store:
        before = let_go(store)
        common = (str(tmp_path), catalogue_url, "nets.m.conv2")
        assert workers([(*common, 0, 3, 0, ""), (*common, 3, BLOCKS, 0, "")]) == [0, 0]
        check_kept(store, "conv2", before)
        assert not kept(store)["conv1"]
        with store.catalogue.read() as connection:
            rates = load_rates(connection, platform.node()).rates
        assert {STORE, STORE_BYTES} <= rates.keys(), "each process has measured what storing takes"


def test_processes_that_re_run_the_same_blocks_leave_one_copy(
    catalogue_url: str, workers: Workers, tmp_path: Path
) -> None:
    with Mistique.open(tmp_path, catalogue_url, **SETTINGS) as store:
        before = let_go(store, "kbit(8)")
        job = (str(tmp_path), catalogue_url, "nets.m.norm", 0, BLOCKS, 0, "")
        assert workers([job, job]) == [0, 0]
        check_kept(store, "norm", before)


@pytest.mark.parametrize(("registration", "when"), [(2, "before"), (2, "after"), (BLOCKS, "after")])
def test_a_killed_process_is_repeated(
    catalogue_url: str, registration: int, when: str, workers: Workers, tmp_path: Path
) -> None:
    """What it had stored is kept by garbage collection, and not run again; even if that was all."""
    with Mistique.open(tmp_path, catalogue_url, **SETTINGS) as store:
        before = let_go(store)
        common = (str(tmp_path), catalogue_url, "nets.m.conv1")
        assert workers([(*common, 0, BLOCKS, registration, when)]) == [signal.SIGKILL]
        stored = rows_in_progress(store)[1]
        assert stored == registration - (when == "before")
        assert not kept(store)["conv1"]
        store.gc(grace_seconds=0)
        assert store.check(read_data=True).problems == ()
        report = store.rerun_blocks("nets.m.conv1")
        assert (report.blocks, report.done, report.of, report.is_kept) == (BLOCKS - stored, BLOCKS, BLOCKS, True)
        store.gc(grace_seconds=0)  # what the killed one wrote without registering it
        check_kept(store, "conv1", before)


@pytest.mark.parametrize("scheme", ["lossless", "kbit(8)", "threshold(99.5%)", "pool(2)+float16"])
def test_blocks_in_any_order_give_the_recorded_addresses(scheme: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        before = let_go(store, scheme)
        for name in ("conv2", "probabilities"):
            told = [store.rerun_blocks(f"nets.m.{name}", blocks=blocks) for blocks in ([4, 1], [1], range(2), [2, 3])]
            assert [(item.blocks, item.done, item.is_kept) for item in told] == [
                (2, 2, False),
                (0, 2, False),
                (1, 3, False),
                (2, BLOCKS, True),
            ]
            assert {(item.key, item.of, item.reason) for item in told} == {(f"nets.m@1.{name}", BLOCKS, "")}
            check_kept(store, name, before)
            again = store.rerun_blocks(f"nets.m.{name}", blocks=[0])
            assert (again.blocks, again.done, again.is_kept) == (0, BLOCKS, True)
            assert rows_in_progress(store) == (0, 0)


def test_values_that_differ_from_the_record_are_refused(catalogue_url: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path, catalogue_url) as store:
        let_go(store)
        record_as_long(store)
        forge_address(store, "conv2")
        without = chunks(store)
        assert not store.rerun_blocks("nets.m.conv2", blocks=range(4)).is_kept
        with pytest.raises(RerunMismatchError, match=r"1 of 1 groups of columns of conv2 differ .*number 0"):
            store.rerun_blocks("nets.m.conv2", blocks=[4])
        assert not kept(store)["conv2"]
        assert rows_in_progress(store) == (0, 0)
        store.gc(grace_seconds=0)
        assert chunks(store) == without
        assert {problem.kind for problem in store.check(read_data=True).problems} == {"wrong frame"}, "the forged one"
        (planned,) = store.plan_blocks("nets.m.conv2")
        assert not planned.split.pays
        assert "other values" in planned.split.reason


def test_what_nobody_goes_on_with_is_freed(catalogue_url: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path, catalogue_url) as store:
        before = let_go(store)
        without = chunks(store)
        store.rerun_blocks("nets.m.conv2", blocks=range(2))
        assert store.gc(grace_seconds=0).chunks == 0
        assert chunks(store) > without
        with store.catalogue.write() as connection:
            connection.execute(sa.update(capture_table).values(beat_at=0.0))
        store.gc(grace_seconds=0)
        assert chunks(store) == without
        assert rows_in_progress(store) == (0, 0)
        report = store.rerun_blocks("nets.m.conv2")
        assert (report.blocks, report.is_kept) == (BLOCKS, True)
        check_kept(store, "conv2", before)


def test_a_process_that_comes_too_late_finds_the_work_done(
    catalogue_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one process computes its first block, another one stores all of them."""
    with Mistique.open(tmp_path, catalogue_url) as store, Mistique.open(tmp_path, catalogue_url) as other:
        before = let_go(store)
        original, overtaken = LayerBlocks.run, []

        def run_late(self: LayerBlocks, *given: Any) -> Any:
            if not overtaken:
                overtaken.append(True)
                assert other.rerun_blocks("nets.m.conv2").is_kept
            yield from original(self, *given)

        monkeypatch.setattr(LayerBlocks, "run", run_late)
        report = store.rerun_blocks("nets.m.conv2", blocks=range(2))
        assert (report.done, report.is_kept) == (BLOCKS, True)
        store.gc(grace_seconds=0)
        check_kept(store, "conv2", before)


def test_a_re_run_that_was_given_up_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mistique_core.catalogue.captures import end_captures

    with Mistique.open(tmp_path) as store:
        let_go(store)
        original = LayerBlocks.run

        def give_up(self: LayerBlocks, *given: Any) -> Any:
            with store.catalogue.write() as connection:
                end_captures(connection, [connection.execute(sa.select(capture_table.c.id)).scalar_one()])
            yield from original(self, *given)

        monkeypatch.setattr(LayerBlocks, "run", give_up)
        with pytest.raises(CatalogueError, match="given up"):
            store.rerun_blocks("nets.m.conv2")
        monkeypatch.undo()
        assert store.rerun_blocks("nets.m.conv2").is_kept


def test_a_deleted_layer_is_not_kept_again(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        let_go(store)
        store.rerun_blocks("nets.m.probabilities", blocks=range(2))
        store.delete("nets", "m", force=True)
        assert rows_in_progress(store) == (0, 0)
        with pytest.raises(NotFoundError):
            store.rerun_blocks("nets.m@1.probabilities", blocks=range(2, 5))
        store.gc(grace_seconds=0)
        assert chunks(store) == 0


def test_a_budget_is_kept_to(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        before = let_go(store, policy={"policy": "budget", "bytes": 1})
        record_as_long(store)
        (planned,) = store.plan_blocks("nets.m.conv2")
        assert planned.blocks == BLOCKS
        assert "budget of 1 bytes" in planned.split.reason
        report = store.rerun_blocks("nets.m.conv2")
        assert (report.done, report.is_kept) == (BLOCKS, False)
        assert "budget of 1 bytes" in report.reason
        assert rows_in_progress(store) == (0, 0)
        store.materialize("nets", "m", policy={"policy": "budget", "bytes": 10_000_000})
        assert store.rerun_blocks("nets.m.conv2").is_kept
        check_kept(store, "conv2", before)


def test_a_plan_divides_what_a_query_re_runs_as_a_whole(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        let_go(store)
        (planned,) = store.plan_blocks("nets.m.conv2.3")
        assert not planned.split.pays, "it takes milliseconds"
        record_as_long(store)
        (planned,) = store.plan_blocks("nets.m.conv2.3", workers=2)
        assert (planned.key, planned.blocks) == ("nets.m@1.conv2", BLOCKS)
        assert planned.split.ranges == (range(2), range(2, 5))
        assert planned.split.alone_seconds > planned.split.split_seconds > 300
        both = store.plan_blocks(["nets.m.conv2.3", "nets.m.conv1", "nets.m.conv2.4", "nets.m.images"], workers=8)
        assert [(item.key, len(item.split.ranges)) for item in both] == [("nets.m@1.conv2", 5), ("nets.m@1.conv1", 5)]
        assert store.plan_blocks("nets.m.conv2.3", row_id=[3, 40]) == []
        with pytest.raises(InvalidInputError, match="workers=0"):
            store.plan_blocks("nets.m.conv2.3", workers=0)
        for item in planned.split.ranges:
            store.rerun_blocks(planned.key, blocks=item)
        assert store.plan_blocks("nets.m.conv2.3") == []
        assert store.get_intermediates("nets.m.conv2.3").plan.strategy == "read"


def test_what_cannot_be_re_run_by_row_blocks(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        capture(store, cnn, "lossless")
        store.log_frame("nets", "table", "scores", pd.DataFrame({"a": [1.0, 2.0]}))
        with pytest.raises(RerunError, match="scores cannot be re-run: it was logged by hand"):
            store.rerun_blocks("nets.table.scores")
        with pytest.raises(
            InvalidInputError, match=r"row block 5 does not exist: 83 rows of nets.m@1.conv1 are 5 blocks"
        ):
            store.rerun_blocks("nets.m.conv1", blocks=[0, 5])
