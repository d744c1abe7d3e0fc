"""A capture that is killed goes on at the next row block, and leaves the store that an uninterrupted one leaves."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.tables import capture as capture_table
from mistique_core.catalogue.tables import capture_block, chunk, intermediate, stage
from tests.child_process import child_process
from tests.networks.architectures import cnn
from tests.networks.interrupted_capture import SETTINGS, capture


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    with Mistique.open(folder, **SETTINGS) as store:
        report = capture(store)
        assert report.blocks == 9
    return folder


@pytest.fixture(scope="module")
def killer() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.networks.interrupted_capture"]
    with child_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def contents(folder: Path) -> dict[str, Any]:
    """Return everything that a capture leaves, but for times."""
    with Mistique.open(folder, **SETTINGS) as store:
        assert store.check(read_data=True).problems == ()
        with store.catalogue.read() as connection:
            intermediates = connection.execute(
                sa.select(
                    intermediate.c.name, intermediate.c.address, intermediate.c.stored_bytes, intermediate.c.attempt
                ).order_by(intermediate.c.id)
            ).all()
            chunks = connection.execute(
                sa.select(chunk.c.address, chunk.c.stored_bytes).order_by(chunk.c.address)
            ).all()
            stages = connection.execute(sa.select(stage.c.name, stage.c.fingerprint).order_by(stage.c.id)).all()
            left = [
                connection.scalar(sa.select(sa.func.count()).select_from(table))
                for table in (capture_table, capture_block)
            ]
        values = {
            name: store.get_intermediates(f"nets.cnn.{name}", strategy="read").values for name, _, _, _ in intermediates
        }
    return {
        "intermediates": [tuple(row) for row in intermediates],
        "chunks": [tuple(row) for row in chunks],
        "stages": [tuple(row) for row in stages],
        "captures": left,
        "files": sorted((file.name, file.stat().st_size) for file in folder.rglob("*.h5")),
        "values": values,
    }


@pytest.mark.parametrize(("registration", "when"), [(2, "before"), (2, "after"), (4, "before"), (4, "after")])
def test_killed_and_resumed_is_as_if_nothing_had_happened(
    registration: int, when: str, uninterrupted: Path, killer: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert killer.stdin is not None
    assert killer.stdout is not None
    killer.stdin.write(f"{tmp_path} {registration} {when}\n")
    killer.stdin.flush()
    assert int(killer.stdout.readline()) == signal.SIGKILL
    with Mistique.open(tmp_path, **SETTINGS) as store:
        assert store.intermediates(model="cnn")["intermediate"].tolist() == ["images"]
        store.gc(grace_seconds=0)
        report = capture(store)
        assert report.version == 1, "it goes on with the interrupted run"
        assert report.is_complete
        if when == "after":
            assert 0 < report.blocks < 9, "blocks that were stored are not computed again"
        store.gc(grace_seconds=0)
    found, expected = contents(tmp_path), contents(uninterrupted)
    values = found.pop("values"), expected.pop("values")
    assert found == expected
    for name, array in values[1].items():
        np.testing.assert_array_equal(values[0][name], array)


def test_what_an_open_capture_has_stored_survives_garbage_collection_and_goes_with_its_model(tmp_path: Path) -> None:
    architecture = cnn()
    with Mistique.open(tmp_path) as store:
        run = store.run("nets", "cnn")
        options: dict[str, Any] = {"batch_rows": 20, "scheme": "lossless"}
        report = run.log_network(architecture.model, lambda: architecture.inputs, blocks=range(2), **options)
        assert not report.is_complete
        assert {layer.state for layer in report.layers} == {"pending"}
        before = store.gc(grace_seconds=0)
        assert (before.chunks, before.partitions) == (0, 0)
        report = run.log_network(architecture.model, lambda: architecture.inputs, **options)
        assert report.blocks == 3
        assert report.is_complete
        run.finish()

        other = store.run("nets", "left")
        architecture.model.get_layer("conv1").set_weights(
            [item * 2 for item in architecture.model.get_layer("conv1").get_weights()]
        )
        other.log_network(architecture.model, lambda: architecture.inputs, blocks=[0], **options)
        store.delete("nets", "left", force=True)
        assert store.gc(grace_seconds=0).chunks > 0
        assert store.check(read_data=True).problems == ()
        assert len(store.get_intermediates("nets.cnn.flatten").values) == 83


def test_several_tasks_share_the_row_blocks(catalogue_url: str, tmp_path: Path) -> None:
    """Each task logs its own blocks, in any order; the last one makes everything visible, as one task would."""
    architecture = cnn()
    options: dict[str, Any] = {"batch_rows": 20, "scheme": "bounded(0.1)"}
    with Mistique.open(tmp_path / "alone") as store:
        store.log_intermediates(architecture.model, lambda: architecture.inputs, project="nets", model="cnn", **options)
        expected = store.get_intermediates("nets.cnn.conv2", strategy="read").values
    with Mistique.open(tmp_path / "shared", catalogue_url) as store:
        run = store.run("nets", "cnn")
        for blocks in ([3, 4], [0], [0, 1]):
            report = run.log_network(architecture.model, lambda: architecture.inputs, blocks=blocks, **options)
            assert not report.is_complete
        assert store.intermediates()["intermediate"].tolist() == ["images"]
        report = run.log_network(architecture.model, lambda: architecture.inputs, blocks=[2], **options)
        assert report.is_complete
        run.finish()
        again = run.log_network(architecture.model, lambda: architecture.inputs, blocks=[1], **options)
        assert {layer.state for layer in again.layers} == {"reused"}
        assert store.intermediates()["attempt"].max() == 1, "it is recorded once, whichever task comes again"
        np.testing.assert_array_equal(store.get_intermediates("nets.cnn.conv2", strategy="read").values, expected)


def test_a_task_that_comes_too_late_finds_the_work_done(
    catalogue_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one call computes its first block, another one stores all of them and ends the capture."""
    from mistique_core.networks.forward import Network

    architecture = cnn()
    options: dict[str, Any] = {"batch_rows": 20, "scheme": "bounded(0.1)"}
    with Mistique.open(tmp_path, catalogue_url) as store, Mistique.open(tmp_path, catalogue_url) as other:
        run = store.run("nets", "cnn")
        original, overtaken, batches = Network.run, [], []

        def run_late(self: Network, inputs: Any) -> Any:
            batches.append(len(next(iter(inputs.values()))))
            if batches.count(20) == 5 and not overtaken:  # four batches of the sample came before
                overtaken.append(True)
                same = other.run("nets", "cnn", key=run.key)
                report = same.log_network(cnn().model, lambda: architecture.inputs, **options)
                assert report.is_complete
            return original(self, inputs)

        monkeypatch.setattr(Network, "run", run_late)
        report = run.log_network(architecture.model, lambda: architecture.inputs, **options)
        assert overtaken
        assert report.is_complete
        run.finish()
        assert store.intermediates()["attempt"].max() == 1
        assert len(store.get_intermediates("nets.cnn.flatten").values) == 83
        assert store.check(read_data=True).problems == ()


def test_tasks_that_store_blocks_at_the_same_time(catalogue_url: str, tmp_path: Path) -> None:
    architecture = cnn()
    options: dict[str, Any] = {"batch_rows": 10, "scheme": "lossless"}
    key = None
    with Mistique.open(tmp_path, catalogue_url, **SETTINGS) as store:
        run = store.run("nets", "cnn")
        key = run.key
        run.log_network(architecture.model, lambda: architecture.inputs, blocks=[0], **options)

    def work(model: Any, blocks: list[int]) -> bool:
        with Mistique.open(tmp_path, catalogue_url, **SETTINGS) as own:
            same = own.run("nets", "cnn", key=key)
            report = same.log_network(model, lambda: architecture.inputs, blocks=blocks, **options)
            return bool(report.is_complete)

    models = [cnn().model for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        complete = list(pool.map(work, models, ([1, 2], [3, 4], [5, 6], [7, 8])))
    assert any(complete)
    with Mistique.open(tmp_path, catalogue_url, **SETTINGS) as store:
        store.run("nets", "cnn", key=key).finish()
        expected = architecture.model.predict(architecture.inputs["images"], batch_size=10, verbose=0)
        found = store.get_intermediates("nets.cnn.probabilities", strategy="read")
        np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-6)
        assert store.check(read_data=True).problems == ()


def test_an_open_capture_goes_on_as_it_began_whatever_the_store_holds_by_then(tmp_path: Path) -> None:
    architecture = cnn()
    options: dict[str, Any] = {"batch_rows": 20, "scheme": "lossless"}
    with Mistique.open(tmp_path) as store:
        run = store.run("nets", "cnn")
        run.log_network(architecture.model, lambda: architecture.inputs, blocks=[0, 1], **options)
        # Meanwhile the same network is logged elsewhere: by now all of its layers are known.
        store.log_intermediates(
            architecture.model, lambda: architecture.inputs, project="nets", model="other", **options
        )
        report = run.log_network(architecture.model, lambda: architecture.inputs, blocks=[2, 3, 4], **options)
        assert report.is_complete
        run.finish()
        for layer in report.layers:
            found = [store.get_intermediates(f"nets.{model}.{layer.name}").values for model in ("cnn", "other")]
            np.testing.assert_array_equal(*found)


def test_a_capture_that_was_given_up_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mistique_core.catalogue.captures import end_captures
    from mistique_core.errors import CatalogueError
    from mistique_core.networks.forward import Network

    architecture = cnn()
    with Mistique.open(tmp_path) as store:
        run = store.run("nets", "cnn")
        options: dict[str, Any] = {"batch_rows": 20, "scheme": "lossless"}
        run.log_network(architecture.model, lambda: architecture.inputs, blocks=[0], **options)
        original = Network.run

        def give_up(self: Network, inputs: Any) -> Any:
            with store.catalogue.write() as connection:
                end_captures(connection, [1])
            return original(self, inputs)

        monkeypatch.setattr(Network, "run", give_up)
        with pytest.raises(CatalogueError, match="given up"):
            run.log_network(architecture.model, lambda: architecture.inputs, **options)
        monkeypatch.undo()
        assert run.log_network(architecture.model, lambda: architecture.inputs, **options).is_complete
